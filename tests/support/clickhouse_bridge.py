"""A ClickHouse HTTP interface in front of a chDB engine, in a process that can be killed.

Just enough of https://clickhouse.com/docs/interfaces/http for clickhouse-connect: queries and
commands in the body, inserts with the statement in front of the data, settings and query parameters
in the URL, errors with their code in `X-ClickHouse-Exception-Code`. A chDB process can have one
engine only, hence the process; it dies with the test run.
"""

import os
import re
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.exceptions import Error

_ROOT = Path(__file__).resolve().parents[2]
_INSERT = re.compile(rb"INSERT INTO (?P<table>\S+)\s+FORMAT (?P<format>\w+)\s")
_TRANSPORT = frozenset(
    {"database", "query", "client_protocol_version", "session_id", "query_id", "compress"}
    | {"enable_http_compression", "wait_end_of_query", "send_progress_in_http_headers"}
    | {"http_headers_progress_interval_ms"}
)


class ClickHouseBridge:
    """A server process on a data directory; `stop` is a `kill -9`, `start` comes back."""

    def __init__(self, path: Path) -> None:
        """Serve the engine at `path`; nothing runs yet."""
        self._path = path
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What `CLICKHOUSE_URL` would say."""
        return f"http://127.0.0.1:{self._port}/"

    def start(self) -> None:
        """Start and wait until the port is open; it stays the same over restarts.

        Call from the main thread: the process dies with the thread that started it (prctl(2)).
        """
        command = [sys.executable, "-m", "tests.support.clickhouse_bridge"]
        self._process = subprocess.Popen(
            [*command, str(self._path), str(self._port), str(os.getpid())],
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": f"{_ROOT}{os.pathsep}{_ROOT / 'src'}"},
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())

    def stop(self) -> None:
        """Kill the process."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    def pause(self) -> None:
        """Freeze the process: connections are accepted by the kernel and never answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: Any

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        """Stay silent."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        url = urlsplit(self.path)
        if url.path == "/ping":
            self._send(200, b"Ok.\n")
            return
        parameters = dict(parse_qsl(url.query, keep_blank_values=True))
        try:
            result = self._execute(parameters, body)
        except Error as error:
            self._send(500, str(error).encode(), {"X-ClickHouse-Exception-Code": str(error.code)})
            return
        self._send(200, result, {"X-ClickHouse-Format": "TabSeparated"} if result else {})

    def _execute(self, parameters: dict[str, str], body: bytes) -> bytes:
        database = parameters.get("database")
        settings = {
            name: value
            for name, value in parameters.items()
            if name not in _TRANSPORT and not name.startswith("param_")
        }
        if "query" in parameters:
            body = parameters["query"].encode() + b"\n" + body
        backend = self.engine._backend
        insert = _INSERT.match(body)
        if insert is not None:
            client = clickhouse_connect.get_client(dsn=self.engine_dsn)
            try:
                client.database = database
                client.raw_insert(
                    insert["table"].decode(),
                    insert_block=body[insert.end() :],
                    fmt=insert["format"].decode(),
                    settings=settings,
                )
            finally:
                client.close()
            return b""
        bound = {
            name.removeprefix("param_"): value
            for name, value in parameters.items()
            if name.startswith("param_")
        }
        result = backend._run_with_settings(
            body, "TabSeparated", settings, params=bound, database=database
        )
        return result.bytes() or b""

    engine_dsn: str

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _die_with(parent: int) -> None:
    """Ask the kernel for a SIGKILL when the test run ends, however it ends (prctl(2))."""
    import ctypes  # noqa: PLC0415 - only in the child

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def main() -> None:
    """Serve until killed; the first line printed is the port."""
    path, port, parent = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    _die_with(parent)
    _Handler.engine_dsn = f"chdb://{path}"
    _Handler.engine = clickhouse_connect.get_client(dsn=_Handler.engine_dsn)
    server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
