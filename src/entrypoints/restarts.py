"""How often and how fast something that died is started again."""

from collections import deque


class RestartBudget:
    """Exponential back-off and a bound: more than `limit` deaths within `window_seconds` is it.

    A fault that is there to stay ends the program with a clear line, where an endless loop would
    look alive to its operator; a rare one is mended without anybody noticing.
    """

    def __init__(
        self,
        *,
        limit: int = 6,
        window_seconds: float = 60.0,
        first_delay: float = 0.1,
        longest_delay: float = 5.0,
    ) -> None:
        """Delays double from `first_delay` to `longest_delay` with the deaths in the window."""
        self._limit = limit
        self._window = window_seconds
        self._first = first_delay
        self._longest = longest_delay
        self._deaths: deque[float] = deque()

    def delay_after_death(self, now: float) -> float | None:
        """Note a death at monotonic time `now`; return the seconds to wait, None to give up."""
        while self._deaths and now - self._deaths[0] > self._window:
            self._deaths.popleft()
        self._deaths.append(now)
        if len(self._deaths) > self._limit:
            return None
        return min(self._longest, self._first * 2.0 ** (len(self._deaths) - 1))
