"""Change feed inside one process."""

import asyncio
from collections.abc import AsyncGenerator

from application.ports.change_feed import Change, ChangeFeed, Section


class _Listener:
    """News a listener has not taken yet: the newest revision per section, so it is bounded."""

    def __init__(self) -> None:
        self.pending: dict[Section, int] = {}
        self.arrived = asyncio.Event()

    def put(self, change: Change) -> None:
        self.pending[change.section] = max(change.revision, self.pending.get(change.section, 0))
        self.arrived.set()


class MemoryChangeFeed(ChangeFeed):
    """Hands changes to every listener of this object; several of one section may melt into one."""

    def __init__(self) -> None:
        """Nobody listens yet."""
        self._listeners: set[_Listener] = set()

    async def publish(self, changes: list[Change]) -> None:
        """Leave the changes with every listener."""
        for listener in self._listeners:
            for change in changes:
                listener.put(change)

    async def listen(self) -> AsyncGenerator[Change]:
        """Yield what is published from the first step of the iteration on."""
        listener = _Listener()
        self._listeners.add(listener)
        try:
            while True:
                await listener.arrived.wait()
                listener.arrived.clear()
                pending, listener.pending = listener.pending, {}
                for section, revision in pending.items():
                    yield Change(section, revision)
        finally:
            self._listeners.discard(listener)
