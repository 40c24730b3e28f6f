"""When written frames reach the disk itself."""

import contextlib
import logging
import os
import threading
from collections import deque
from enum import StrEnum

_log = logging.getLogger(__name__)


class Fsync(StrEnum):
    """How much a power cut may cost; `kill -9` alone costs nothing under any of them."""

    INTERVAL = "interval"
    ALWAYS = "always"
    NEVER = "never"


class Syncer:
    """Forces the newest segment to disk, by a thread so that no request waits for it.

    Only this object closes descriptors given to it, so a descriptor is never reused under a sync
    that is running. `touch`, `follow` and `retire` are called by the writer's thread.
    """

    def __init__(self, policy: Fsync, interval_s: float) -> None:
        """With `Fsync.INTERVAL` a thread syncs at most `interval_s` seconds after a write."""
        self.failures = 0
        self._policy = policy
        self._interval_s = interval_s
        self._current = -1
        self._dirty = False
        self._retired: deque[int] = deque()
        self._stopping = threading.Event()
        self._busy = threading.Lock()
        self._thread: threading.Thread | None = None
        if policy is Fsync.INTERVAL:
            self._thread = threading.Thread(target=self._run, name="journal-fsync", daemon=True)
            self._thread.start()

    def touch(self) -> None:
        """Note a write to the current descriptor; with `Fsync.ALWAYS` sync it at once."""
        if self._policy is Fsync.ALWAYS:
            self._force(self._current)
        else:
            self._dirty = True

    def follow(self, descriptor: int) -> None:
        """Make `descriptor` the current one; the one before is synced and closed."""
        previous, self._current = self._current, descriptor
        if previous >= 0:
            self._retired.append(previous)

    def sync(self) -> None:
        """Sync everything written so far. Blocks; called off the event loop."""
        with self._busy:
            while self._retired:
                descriptor = self._retired.popleft()
                self._force(descriptor)
                with contextlib.suppress(OSError):
                    os.close(descriptor)
            if self._dirty:
                self._dirty = False
                self._force(self._current)

    def stop(self, timeout_s: float = 5.0) -> None:
        """Sync, stop the thread and close all descriptors."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        self.follow(-1)
        self._dirty = False
        self.sync()

    def _run(self) -> None:
        while not self._stopping.wait(self._interval_s):
            if self._dirty or self._retired:
                self.sync()

    def _force(self, descriptor: int) -> None:
        if self._policy is Fsync.NEVER:
            return
        try:
            os.fdatasync(descriptor)
        except OSError as error:
            self.failures += 1
            _log.error("the journal cannot be forced to disk: %s", error.strerror)
