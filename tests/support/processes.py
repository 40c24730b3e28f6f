"""Processes of other programs, as tests see them: alive, dead, or run as somebody else."""

import contextlib
import os
import pwd
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from adapters.embedded import launch

ROOT = Path(__file__).parents[2]


def is_alive(pid: int) -> bool:
    """Whether `pid` runs; a zombie, which nobody has buried yet, does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def command_line(pid: int) -> str:
    """Return the arguments of a process, each with a NUL after it; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def listeners(pids: Iterable[int], port: int) -> list[int]:
    """Return those of `pids` that hold a socket listening on the TCP port."""
    sockets: set[str] = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
            sockets.add(f"socket:[{fields[9]}]")
    return [pid for pid in pids if sockets & _open_files(pid)]


def _open_files(pid: int) -> set[str]:
    """Return what a process has open, as the kernel calls it; empty when it is gone."""
    found: set[str] = set()
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(str(link.readlink()))
    return found


def processes_below(directory: Path) -> list[int]:
    """Return the pids of all processes whose command line or working directory names `directory`."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().decode(errors="replace")
            place = str((entry / "cwd").readlink())
            if (str(directory) in words or str(directory) in place) and is_alive(int(entry.name)):
                found.append(int(entry.name))
    return found


def wait_until_gone(pids: list[int], timeout_s: float = 20.0) -> list[int]:
    """Wait for processes that are not our children; return those that outlived the patience."""
    deadline = time.monotonic() + timeout_s
    while (left := [pid for pid in pids if is_alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.02)  # there is no event for the end of a process that is not a child
    return left


def as_nobody(command: list[str]) -> list[str]:
    """Return `command` run as `nobody`, who may read the checkout wherever it is; needs root."""
    nobody = pwd.getpwnam("nobody")
    return [
        sys.executable, "-I", "-S", launch.__file__,
        f"--parent={os.getpid()}", "--death-signal=9",
        f"--uid={nobody.pw_uid}", f"--gid={nobody.pw_gid}",
        f"--capability={launch.CAP_DAC_READ_SEARCH}", "--", *command,
    ]  # fmt: skip


def python_environment() -> dict[str, str]:
    """Return the environment in which a Python child imports this checkout and nothing is set."""
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
    }
