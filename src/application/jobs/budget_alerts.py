"""From a crossed threshold to an alert: a warning in the log, a count, a row that stays."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

import structlog
from msgspec import Struct

from application.jobs.backoff import Backoff
from application.ports.budget_alerts import BudgetAlert, BudgetAlertArchive
from application.ports.clock import Clock, Randomness
from application.ports.telemetry import Telemetry
from domain.errors import DomainError
from domain.limits.reservations import Crossing

MOST_WAITING = 10_000

log = structlog.get_logger(__name__)


class _Waiting(Struct):
    """An alert on its way into the archive."""

    alert: BudgetAlert
    suspected: bool
    then: Callable[[], None] | None
    announced: bool = False


class BudgetAlerts:
    """Stores alerts in the order of their thresholds and announces each that is news, once.

    The archive is asked first: a limit store that was wiped reports crossings again that were
    announced before. While the archive does not answer, what the limit store reports is announced
    unarchived, for an alert that comes twice is better than one that comes late.

    The limit store reports a crossing to one process only. Should that process die before the row
    is written, or the answer get lost, the crossing is *suspected* when its settlement is repeated;
    then nobody but the archive can tell whether it is news.
    """

    def __init__(
        self,
        archive: BudgetAlertArchive,
        telemetry: Telemetry,
        *,
        clock: Clock,
        randomness: Randomness,
        first_pause_s: float = 0.2,
        longest_pause_s: float = 10.0,
    ) -> None:
        """Try to store with pauses between the two bounds."""
        self._archive = archive
        self._telemetry = telemetry
        self._clock = clock
        self._randomness = randomness
        self._backoff = Backoff(first_s=first_pause_s, longest_s=longest_pause_s)
        self._waiting: deque[_Waiting] = deque()
        self._news = asyncio.Event()

    def fire(
        self,
        crossings: Iterable[Crossing],
        *,
        suspected: bool = False,
        then: Callable[[], None] | None = None,
    ) -> None:
        """Store crossings in the given order soon, and announce those that are news.

        Args:
            crossings: of one settlement, thresholds rising.
            suspected: they may have been announced before; they wait for the archive's word.
            then: called once, when all are stored or the archive does not answer for now.
        """
        alerts = [self._alert(crossing) for crossing in crossings]
        for at, alert in enumerate(alerts):
            if len(self._waiting) >= MOST_WAITING:
                if not suspected:
                    self._announce(alert)
                log.error("budget_alert_not_stored", **_fields(alert))
                continue
            last = at == len(alerts) - 1
            self._waiting.append(_Waiting(alert, suspected, then if last else None))
            if last:
                then = None
        if then is not None:
            then()
        self._news.set()

    async def run(self) -> None:
        """Store until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                if not await self._store_first():
                    await asyncio.sleep(self._backoff.next_delay(self._randomness.roll()))

    async def drain(self, timeout_s: float = 5.0) -> bool:
        """Store the rest within `timeout_s` seconds; return whether all is stored."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.flush()
        except TimeoutError:
            pass
        if self._waiting:
            self._announce_unarchived()
            log.error("budget_alerts_not_stored", count=len(self._waiting))
        return not self._waiting

    async def flush(self) -> None:
        """Store what waits, as far as the archive takes it. Not while `run` runs."""
        while self._waiting and await self._store_first():
            pass

    async def _store_first(self) -> bool:
        """Store the oldest alert; False when the archive does not take it now."""
        waiting = self._waiting[0]
        try:
            is_news = await self._archive.add(waiting.alert)
        except DomainError as error:
            if not self._backoff.failing:
                log.warning("budget_alerts_wait", error=error.message)
            self._announce_unarchived()
            for each in self._waiting:  # settlements are not kept waiting by this store
                _finish(each)
            return False
        self._backoff.reset()
        self._waiting.popleft()
        if is_news and not waiting.announced:
            self._announce(waiting.alert)
        _finish(waiting)
        return True

    def _announce_unarchived(self) -> None:
        for each in self._waiting:
            if not each.suspected and not each.announced:
                each.announced = True
                self._announce(each.alert)

    def _announce(self, alert: BudgetAlert) -> None:
        log.warning("budget_alert", **_fields(alert))
        self._telemetry.budget_alert(alert.subject_kind, alert.period, alert.percent)

    def _alert(self, crossing: Crossing) -> BudgetAlert:
        entry = crossing.entry
        return BudgetAlert(
            limit_id=entry.limit_id,
            subject_kind=entry.subject.kind.value,
            subject_id=entry.subject.id,
            period=entry.label.rpartition("/")[2],
            period_id=crossing.period.id,
            percent=crossing.percent,
            unit=entry.unit.value,
            used=crossing.used,
            limit=entry.limit,
            shadow=entry.shadow,
            occurred_at_ms=self._clock.now_ms(),
        )


def _finish(waiting: _Waiting) -> None:
    if waiting.then is not None:
        waiting.then()
        waiting.then = None


def _fields(alert: BudgetAlert) -> dict[str, str | int | bool]:
    return {
        "limit_id": alert.limit_id,
        "subject_kind": alert.subject_kind,
        "subject_id": alert.subject_id,
        "period": alert.period_id,
        "threshold_pct": alert.percent,
        "unit": alert.unit,
        "used": alert.used,
        "limit": alert.limit,
        "shadow": alert.shadow,
    }
