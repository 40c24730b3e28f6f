"""The installed program as processes, on a data directory and ports of its own."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from adapters.embedded import launch
from tests.support.stores import store_directory

COMMAND = Path(sys.executable).with_name("thinkwatch")
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 45.0
COMMAND_TIMEOUT_S = 60.0
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Ready:
    """The line that `quickstart --json` prints once it serves."""

    gateway_url: str
    console_url: str
    setup_url: str | None
    api_key: str | None
    admin_email: str | None
    admin_password: str | None
    models: list[str]


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return its standard output, parsed."""
        return json.loads(self.out)


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class Program:
    """One installation: a data directory, two ports, and what is added to its environment."""

    directory: Path
    environment: dict[str, str] = field(default_factory=dict[str, str])
    gateway_port: int = field(default_factory=free_port)
    console_port: int = field(default_factory=free_port)
    process: "subprocess.Popen[str] | None" = None

    @property
    def data_dir(self) -> Path:
        """Where it keeps its data."""
        return self.directory / "data"

    @property
    def log(self) -> Path:
        """Everything the running program wrote to its standard error."""
        return self.directory / "stderr.log"

    def start(self, *arguments: str) -> Ready:
        """Run `quickstart` until it says that it is ready.

        Raises:
            RuntimeError: it ended or said nothing in time; with the end of its log.
        """
        # The launcher of the stores makes the program end with pytest, even when that is killed.
        command = [
            sys.executable, "-I", "-S", launch.__file__,
            "--parent", str(os.getpid()), "--death-signal", str(int(signal.SIGTERM)), "--",
            COMMAND, "quickstart", "--json", "--data-dir", self.data_dir,
            "--gateway-port", str(self.gateway_port), "--console-port", str(self.console_port),
            *arguments,
        ]  # fmt: skip
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command,
                env=self._environment(),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        watchdog = _Watchdog(self.process, START_TIMEOUT_S)
        with watchdog:
            line = self.process.stdout.readline()
        if not line:
            code = self.process.wait(STOP_TIMEOUT_S)
            raise RuntimeError(f"the program ended with {code}:\n{self.log.read_text()[-4000:]}")
        return Ready(**json.loads(line))

    def stop(self) -> int:
        """Ask it to end and return its exit status; kill it when it does not."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        finally:
            self._close()

    def kill(self) -> None:
        """End the whole tree at once, as a power cut would."""
        assert self.process is not None
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(STOP_TIMEOUT_S)
        self._close()

    def run(
        self, *arguments: str, stdin: str = "", environment: Mapping[str, str] | None = None
    ) -> Finished:
        """Run another command of the program on the same data directory."""
        finished = subprocess.run(
            [COMMAND, *arguments],
            env=self._environment() | dict(environment or {}),
            cwd=self.directory,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_TIMEOUT_S,
        )
        return Finished(finished.returncode, finished.stdout, finished.stderr)

    def pids(self) -> list[int]:
        """Return the processes of the running program, its stores included."""
        assert self.process is not None
        return [self.process.pid, *descendants(self.process.pid)]

    def _environment(self) -> dict[str, str]:
        """Nothing of the developer's own settings or provider keys gets in."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.directory),
            "LC_ALL": "C.UTF-8",
            "THINKWATCH_DATA_DIR": str(self.data_dir),
            **self.environment,
        }

    def _close(self) -> None:
        assert self.process is not None
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.process = None


class _Watchdog:
    """Kills a process that keeps us waiting for its output."""

    def __init__(self, process: "subprocess.Popen[str]", patience_s: float) -> None:
        self._process = process
        self._patience_s = patience_s

    def __enter__(self) -> None:
        self._previous = signal.signal(signal.SIGALRM, self._bite)
        signal.setitimer(signal.ITIMER_REAL, self._patience_s)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._previous)

    def _bite(self, *_: object) -> None:
        self._process.kill()


def descendants(pid: int) -> list[int]:
    """Return all living processes below `pid`, whatever their sessions."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                if stat[0] != "Z":
                    parents[int(entry.name)] = int(stat[1])
    found: list[int] = []
    level: Sequence[int] = [pid]
    while level := [child for child, parent in parents.items() if parent in level]:
        found += level
    return found


def wait_until(true: Callable[[], _Answer], *, within_s: float = 60.0, what: str = "it") -> _Answer:
    """Ask again and again until the answer is true, and return it.

    For facts of other processes that announce nothing, such as a row that arrives in a store. The
    pauses grow to a second: asking is often a process of its own.
    """
    deadline = time.monotonic() + within_s
    pause_s = 0.05
    while not (answer := true()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} was not true within {within_s} s")
        time.sleep(pause_s)
        pause_s = min(1.0, pause_s * 1.5)
    return answer


@contextlib.contextmanager
def program(**environment: str) -> Generator[Program]:
    """Yield an installation that is not started yet; whatever runs at the end is ended."""
    with store_directory() as directory:
        running = Program(directory, environment)
        try:
            yield running
        finally:
            if running.process is not None:
                running.kill()
