"""A store process that belongs to a directory: at most one at a time, and it dies with its parent.

The lock of the directory is an `flock` on a file whose descriptor the store inherits, so the kernel
itself says whether the store (or any process it forked) is still alive; no pid has to be guessed.
"""

import contextlib
import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from msgspec import Struct

from adapters.embedded import launch
from adapters.embedded.errors import EmbeddedStoreError

_LOG_LIMIT_BYTES = 8 * 1024 * 1024
_POLL_SECONDS = 0.02
# Time, pid and severity in front of a PostgreSQL message.
_SEVERITY = re.compile(r"^.*?\b(FATAL|PANIC|ERROR):\s+")


class RunAs(Struct, frozen=True, kw_only=True):
    """The user a store runs as when this program is root, and the capabilities it keeps."""

    uid: int
    gid: int
    capabilities: tuple[int, ...]


def launcher_arguments(
    command: Sequence[str], *, death_signal: signal.Signals, run_as: RunAs | None
) -> list[str]:
    """Return the command line that runs `command` as `run_as`, ended when this thread ends."""
    identity = (
        []
        if run_as is None
        else [
            f"--uid={run_as.uid}",
            f"--gid={run_as.gid}",
            *(f"--capability={number}" for number in run_as.capabilities),
        ]
    )
    return [
        *(sys.executable, "-I", "-S", launch.__file__),
        *(f"--parent={os.getpid()}", f"--death-signal={int(death_signal)}"),
        *(*identity, "--", *command),
    ]


def effective_capabilities() -> int:
    """Return the bit mask of this process's effective capabilities; 0 where there are none."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("CapEff:"):
                return int(line.split()[1], 16)
    return 0


def child_environment() -> dict[str, str]:
    """Return the whole environment of a store: nothing of ours (secrets, PG*) leaks into it."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def private_directory(path: Path) -> Path:
    """Create `path` and its parents with mode 0700, or tighten the last one to it.

    Raises:
        EmbeddedStoreError: it cannot be made or belongs to somebody else.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.stat().st_mode & 0o077:
            path.chmod(0o700)
    except OSError as error:
        raise EmbeddedStoreError(
            f"{path} cannot be used: {error.strerror}",
            "give this user the directory, or name another one with --data-dir",
        ) from error
    return path


def rotate_log(path: Path) -> None:
    """Keep one older generation of a log that grew over its bound, so that logs stay bounded."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > _LOG_LIMIT_BYTES:
            path.replace(path.with_suffix(path.suffix + ".1"))


def last_words(log: Path, since: int) -> str:
    """Return the most telling line a store wrote to `log` after offset `since`, or nothing."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(since, log.stat().st_size - 16_384))
            lines = stream.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    telling = [
        line
        for line in lines
        if any(word in line for word in ("FATAL", "PANIC", "Fatal", "error:", "ERROR"))
    ]
    chosen = telling[0] if telling else next((line for line in reversed(lines) if line), "")
    return _SEVERITY.sub("", chosen).strip()[:300]


def _start_ticks(pid: int) -> str:
    """Return when `pid` started, in clock ticks since boot; empty if there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]


class StoreChild:
    """Starts, watches and stops the one process of a store directory.

    `start` must run in the main thread: Linux sends the parent-death signal when the *thread* that
    forked the child ends, so a store started from a pool thread would die with that thread.
    """

    def __init__(
        self,
        *,
        name: str,
        lock_file: Path,
        log_file: Path,
        death_signal: signal.Signals,
        harder_signal: signal.Signals,
    ) -> None:
        """`death_signal` asks the store to end cleanly, `harder_signal` to end at once, safely."""
        self._name = name
        self._lock_file = lock_file
        self._log_file = log_file
        self._death_signal = death_signal
        self._harder_signal = harder_signal
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """Pid of the running store, `None` when it was not started or has been stopped."""
        return None if self._process is None else self._process.pid

    @contextlib.contextmanager
    def locked(self, *, patience_seconds: float) -> Generator[int, None, None]:
        """Hold the directory's lock; the yielded descriptor is what the store must inherit.

        A predecessor that is still dying is waited for, then ended by its recorded pid.

        Raises:
            EmbeddedStoreError: somebody else holds the directory and does not let go.
        """
        descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._acquire(descriptor, patience_seconds)
            yield descriptor
        finally:
            os.close(descriptor)

    def _acquire(self, descriptor: int, patience_seconds: float) -> None:
        for stop in (None, self._death_signal, self._harder_signal, signal.SIGKILL):
            if stop is not None:
                self._signal_predecessor(descriptor, stop)
            deadline = time.monotonic() + patience_seconds
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        break
                    time.sleep(_POLL_SECONDS)
                else:
                    return
        raise EmbeddedStoreError(
            f"another process keeps the embedded {self._name} of {self._lock_file.parent} running",
            "stop it, or use another data directory",
        )

    def _signal_predecessor(self, descriptor: int, stop: signal.Signals) -> None:
        """Signal the recorded holder, if that pid is still the very process that was recorded."""
        recorded = os.pread(descriptor, 200, 0).decode(errors="replace").split()
        if len(recorded) != 2 or not recorded[0].isdigit():
            return
        pid = int(recorded[0])
        if _start_ticks(pid) == recorded[1] != "":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, stop)

    def spawn(self, command: Sequence[str], *, lock: int, run_as: RunAs | None) -> None:
        """Run `command` in a session of its own, with the lock inherited and output in the log.

        Raises:
            EmbeddedStoreError: the launcher or the log file is not usable.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("an embedded store must be started by the main thread")
        arguments = launcher_arguments(command, death_signal=self._death_signal, run_as=run_as)
        try:
            rotate_log(self._log_file)
            with self._log_file.open("ab") as log:
                self._log_start = log.tell()
                self._process = subprocess.Popen(  # noqa: S603 - our own arguments, no shell
                    arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=child_environment(),
                    cwd="/",
                    pass_fds=(lock,),
                    start_new_session=True,
                )
        except OSError as error:
            raise EmbeddedStoreError(
                f"the embedded {self._name} cannot be run: {error}",
                "check the permissions of the data directory",
            ) from error
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{self._process.pid} {_start_ticks(self._process.pid)}".encode(), 0)

    def wait_ready(self, is_ready: Callable[[], bool], *, timeout: float) -> None:
        """Block until `is_ready()`.

        Raises:
            EmbeddedStoreError: the store ended, with its own last words, or took over `timeout` s.
        """
        deadline = time.monotonic() + timeout
        while not is_ready():
            code = self.poll()
            if code is not None:
                raise EmbeddedStoreError(
                    f"the embedded {self._name} ended with status {code}: {self.last_words()}",
                    f"see {self._log_file}",
                )
            if time.monotonic() > deadline:
                self.kill()
                raise EmbeddedStoreError(
                    f"the embedded {self._name} was not ready after {timeout:.0f} s",
                    f"see {self._log_file}",
                )
            time.sleep(_POLL_SECONDS)

    def last_words(self) -> str:
        """Return the most telling line of the log since the last start."""
        return last_words(self._log_file, self._log_start)

    def poll(self) -> int | None:
        """Return `None` while the store runs, else its exit status (negative: the signal)."""
        return 0 if self._process is None else self._process.poll()

    def stop(self, timeout: float) -> None:
        """Ask for a clean end, insist after `timeout` seconds. Safe to call twice."""
        if self._process is None:
            return
        for number in (self._death_signal, self._harder_signal, signal.SIGKILL):
            if self._process.poll() is not None:
                break
            self._process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout)
        self._process = None

    def kill(self) -> None:
        """End the store at once; used only when it never became ready."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
