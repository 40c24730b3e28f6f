"""Attempts to sign in, in process memory."""

from collections.abc import Sequence

from msgspec.structs import replace

from application.ports.sessions import SignInAttempts
from domain.access.throttle import Attempts, Throttle


class MemorySignInAttempts(SignInAttempts):
    """Counts by key."""

    def __init__(self) -> None:
        """Start with none."""
        self._counts: dict[str, Attempts] = {}

    async def begin(self, throttles: Sequence[Throttle], now_ms: int) -> int:
        """See `SignInAttempts`."""
        self._counts = {
            key: each for key, each in self._counts.items() if not each.is_forgotten(now_ms)
        }
        found = {each.key: self._counts.get(each.key, Attempts()) for each in throttles}
        wait = max(found[each.key].wait_ms(each.free, now_ms) for each in throttles)
        if wait == 0:
            self._counts |= {key: each.one_more(now_ms) for key, each in found.items()}
        return wait

    async def give_back(self, throttles: Sequence[Throttle]) -> None:
        """Lower each count."""
        for key in (each.key for each in throttles):
            stored = self._counts.get(key)
            if stored is not None and stored.failures > 0:
                self._counts[key] = replace(stored, failures=stored.failures - 1)

    async def forget(self, throttle: Throttle) -> None:
        """Drop the count."""
        self._counts.pop(throttle.key, None)
