"""Restores the budget counters of a limit store that was wiped."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence

import structlog
from msgspec import Struct, structs

from application.jobs.backoff import Backoff
from application.jobs.budget_alerts import BudgetAlerts
from application.jobs.settling import reached
from application.ports.clock import Clock, Randomness
from application.ports.configuration import ConfigurationSource
from application.ports.leases import LeaderLease
from application.ports.ledger import Ledger, Spent
from application.ports.limits import LimitMaintenance
from domain.errors import DomainError
from domain.inference.dialect import Surface
from domain.limits.entries import BudgetEntry
from domain.limits.periods import PeriodSpan, period_at
from domain.limits.policy import LimitPolicy
from domain.limits.rules import BudgetCap, HolderKind
from domain.routing.catalog import Catalog
from domain.subjects import Subject, SubjectChain, SubjectKind

LEASE = "rebuild-budgets"
LOOK_EVERY_S = 1.0
# How long settlements that waited for the store, and records on their way to the ledger, get to
# arrive before the ledger is asked.
LINGER_S = 2.0
# Records that arrive later are made up for by looking again for a while.
AGAIN_EVERY_S = 30.0
AGAIN_FOR_S = 600.0

log = structlog.get_logger(__name__)


class _Restored(Struct, frozen=True):
    """A counter and what the ledger says about it."""

    entry: BudgetEntry
    period: PeriodSpan
    used: int


class RebuildBudgets:
    """Notices an empty store within seconds; one process at a time restores it.

    Counters are raised to the sum of the stored records of their current period, never lowered. A
    request that was settled before, but whose record arrives after its counter was restored, is
    missing until the counters are looked at again: exact once traffic pauses, and short by the
    records under way while it does not. Windows and leases are not restored: they refill.
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
        again_for_s: float = AGAIN_FOR_S,
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
        self._again_every_s = again_every_s
        self._again_for_s = again_for_s
        self._backoff = Backoff(first_s=0.2, longest_s=5.0)
        self._again_until = 0.0
        self._suspected: set[tuple[str, int]] = set()
        self._again_at = 0.0

    async def run(self) -> None:
        """Watch the store until cancelled."""
        while True:
            try:
                await self.round()
                self._backoff.reset()
                pause = self._look_every_s
            except DomainError as error:
                if not self._backoff.failing:
                    log.warning("budgets_wait_to_be_restored", error=error.message)
                pause = self._backoff.next_delay(self._randomness.roll())
            await asyncio.sleep(pause)

    async def round(self) -> None:
        """Restore an empty store; look again at one that was restored lately.

        Raises:
            ServiceUnavailable: a store cannot be asked now; soft budgets go on meanwhile.
        """
        if await self._store.epoch():
            now = self._clock.monotonic()
            if self._again_at <= now < self._again_until:
                self._again_at = now + self._again_every_s
                await self._restore()
            return
        async with self._leases.hold(LEASE) as leading:
            if leading and not await self._store.epoch():
                await self._rebuild()

    async def _rebuild(self) -> None:
        self._suspected.clear()
        count = await self._restore()
        if count:  # not a store that was never used
            await asyncio.sleep(self._linger_s)
            count = await self._restore()
        epoch = await self._store.mark_restored()
        log.warning("budgets_restored", counters=count, epoch=epoch)
        now = self._clock.monotonic()
        self._again_at = now + self._again_every_s
        self._again_until = now + self._again_for_s

    async def _restore(self) -> int:
        """Raise the counters to the ledger's sums; return how many there are."""
        limits = await self._configuration.limits()
        caps = [each for each in limits.limits if isinstance(each, BudgetCap) and each.enabled]
        if not caps:
            return 0
        catalog = await self._configuration.catalog()
        policy = LimitPolicy(caps, limits.overrides)
        now_ms = self._clock.now_ms()
        sums = await self._sums(caps, catalog, now_ms)
        count = 0
        for restored in _counters(policy, caps, sums, now_ms):
            await self._store.restore_budget(restored.entry, restored.period, restored.used)
            # The store counts these thresholds as fired; the archive knows which really were.
            self._suspect(restored)
            count += 1
        return count

    def _suspect(self, restored: _Restored) -> None:
        crossings = [
            crossing
            for crossing in reached(restored.entry, restored.period, restored.used)
            if (restored.entry.key(restored.period), crossing.percent) not in self._suspected
        ]
        key = restored.entry.key(restored.period)
        self._suspected.update((key, crossing.percent) for crossing in crossings)
        self._alerts.fire(crossings, suspected=True)

    async def _sums(
        self, caps: Iterable[BudgetCap], catalog: Catalog, now_ms: int
    ) -> Mapping[PeriodSpan, Sequence[Spent]]:
        """Ask the ledger once per period that a cap counts by."""
        periods = {period_at(cap.period, now_ms, cap.timezone) for cap in caps}
        models = {model.name: model.id for model in catalog.models.values()}
        providers = {provider.name: provider.id for provider in catalog.providers.values()}
        ids: dict[SubjectKind, Mapping[str, str]] = {
            SubjectKind.MODEL: models,
            SubjectKind.PROVIDER: providers,
        }
        found: dict[PeriodSpan, Sequence[Spent]] = {}
        for period in periods:
            spent = await self._ledger.spent(period.start_ms, period.end_ms)
            found[period] = [
                structs.replace(each, name=ids[each.kind].get(each.name, ""))
                if each.kind in ids
                else each
                for each in spent
            ]
        return found


def _counters(
    policy: LimitPolicy,
    caps: Sequence[BudgetCap],
    sums: Mapping[PeriodSpan, Sequence[Spent]],
    now_ms: int,
) -> Iterator[_Restored]:
    """Yield every counter that may hold something.

    Defaults for the members of a role or team are restored for every user who spent anything:
    records do not keep roles, and a counter nobody asks for does no harm.
    """
    by_id = {cap.id: cap for cap in caps}
    roles = tuple(c.holder.id for c in caps if c.holder.kind is HolderKind.ROLE_MEMBERS)
    teams = tuple(
        Subject(SubjectKind.TEAM, c.holder.id)
        for c in caps
        if c.holder.kind is HolderKind.TEAM_MEMBERS
    )
    for period, spent in sums.items():
        for each in spent:
            if not each.name:
                continue
            subject = Subject(each.kind, each.name)
            defaults = teams if each.kind is SubjectKind.USER else ()
            chain = SubjectChain((subject, *defaults), roles)
            binding = policy.bind(chain, Surface.AI_GATEWAY, now_ms)
            for entry in binding.entries:
                if not isinstance(entry, BudgetEntry) or entry.subject != subject:
                    continue
                cap = by_id[entry.limit_id]
                if period_at(cap.period, now_ms, cap.timezone) == period:
                    used = each.nano_usd if entry.unit == "usd" else each.tokens
                    yield _Restored(entry, period, used)
