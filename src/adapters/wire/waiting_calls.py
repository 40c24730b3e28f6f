"""Calls of tools whose results are still to come, for formats whose results may name no call."""

from collections import deque


class WaitingCalls:
    """Finds the call that a result answers by the name of the tool, or by the order of calls.

    Each call is looked at once however many there are: a conversation may be made up to be long.
    """

    def __init__(self) -> None:
        """No call is waiting."""
        self._count = 0
        self._open: dict[str, int] = {}
        self._queues: dict[str, deque[tuple[int, str]]] = {}

    def add(self, call_id: str, name: str) -> None:
        """Note a call; one of the same id is forgotten."""
        self._count += 1
        self._open[call_id] = self._count
        for key in {"", name}:
            self._queues.setdefault(key, deque()).append((self._count, call_id))

    def answer(self, call_id: str) -> None:
        """Note that a call has its result."""
        self._open.pop(call_id, None)

    def next(self, name: str) -> str | None:
        """Return the id of the first waiting call, of that name if it is not empty."""
        queue = self._queues.get(name, deque())
        while queue:
            number, call_id = queue[0]
            if self._open.get(call_id) == number:
                return call_id
            queue.popleft()
        return None
