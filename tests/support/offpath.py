"""A limit store that can be away, and what the jobs around it need."""

from dataclasses import dataclass, field

from adapters.memory.limits import MemoryLimitStore
from application.ports.telemetry import Telemetry
from domain.errors import LimitStoreUnavailable
from domain.limits.amounts import Spend
from domain.limits.book import LimitBook
from domain.limits.entries import BudgetEntry, Entry
from domain.limits.reservations import Abandoned, Admitted, Claim, Epoch, Reservation, Settled
from domain.records.events import RequestRecord
from tests.support.manual_clock import ManualClock


@dataclass
class CountingTelemetry(Telemetry):
    """Remembers what it was told."""

    alerts: list[tuple[str, str, int]] = field(default_factory=list[tuple[str, str, int]])
    records: list[RequestRecord] = field(default_factory=list[RequestRecord])

    def request_ended(self, record: RequestRecord) -> None:
        self.records.append(record)

    def rate_limited(self, label: str) -> None: ...
    def shadow_exceeded(self, label: str) -> None: ...
    def rules_failed_open(self) -> None: ...
    def budgets_failed_open(self) -> None: ...
    def failed_closed(self) -> None: ...
    def record_lost(self, stream: str, reason: str) -> None: ...
    def breaker_state(self, route: str, state: int) -> None: ...

    def budget_alert(self, subject_kind: str, period: str, percent: int) -> None:
        self.alerts.append((subject_kind, period, percent))


class MoodyStore(MemoryLimitStore):
    """Answers while `up`; with `deaf` it does what it is told and the answer gets lost."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.up = True
        self.deaf = False
        self.settled: list[str] = []
        self.extended: list[str] = []
        self.refused = 0

    def _answer(self) -> None:
        if not self.up:
            self.refused += 1
            raise LimitStoreUnavailable("away")

    async def settle(
        self, reservation: Reservation, actual: Spend, *, occurred_at_ms: int
    ) -> Settled:
        self._answer()
        settled = await super().settle(reservation, actual, occurred_at_ms=occurred_at_ms)
        self.settled.append(reservation.id)
        if self.deaf:
            self.deaf = False
            raise LimitStoreUnavailable("the answer got lost")
        return settled

    async def extend(self, reservation: Reservation, lifetime_ms: int) -> bool:
        self._answer()
        self.extended.append(reservation.id)
        return await super().extend(reservation, lifetime_ms)

    async def sweep(self, count: int) -> list[Abandoned]:
        self._answer()
        return list(await super().sweep(count))

    async def epoch(self) -> Epoch:
        self._answer()
        return await super().epoch()

    def wipe(self) -> None:
        """Lose everything, like FLUSHALL."""
        self._book = LimitBook()

    async def take(self, claim: Claim) -> Reservation:
        """Admit a claim that has to fit."""
        verdict = await self.admit(claim)
        assert isinstance(verdict, Admitted)
        return verdict.reservation

    async def used(self, entry: Entry) -> int:
        """Return what counts against a limit."""
        return (await self.usage((entry,), Spend())).readings[0].used


def budget_counter(entry: BudgetEntry, now_ms: int) -> str:
    """Return the name of the counter in force."""
    return entry.key(entry.periods.at(now_ms))
