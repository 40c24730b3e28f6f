"""How far records are behind, for metrics: measured now and then, by every gateway process.

The sinks themselves would be silent just when it matters: when they hang or do not run.
"""

import asyncio
from collections.abc import Callable

from application.ports.records import EventBus
from application.ports.telemetry import Telemetry
from domain.errors import ServiceUnavailable

EVERY_S = 5.0


class MeasureBacklog:
    """Shows the lag of every sink and the size of the journals."""

    def __init__(
        self,
        bus: EventBus,
        journal_bytes: Callable[[], int],
        telemetry: Telemetry,
        *,
        every_s: float = EVERY_S,
    ) -> None:
        """`journal_bytes` looks at the disk, so it is called in a thread."""
        self._bus = bus
        self._journal_bytes = journal_bytes
        self._telemetry = telemetry
        self._every_s = every_s

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            await self.measure()
            await asyncio.sleep(self._every_s)

    async def measure(self) -> None:
        """Measure once. While the bus is away its sinks keep the lag that was seen last."""
        self._telemetry.journal_size(await asyncio.to_thread(self._journal_bytes))
        try:
            backlog = await self._bus.backlog()
        except ServiceUnavailable:
            return
        for sink, group in backlog.groups.items():
            self._telemetry.sink_lag(sink, group.lag_s)
