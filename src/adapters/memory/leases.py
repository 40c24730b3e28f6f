"""Leadership inside one process."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from application.ports.leases import LeaderLease


class MemoryLeaderLease(LeaderLease):
    """Those who share this object compete."""

    def __init__(self) -> None:
        """Nothing is held yet."""
        self._held: set[str] = set()

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncGenerator[bool]:
        """Try to become the holder of `name`."""
        holds = name not in self._held
        self._held.add(name)
        try:
            yield holds
        finally:
            if holds:
                self._held.discard(name)
