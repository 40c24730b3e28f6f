"""Where the unix sockets live: the data directory, or a short path when that one is too long."""

import os
import stat
import tempfile
from pathlib import Path

from adapters.embedded.child import private_directory

# sun_path holds 108 bytes on Linux and 104 on macOS, the final NUL included.
_LONGEST_PATH = 103
_LONGEST_NAME = len("/postgres/.s.PGSQL.5432")
_POINTER = "run.path"


def run_directory(data_dir: Path) -> Path:
    """Return the private directory for sockets of `data_dir`, the same one at every call.

    That is `<data_dir>/run`; when its sockets' paths would be too long for the kernel, a fresh
    directory under the system's temporary directory, whose path is remembered in `run.path`.
    """
    own = data_dir / "run"
    if len(os.fsencode(own)) + _LONGEST_NAME <= _LONGEST_PATH:
        return private_directory(own)
    pointer = data_dir / _POINTER
    try:
        remembered = Path(pointer.read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        remembered = None
    if remembered is not None and _is_private(remembered):
        return remembered
    made = Path(tempfile.mkdtemp(prefix="thinkwatch-"))
    pointer.write_text(f"{made}\n", encoding="utf-8")
    return made


def _is_private(path: Path) -> bool:
    """Whether `path` is a real directory of ours that nobody else can enter."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o77
