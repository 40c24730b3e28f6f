"""Files of metrics whose blocks are reserved before they are mapped.

prometheus-client maps files that are mostly holes. On a full disk a store into a hole is no error
that could be caught but SIGBUS, which ends the process. Here every block exists before it is
mapped, so a full disk is an `OSError` where a file begins or grows. Values without a place in the
file are kept in memory, where they go on counting, and move into it when there is room again.
"""

import contextlib
import math
import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, ClassVar

import structlog
from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

FIRST_BYTES = 1 << 16
"""Size of a new file; it doubles when it is full."""
AGAIN_AFTER_S = 60.0
"""Pause after a failure. On a full disk, asking for a block can take milliseconds."""
# Of a value beside its key: the key's length, padding to eight bytes, value and time.
_BESIDE_KEY_BYTES = 4 + 8 + 16

log = structlog.get_logger(__name__)


def write_zeros(descriptor: int, offset: int, length: int) -> None:
    """Do what `os.posix_fallocate` does, for systems without it and for files of zeros.

    Raises:
        OSError: there is no room; some of it may have been written.
    """
    end = offset + length
    while offset < end:
        offset += os.pwrite(descriptor, bytes(min(end - offset, FIRST_BYTES)), offset)


reserve: Callable[[int, int, int], None] = getattr(os, "posix_fallocate", write_zeros)
"""Give a file all blocks of a range; not on macOS."""


class ReservedDict(MmapedDict):
    """Values of one file of this process. Not thread-safe: prometheus-client holds its lock."""

    _off: ClassVar[set[str]] = set()
    """Files of this process that lack values."""

    _f: BinaryIO | None
    _m: mmap.mmap | None
    _capacity: int
    _used: int
    _positions: dict[str, int]

    def __init__(
        self,
        filename: str,
        read_mode: bool = False,  # noqa: FBT001, FBT002 - as the library has it
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is opened before the first value; `now` is in seconds."""
        assert not read_mode, "files are read without being mapped"
        self._fname = filename
        self._f = self._m = None
        self._positions = {}
        self._waiting: dict[str, tuple[float, float]] = {}
        self._now = now
        self._again_at = -math.inf

    def read_value(self, key: str) -> tuple[float, float]:
        """Return value and time, of a new key zeros."""
        return super().read_value(key) if self._has(key) else self._waiting[key]

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        """Keep a value: in the file, or in memory until there is room for its key."""
        if self._has(key):
            super().write_value(key, value, timestamp)
        else:
            self._waiting[key] = (value, timestamp)

    def close(self) -> None:
        """Close the file if there is one."""
        if self._m is not None:
            super().close()

    def _has(self, key: str) -> bool:
        """Whether the file has a place for `key`, which may have been made just now."""
        if key in self._positions:
            return True
        self._waiting.setdefault(key, (0.0, 0.0))
        now = self._now()
        if now < self._again_at:
            return False
        try:
            self._place_waiting()
        except OSError as error:
            self._again_at = now + AGAIN_AFTER_S
            self._tell_off(error)
            return False
        self._tell_on()
        return True

    def _tell_off(self, error: OSError) -> None:
        first = not self._off
        self._off.add(self._fname)
        if first:
            with contextlib.suppress(OSError):  # the log may go to the same disk
                log.warning("metrics_off", file=self._fname, error=error.strerror)

    def _tell_on(self) -> None:
        if self._fname in self._off:
            self._off.remove(self._fname)
            if not self._off:
                with contextlib.suppress(OSError):
                    log.info("metrics_on")

    def _place_waiting(self) -> None:
        if self._m is None:
            self._open()
        for key in list(self._waiting):
            if key not in self._positions:  # else a process of the same number counted it before
                self._make_room(len(key.encode()) + _BESIDE_KEY_BYTES)
                super().write_value(key, *self._waiting[key])
            del self._waiting[key]

    def _open(self) -> None:
        file = Path(self._fname)
        if not file.exists():
            # Under another name at first: a page would be made of whatever is in a file of this.
            fresh = file.with_suffix(".new")
            try:
                with fresh.open("wb") as opened:
                    reserve(opened.fileno(), 0, FIRST_BYTES)
                fresh.rename(file)
            except OSError:
                with contextlib.suppress(OSError):
                    fresh.unlink()
                raise
        super().__init__(self._fname)

    def _make_room(self, length: int) -> None:
        assert self._f is not None
        capacity = self._capacity
        while self._used + length > capacity:
            capacity *= 2
        if capacity == self._capacity:
            return
        descriptor = self._f.fileno()
        try:
            reserve(descriptor, self._capacity, capacity - self._capacity)
            self._m = mmap.mmap(descriptor, capacity)
        except OSError:
            os.ftruncate(descriptor, self._capacity)  # gives back what was got
            raise
        self._capacity = capacity


def reserve_before_mapping() -> None:
    """Let all metrics of this process keep their values in such files."""
    # The library has no setting for it; it looks the class up here whenever it opens a file.
    values.MmapedDict = ReservedDict  # pyright: ignore[reportPrivateImportUsage]
