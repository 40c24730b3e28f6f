"""How the background work of one process ends: in order, each step bounded in time."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from application.runtime.supervisor import TaskSupervisor

DRAIN_SECONDS = 5.0

Drain = Callable[[float], Awaitable[object]]

log = structlog.get_logger(__name__)


class Drains:
    """What is finished, and in which order, once the background tasks have stopped."""

    def __init__(self, tasks: TaskSupervisor) -> None:
        """`tasks` are stopped before anything is drained."""
        self._tasks = tasks
        self._first: list[Drain] = []
        self._then: list[Drain] = []
        self._last: list[Callable[[], None]] = []

    def first(self, drain: Drain) -> None:
        """Register a job that is drained side by side with the others registered here.

        Shipping waits until the sink has confirmed, so both must run at the same time.
        """
        self._first.append(drain)

    def then(self, drain: Drain) -> None:
        """Register a job that is drained after those."""
        self._then.append(drain)

    def at_the_end(self, close: Callable[[], None]) -> None:
        """Register what is closed after everything is drained."""
        self._last.append(close)

    async def run(self) -> None:
        """Stop the background tasks, then finish their work, each step bounded in time."""
        await self._tasks.cancel_all(DRAIN_SECONDS)
        for group in (self._first, self._then):
            results = await asyncio.gather(
                *(drain(DRAIN_SECONDS) for drain in group), return_exceptions=True
            )
            for result in results:
                if isinstance(result, Exception):
                    log.warning("drain_failed", exc_info=result)
        for close in self._last:
            close()
