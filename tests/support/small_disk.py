"""File systems without room, and limits that act like them."""

import contextlib
import os
import resource
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A file system of its own."""

    directory: Path

    def fill(self) -> None:
        """Take every block that is free."""
        state = os.statvfs(self.directory)
        if not state.f_bavail:
            return
        number = len(list(self.directory.glob("filler-*")))
        with (self.directory / f"filler-{number}").open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, state.f_bavail * state.f_frsize)
        assert os.statvfs(self.directory).f_bavail == 0


@contextlib.contextmanager
def mounted_disk(directory: Path, size: int) -> Generator[SmallDisk]:
    """Mount a file system of `size` bytes on `directory`; skip the test where that is forbidden."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "none", str(directory)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False, timeout=30)
    except OSError as error:
        pytest.skip(f"cannot mount a file system: {error.strerror}")
    if done.returncode:
        pytest.skip(f"cannot mount a file system: {done.stderr.strip()}")
    try:
        yield SmallDisk(directory)
    finally:
        # Lazily: a program that has failed to stop still has files there.
        subprocess.run(["umount", "-l", str(directory)], check=True, timeout=30)


@contextlib.contextmanager
def largest_file(size: int) -> Generator[None]:
    """Let no file of this process grow beyond `size` bytes (`EFBIG`), as if the disk was full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
