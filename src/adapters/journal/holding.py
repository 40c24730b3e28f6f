"""Journal directories, each held by the process that uses it through a lock that dies with it."""

import contextlib
import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

LOCK_NAME = "lock"
STALE_AFTER_S = 60.0

_name = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")


class HeldDirectory:
    """A journal directory that nobody else can hold until `release` or the end of the process."""

    def __init__(self, path: Path, lock: int) -> None:
        """Take over `lock`, a descriptor with an exclusive `flock`."""
        self.path = path
        self._lock: int | None = lock

    def release(self) -> None:
        """Let others hold the directory. Safe to call twice."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def remove(self) -> None:
        """Delete the directory. It vanishes at once, so nobody ever sees half of it."""
        doomed = self.path.with_name(f".gone-{self.path.name}")
        with contextlib.suppress(FileNotFoundError):
            self.path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
        self.release()


def create_held(root: Path, name: str) -> HeldDirectory:
    """Make a new directory under `root` and hold it.

    It is locked before it gets its name: no one can take it for a dead process's meanwhile.

    Raises:
        ValueError: `name` is no plain file name.
        OSError: the directory exists already or cannot be made.
    """
    if not _name.fullmatch(name):
        raise ValueError(f"not a usable journal name: {name!r}")
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = root / name
    if target.exists():
        raise FileExistsError(f"the journal {name} exists: a process may not take up another's")
    nascent = root / f".new-{name}"
    nascent.mkdir(mode=0o700)
    lock = os.open(nascent / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(lock, f"{os.getpid()}\n".encode())
        nascent.rename(target)
    except OSError:
        os.close(lock)
        raise
    return HeldDirectory(target, lock)


def try_hold(path: Path) -> HeldDirectory | None:
    """Hold a directory if its process is dead and nobody else has taken it."""
    try:
        lock = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The holder before may have removed the directory while this process waited in `open`.
        if os.fstat(lock).st_ino == (path / LOCK_NAME).stat().st_ino:
            return HeldDirectory(path, lock)
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(lock)
    return None


def is_held(path: Path) -> bool:
    """Tell whether a live process holds the directory."""
    held = try_hold(path)
    if held is None:
        return True
    held.release()
    return False


def journal_directories(root: Path) -> Iterator[Path]:
    """Yield the journals under `root`, held or not, oldest name first."""
    if root.is_dir():
        yield from (
            path
            for path in sorted(root.iterdir())
            if not path.name.startswith(".") and path.is_dir()
        )


def sweep(root: Path) -> None:
    """Delete what a process left behind that died while making or removing a directory."""
    for path in root.glob(".gone-*"):
        shutil.rmtree(path, ignore_errors=True)
    for path in root.glob(".new-*"):
        with contextlib.suppress(OSError):
            # File times are wall times: this is the one comparison that needs the system's clock.
            age = time.clock_gettime(time.CLOCK_REALTIME) - path.stat().st_mtime
            if age > STALE_AFTER_S and not is_held(path):
                shutil.rmtree(path, ignore_errors=True)
