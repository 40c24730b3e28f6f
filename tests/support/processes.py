"""Processes of other programs, as tests see them: alive, dead, or run as somebody else."""

import contextlib
import os
import pwd
import sys
import time
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
