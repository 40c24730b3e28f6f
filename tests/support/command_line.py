"""The program as its user sees it: a process, its one JSON line, its standard error, its end."""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.support.processes import as_nobody, python_environment

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 60.0


class Program:
    """A running `thinkwatch …`; its standard error goes to `log`."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def pid(self) -> int:
        """Pid of the parent process."""
        return self.process.pid

    def errors(self) -> str:
        """Return what it has written to standard error so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def announcement(self) -> dict[str, Any]:
        """Wait for the JSON line on standard output and return it."""
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.process.stdout, selectors.EVENT_READ)
            readable = waiting.select(START_TIMEOUT_S)
        line = self.process.stdout.readline() if readable else b""
        assert line, f"no announcement; standard error:\n{self.errors()}"
        return msgspec.json.decode(line)

    def wait_for_log(self, text: str, *, times: int = 1) -> None:
        """Wait until `text` is in standard error, `times` times."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.errors().count(text) < times:
            assert time.monotonic() < deadline, f"no {text!r} in:\n{self.errors()}"
            assert self.process.poll() is None, f"it ended; standard error:\n{self.errors()}"
            time.sleep(0.02)  # a file has no event for growing

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it and return its exit status."""
        self.process.send_signal(number)
        return self.process.wait(STOP_TIMEOUT_S)


def thinkwatch(*arguments: str) -> list[str]:
    """Return the command line of the program."""
    return [sys.executable, "-P", "-m", "entrypoints", *arguments]


@contextlib.contextmanager
def running(
    *arguments: str,
    directory: Path,
    environ: Mapping[str, str] | None = None,
    nobody: bool = False,
) -> Generator[Program]:
    """Start the program in `directory`; whatever happens, it is gone afterwards."""
    command: Sequence[str] = thinkwatch(*arguments)
    log = directory / f"stderr-{time.monotonic_ns()}.log"
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            as_nobody(list(command)) if nobody else command,
            cwd=directory,
            env={**python_environment(), **(environ or {})},
            stdout=subprocess.PIPE,
            stderr=stderr,
        ) as process,
    ):
        try:
            yield Program(process, log)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(STOP_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def run(
    *arguments: str, directory: Path, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    return subprocess.run(
        thinkwatch(*arguments),
        cwd=directory,
        env={**python_environment(), **(environ or {})},
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )


def children_of(pid: int) -> dict[int, str]:
    """Return the pids and command lines of the living children of `pid`."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
            state, parent = stat.rpartition(")")[2].split()[:2]
            if int(parent) == pid and state not in ("Z", "X"):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                found[int(entry.name)] = os.fsdecode(b" ".join(words))
    return found
