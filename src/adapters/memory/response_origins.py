"""Origins of kept answers in process memory."""

from application.ports.response_origins import ResponseOrigin, ResponseOrigins


class MemoryResponseOrigins(ResponseOrigins):
    """A dictionary; nothing expires."""

    def __init__(self) -> None:
        """Start empty."""
        self._kept: dict[str, ResponseOrigin] = {}

    async def remember(self, origin: ResponseOrigin) -> None:
        """See `ResponseOrigins`."""
        self._kept[origin.response_id] = origin

    async def find(self, response_id: str) -> ResponseOrigin | None:
        """See `ResponseOrigins`."""
        return self._kept.get(response_id)

    async def forget(self, response_id: str) -> None:
        """See `ResponseOrigins`."""
        self._kept.pop(response_id, None)
