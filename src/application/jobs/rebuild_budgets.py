"""Gives budget counters what they cannot know themselves: the ledger's part of their use."""

import asyncio

import structlog

from application.jobs.backoff import Backoff
from application.jobs.budget_alerts import BudgetAlerts
from application.jobs.budget_sums import CounterSum, counter_sums
from application.jobs.settling import reached
from application.ports.change_feed import Section
from application.ports.clock import Clock, Randomness
from application.ports.configuration import ConfigurationSource
from application.ports.leases import LeaderLease
from application.ports.ledger import Ledger
from application.ports.limits import LimitMaintenance
from domain.errors import DomainError
from domain.limits.reservations import YOUNG_MS, Epoch
from domain.limits.rules import BudgetCap

LEASE = "rebuild-budgets"
LOOK_EVERY_S = 1.0
# How long settlements that waited for the store, and records on their way to the ledger, get to
# arrive before the ledger is asked.
LINGER_S = 2.0
# How often the ledger is asked again while it may get records that its sums should have had.
AGAIN_EVERY_S = 10.0

log = structlog.get_logger(__name__)


class RebuildBudgets:
    """Notices an empty store, and a new budget, within seconds.

    Every request is counted by one side only, told apart by the instant at which it ended: from the
    store's epoch on, or from when its budget counts, by the store as it is settled; before, by the
    ledger. So counters are exact once the records of what ended before have arrived, whether
    traffic pauses or not. Until then they are short by those records, and are looked at again while
    there may be some (`Epoch.young`), by one process at a time.

    Windows and leases are not restored: they refill. A budget that is made, or enabled again,
    counts the whole period; only requests under way at that instant are charged to nobody.
    """

    def __init__(
        self,
        store: LimitMaintenance,
        ledger: Ledger,
        configuration: ConfigurationSource,
        leases: LeaderLease,
        alerts: BudgetAlerts,
        *,
        clock: Clock,
        randomness: Randomness,
        look_every_s: float = LOOK_EVERY_S,
        linger_s: float = LINGER_S,
        again_every_s: float = AGAIN_EVERY_S,
    ) -> None:
        """Thresholds that were reached while nobody could say so go to `alerts`."""
        self._store = store
        self._ledger = ledger
        self._configuration = configuration
        self._leases = leases
        self._alerts = alerts
        self._clock = clock
        self._randomness = randomness
        self._look_every_s = look_every_s
        self._linger_s = linger_s
        self._again_every_ms = round(again_every_s * 1000)
        self._backoff = Backoff(first_s=0.2, longest_s=5.0)
        self._suspected: set[tuple[str, int]] = set()
        self._revision = -1
        self._newest_ms = 0
        self._owes_a_look = False

    async def run(self) -> None:
        """Watch the store until cancelled."""
        while True:
            try:
                await self.round()
                self._backoff.reset()
                pause = self._look_every_s
            except DomainError as error:
                # Not at the first failure: while a process starts, nothing has been dialled yet.
                if self._backoff.failures == 1:
                    log.warning("budgets_wait_to_be_restored", error=error.message)
                pause = self._backoff.next_delay(self._randomness.roll())
            await asyncio.sleep(pause)

    async def round(self) -> None:
        """Restore an empty store; look again while records may be late; look at new budgets.

        Raises:
            ServiceUnavailable: a store cannot be asked now; soft budgets go on meanwhile.
        """
        epoch = await self._store.epoch()
        if not epoch.restored:
            async with self._leases.hold(LEASE) as leading:
                if leading:
                    await self._rebuild(await self._store.begin())
            return
        await self._notice_new_budgets()
        if not self._owes_a_look:
            young = epoch.young or self._clock.now_ms() < self._newest_ms + YOUNG_MS
            self._owes_a_look = young and await self._store.claim_look(self._again_every_ms)
        if self._owes_a_look:
            await self._restore(epoch)
            self._owes_a_look = False

    async def _rebuild(self, epoch: Epoch) -> None:
        if epoch.restored:  # by another process, meanwhile
            return
        self._suspected.clear()
        count = await self._restore(epoch)
        if count:  # not a store that was never used
            await asyncio.sleep(self._linger_s)
            count = await self._restore(epoch)
        if await self._store.mark_restored(epoch.at_ms):
            tell = log.warning if count else log.info  # a new store has nothing to get back
            tell("budgets_restored", counters=count, epoch=epoch.at_ms)

    async def _notice_new_budgets(self) -> None:
        """Owe them a look at once: their counters begin at nothing."""
        revision = (await self._configuration.revisions()).get(Section.LIMITS, 0)
        if revision == self._revision:
            return
        limits = (await self._configuration.limits()).limits
        newest_ms = max([0, *(cap.counts_from_ms for cap in limits if isinstance(cap, BudgetCap))])
        if newest_ms > max(self._newest_ms, self._clock.now_ms() - YOUNG_MS):
            self._owes_a_look = True
        self._revision, self._newest_ms = revision, newest_ms

    async def _restore(self, epoch: Epoch) -> int:
        """Hand the ledger's sums to the counters; return how many there are."""
        sums = await counter_sums(
            self._configuration,
            self._ledger,
            epoch_ms=epoch.at_ms,
            now_ms=self._clock.now_ms(),
        )
        for each in sums:
            used = await self._store.restore_budget(
                each.entry, each.period, each.total, until_ms=each.until_ms
            )
            # The store counts these thresholds as fired; the archive knows which really were.
            self._suspect(each, used)
        return len(sums)

    def _suspect(self, restored: CounterSum, used: int) -> None:
        key = restored.entry.key(restored.period)
        crossings = [
            crossing
            for crossing in reached(restored.entry, restored.period, used)
            if (key, crossing.percent) not in self._suspected
        ]
        self._suspected.update((key, crossing.percent) for crossing in crossings)
        self._alerts.fire(crossings, suspected=True)
