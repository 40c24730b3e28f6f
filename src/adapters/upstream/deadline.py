"""One timer per connection, moved for every phase and seldom touched."""

import asyncio
import math
from collections.abc import Callable

# Loops round timers (uvloop to milliseconds), so a wake-up may come a little early.
_EARLY = 0.002


class Deadline:
    """Calls `on_passed` once the moment set last has passed.

    Moving the moment later costs one comparison: the timer that is armed already wakes up, sees
    that it is early, and arms itself again. Only moving it before the armed moment re-arms.
    """

    __slots__ = ("_armed_for", "_handle", "_loop", "_moment", "_on_passed")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_passed: Callable[[], None]) -> None:
        """Start unset."""
        self._loop = loop
        self._on_passed = on_passed
        self._moment = math.inf
        self._armed_for = math.inf
        self._handle: asyncio.TimerHandle | None = None

    def move(self, moment: float) -> None:
        """Set the moment, in `loop.time()`."""
        self._moment = moment
        if moment < self._armed_for:
            self._arm(moment)

    def stop(self) -> None:
        """Never call `on_passed` again."""
        self._moment = self._armed_for = math.inf
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self, moment: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._armed_for = moment
        self._handle = self._loop.call_at(moment, self._wake)

    def _wake(self) -> None:
        self._handle = None
        self._armed_for = math.inf
        if self._moment - self._loop.time() > _EARLY:
            self._arm(self._moment)
        else:
            self._moment = math.inf
            self._on_passed()
