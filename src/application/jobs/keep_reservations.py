"""The heartbeat of all requests of this process."""

import asyncio
from collections.abc import Callable, Sequence

from application.gateway.limit_settlements import LimitSettlements
from application.ports.limits import LimitStore
from domain.errors import LimitStoreUnavailable
from domain.limits.reservations import Reservation

LOOK_EVERY_S = 1.0
AT_ONCE = 64


class KeepReservations:
    """Extends what is older than a third of its lifetime; short requests never cost a call."""

    def __init__(
        self,
        settlements: LimitSettlements,
        store: LimitStore,
        *,
        note_failure: Callable[[LimitStoreUnavailable], None],
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        """`note_failure` hears of every call that the store did not answer."""
        self._settlements = settlements
        self._store = store
        self._note_failure = note_failure
        self._look_every_s = look_every_s
        self._failed: list[Reservation] = []

    async def run(self) -> None:
        """Extend until cancelled."""
        while True:
            await asyncio.sleep(self._look_every_s)
            await self.beat()

    async def beat(self) -> None:
        """Extend what is due, and what could not be extended the last time."""
        due = [*self._failed, *self._settlements.due_for_heartbeat()]
        self._failed = []
        for start in range(0, len(due), AT_ONCE):
            batch = [each for each in due[start : start + AT_ONCE] if self._settlements.holds(each)]
            await self._extend(batch)
            if self._failed:  # the store is down: do not wait for each of the others
                self._failed += due[start + AT_ONCE :]
                return

    async def _extend(self, batch: Sequence[Reservation]) -> None:
        results = await asyncio.gather(
            *(self._store.extend(each, self._settlements.lifetime_ms) for each in batch),
            return_exceptions=True,
        )
        for reservation, result in zip(batch, results, strict=True):
            match result:
                case LimitStoreUnavailable():
                    self._note_failure(result)
                    self._failed.append(reservation)
                case BaseException():
                    raise result
                case False if reservation.epoch:
                    self._settlements.lost(reservation)
                case _:
                    pass
