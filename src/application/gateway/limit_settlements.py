"""Settlements leave the request here: written down at once, delivered in the background."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from application.ports.backlog import Mark
from application.ports.clock import Clock
from application.ports.settlement_log import PendingSettlement, SettlementLog
from domain.errors import ServiceUnavailable
from domain.limits.amounts import Spend
from domain.limits.reservations import Reservation

# Long against the seconds it takes to adopt a dead process's log: what was used is known better
# there than by the sweeper, so adoption has to win. A heartbeat comes every third of it.
RESERVATION_LIFETIME_MS = 60_000
MOST_IN_MEMORY = 4096

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Waiting:
    """A settlement in the queue. `tries` counts deliveries that had no answer.

    Attributes:
        mark: the place in the log up to which everything is delivered once this and all before
            it are.
    """

    settlement: PendingSettlement
    mark: Mark
    tries: int = 0
    done: bool = False


@dataclass(slots=True)
class _Held:
    reservation: Reservation
    due: float


class LimitSettlements:
    """What this process owes the limit store, and the reservations it has to keep alive.

    `settle` and `hold` belong to requests, everything else to the jobs that deliver and extend.
    """

    def __init__(
        self,
        settlement_log: SettlementLog,
        clock: Clock,
        *,
        lifetime_ms: int = RESERVATION_LIFETIME_MS,
        most_in_memory: int = MOST_IN_MEMORY,
    ) -> None:
        """More than `most_in_memory` settlements wait in the log only."""
        self.lifetime_ms = lifetime_ms
        self._extend_after_s = lifetime_ms / 3000
        self._log = settlement_log
        self._clock = clock
        self._most_in_memory = most_in_memory
        self._queue: asyncio.Queue[Waiting] = asyncio.Queue()
        self._order: deque[Waiting] = deque()
        self._mark = settlement_log.delivered
        self._last = settlement_log.end
        self._only_in_log = False
        self._held: dict[str, _Held] = {}

    # --- for requests --------------------------------------------------------------------------

    def hold(self, reservation: Reservation) -> None:
        """Keep a reservation and its leases alive until it is settled."""
        due = self._clock.monotonic() + self._extend_after_s
        self._held[reservation.id] = _Held(reservation, due)

    def settle(self, reservation: Reservation, actual: Spend, *, occurred_at_ms: int) -> None:
        """Owe the store a settlement. Never waits and never raises; `kill -9` does not undo it.

        A settlement that neither the log nor memory can take is lost and logged as an error: the
        reservation is then charged at its estimate when it expires.
        """
        settlement = PendingSettlement(reservation, actual, occurred_at_ms)
        room = not self._only_in_log and len(self._order) < self._most_in_memory
        try:
            mark = self._log.append(settlement)
        except ServiceUnavailable:
            if not room:
                self._held.pop(reservation.id, None)
                log.exception("settlement_lost", reservation=reservation.id)
                return
            mark = self._last  # nothing of the log to confirm with this one
        if not room:
            self._only_in_log = True
            self._held.pop(reservation.id, None)
            return
        if not reservation.epoch:
            self._held.pop(reservation.id, None)
        # A confirmed one lives until it is delivered: a backlog must not reach the sweeper.
        self._enqueue(settlement, mark)

    # --- for delivery --------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """How many settlements in memory are not delivered; more may wait in the log."""
        return len(self._order)

    @property
    def nothing_owed(self) -> bool:
        """Whether everything has been delivered."""
        return not self._order and not self._only_in_log

    async def take(self) -> Waiting:
        """Return the next settlement; waits for one."""
        return await self._queue.get()

    def give_back(self, waiting: Waiting) -> None:
        """Put a settlement back that was taken and not delivered."""
        self._queue.put_nowait(waiting)

    def delivered(self, waiting: Waiting) -> None:
        """Note that a settlement has arrived."""
        waiting.done = True
        self._held.pop(waiting.settlement.reservation.id, None)
        while self._order and self._order[0].done:
            self._mark = max(self._mark, self._order.popleft().mark)

    async def read_ahead(self) -> None:
        """Fetch settlements that did not fit into memory from the log, as far as there is room."""
        while self._only_in_log and len(self._order) <= self._most_in_memory // 2:
            reading = await self._log.read(self._last, max_count=self._most_in_memory // 2)
            before = self._last
            for settlement in reading.settlements[:-1]:
                self._enqueue(settlement, before)
            for settlement in reading.settlements[-1:]:
                self._enqueue(settlement, reading.mark)
            self._last = reading.mark
            # Synchronous from here to the end of the round: no settlement can slip in between.
            self._only_in_log = reading.mark < self._log.end and reading.mark > before

    async def save(self) -> None:
        """Persist what was delivered, so that a restart does not deliver it again."""
        if self._mark > self._log.delivered:
            await self._log.save(self._mark)

    def _enqueue(self, settlement: PendingSettlement, mark: Mark) -> None:
        waiting = Waiting(settlement, mark)
        self._last = mark
        self._order.append(waiting)
        self._queue.put_nowait(waiting)

    # --- for heartbeats ------------------------------------------------------------------------

    def due_for_heartbeat(self) -> Sequence[Reservation]:
        """Return what was not extended for a third of its lifetime, and count it as extended."""
        now = self._clock.monotonic()
        due: list[Reservation] = []
        for held in self._held.values():  # oldest first: every extension moves to the end
            if held.due > now:
                break
            due.append(held.reservation)
        for reservation in due:
            del self._held[reservation.id]
            self._held[reservation.id] = _Held(reservation, now + self._extend_after_s)
        return due

    def holds(self, reservation: Reservation) -> bool:
        """Tell whether a reservation is still to be kept alive."""
        return reservation.id in self._held

    def lost(self, reservation: Reservation) -> None:
        """Stop keeping a reservation alive that the store no longer knows."""
        self._held.pop(reservation.id, None)
