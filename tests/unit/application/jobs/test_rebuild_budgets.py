"""A wiped store gets its budgets back from the ledger; nobody is alerted twice, nobody too little."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from msgspec import structs

from adapters.memory.budget_alerts import MemoryBudgetAlerts
from adapters.memory.leases import MemoryLeaderLease
from adapters.memory.ledger import MemoryLedger
from application.jobs.budget_alerts import BudgetAlerts
from application.jobs.rebuild_budgets import LEASE, RebuildBudgets
from application.ports.change_feed import Section
from application.ports.configuration import ConfigurationSource, LimitSet
from application.ports.ledger import Spent
from domain.errors import ServiceUnavailable
from domain.identifiers import ModelId, ProviderId
from domain.inference.dialect import Surface
from domain.limits.amounts import Spend
from domain.limits.budgets import BudgetUnit
from domain.limits.entries import BudgetEntry
from domain.limits.periods import Period
from domain.limits.policy import LimitPolicy
from domain.limits.rules import BudgetCap, Enforcement, Holder, HolderKind
from domain.records.events import RequestRecord
from domain.routing.catalog import Catalog, Model, ProviderKind, ProviderSpec
from domain.settings.catalog import Settings
from domain.subjects import Subject, SubjectChain, SubjectKind
from tests.support.limits import MONDAY_MS, claim
from tests.support.manual_clock import EvenRandomness, ManualClock
from tests.support.offpath import CountingTelemetry, MoodyStore
from tests.support.request_records import make_record

DAY_MS = 24 * 3_600_000


class Fixed(ConfigurationSource):
    """A configuration that was given to it."""

    def __init__(self, *caps: BudgetCap) -> None:
        self.caps = caps
        self.revision = 1

    def change(self, *caps: BudgetCap) -> None:
        self.caps = caps
        self.revision += 1

    async def revisions(self) -> dict[Section, int]:
        return {Section.LIMITS: self.revision}

    async def catalog(self) -> Catalog:
        model = Model(id=ModelId("m1"), name="gpt-4o")
        provider = ProviderSpec(id=ProviderId("p1"), name="openai", kind=ProviderKind.DEMO)
        return Catalog(models={"gpt-4o": model}, providers={provider.id: provider})

    async def settings(self) -> Settings:
        return Settings({})

    async def limits(self) -> LimitSet:
        return LimitSet(limits=self.caps)


class MoodyLedger(MemoryLedger):
    up = True
    asked = 0
    on_asked: Callable[[], None] = staticmethod(lambda: None)

    async def spent(
        self, since_ms: int, until_ms: int, cuts_ms: Sequence[int] = ()
    ) -> Sequence[Spent]:
        self.asked += 1
        self.on_asked()
        if not self.up:
            raise ServiceUnavailable("away")
        return await super().spent(since_ms, until_ms, cuts_ms)


class Bench:
    def __init__(self, *caps: BudgetCap) -> None:
        self.clock = ManualClock(MONDAY_MS)
        self.store = MoodyStore(self.clock)
        self.records: list[RequestRecord] = []
        self.ledger = MoodyLedger(self.records)
        self.leases = MemoryLeaderLease()
        self.telemetry = CountingTelemetry()
        self.archive = MemoryBudgetAlerts()
        self.alerts = BudgetAlerts(
            self.archive, self.telemetry, clock=self.clock, randomness=EvenRandomness()
        )
        self.configuration = Fixed(*caps)
        self.job = self.another_job()

    def another_job(self) -> RebuildBudgets:
        return RebuildBudgets(
            self.store,
            self.ledger,
            self.configuration,
            self.leases,
            self.alerts,
            clock=self.clock,
            randomness=EvenRandomness(),
            linger_s=0,
        )

    def spend(self, tokens: int, nano_usd: int = 0, **overrides: Any) -> None:
        """Add the record of a request that has just ended, for the ledger."""
        given = {"started_at_ms": self.clock.now_ms() - 1, "duration_ms": 0.5, "key_lineage": "l1"}
        given |= overrides
        self.records.append(make_record(weighted_tokens=tokens, cost_nano_usd=nano_usd, **given))

    def entry(self, kind: SubjectKind, subject_id: str, roles: tuple[str, ...] = ()) -> BudgetEntry:
        policy = LimitPolicy(self.configuration.caps)
        chain = SubjectChain(
            (Subject(kind, subject_id), Subject(SubjectKind.TEAM, "team-1")), roles
        )
        binding = policy.bind(chain, Surface.AI_GATEWAY, self.clock.now_ms())
        entry = binding.entries[0]
        assert isinstance(entry, BudgetEntry)
        return entry

    async def percents(self) -> list[int]:
        await self.alerts.flush()
        return [percent for _, _, percent in self.telemetry.alerts]


def cap(kind: HolderKind, holder: str, limit: int = 1000, **overrides: Any) -> BudgetCap:
    given: dict[str, Any] = {
        "id": f"cap-{kind}",
        "holder": Holder(kind, holder),
        "period": Period.MONTHLY,
        "limit": limit,
    }
    return BudgetCap(**{**given, **overrides})


USER_CAP = cap(HolderKind.USER, "user-1")


async def test_a_store_that_was_never_used_is_ready_at_once() -> None:
    bench = Bench(USER_CAP)
    await bench.job.round()
    assert (await bench.store.epoch()).restored
    assert bench.ledger.asked == 1


async def test_a_store_without_caps_needs_no_ledger() -> None:
    bench = Bench()
    bench.ledger.up = False
    await bench.job.round()
    assert (await bench.store.epoch()).restored


@pytest.mark.parametrize(
    ("holder", "kind", "subject"),
    [
        (Holder(HolderKind.API_KEY, "l1"), SubjectKind.API_KEY, "l1"),
        (Holder(HolderKind.USER, "user-1"), SubjectKind.USER, "user-1"),
        (Holder(HolderKind.TEAM, "team-1"), SubjectKind.TEAM, "team-1"),
        (Holder(HolderKind.MODEL, "m1"), SubjectKind.MODEL, "m1"),
        (Holder(HolderKind.PROVIDER, "p1"), SubjectKind.PROVIDER, "p1"),
        (Holder(HolderKind.PLATFORM, "platform"), SubjectKind.PLATFORM, "platform"),
        (Holder(HolderKind.TEAM_MEMBERS, "team-1"), SubjectKind.USER, "user-1"),
        (Holder(HolderKind.ROLE_MEMBERS, "dev"), SubjectKind.USER, "user-1"),
    ],
)
@pytest.mark.parametrize("unit", list(BudgetUnit))
async def test_every_kind_of_budget_comes_back(
    holder: Holder, kind: SubjectKind, subject: str, unit: BudgetUnit
) -> None:
    bench = Bench(cap(holder.kind, holder.id, unit=unit))
    bench.spend(30, 300)
    bench.spend(12, 120)
    await bench.job.round()
    expected = 42 if unit is BudgetUnit.WEIGHTED_TOKENS else 420
    assert await bench.store.used(bench.entry(kind, subject, ("dev",))) == expected


async def test_only_the_current_period_of_each_cap_counts() -> None:
    caps = [cap(HolderKind.USER, "user-1", id=f"cap-{period}", period=period) for period in Period]
    bench = Bench(*caps)
    for days_ago, tokens in ((0, 1), (1, 10), (9, 100), (25, 1000)):  # from Monday 2026-11-23
        bench.spend(tokens, started_at_ms=MONDAY_MS - 1 - days_ago * DAY_MS)
    await bench.job.round()
    binding = LimitPolicy(caps).bind(
        SubjectChain((Subject(SubjectKind.USER, "user-1"),)), Surface.AI_GATEWAY, MONDAY_MS
    )
    usage = await bench.store.usage(binding.entries, Spend())
    assert [each.used for each in usage.readings] == [1, 1, 111]


async def test_the_sum_of_a_month_is_no_reason_to_alert_about_a_day() -> None:
    bench = Bench(
        cap(HolderKind.USER, "user-1", 100, id="cap-day", period=Period.DAILY),
        cap(HolderKind.USER, "user-1", 1000, id="cap-month", period=Period.MONTHLY),
    )
    bench.spend(10)
    bench.spend(200, started_at_ms=MONDAY_MS - 5 * DAY_MS)
    await bench.job.round()
    assert await bench.percents() == []


async def test_strict_budgets_admit_again_only_with_their_history() -> None:
    bench = Bench(cap(HolderKind.USER, "user-1", 100, enforcement=Enforcement.STRICT))
    bench.spend(95)
    entry = bench.entry(SubjectKind.USER, "user-1")
    wish = claim(entry, tokens=10)
    assert (await bench.store.usage((entry,), wish.estimate)).offending == 0
    await bench.job.round()
    assert (await bench.store.usage((entry,), wish.estimate)).offending == 0
    assert (await bench.store.usage((entry,), Spend(tokens=5))).offending is None


async def test_while_the_ledger_is_away_the_store_stays_unrestored_and_is_tried_again() -> None:
    bench = Bench(USER_CAP)
    bench.spend(600)
    bench.ledger.up = False
    with pytest.raises(ServiceUnavailable):
        await bench.job.round()
    assert not (await bench.store.epoch()).restored
    bench.ledger.up = True
    await bench.job.round()
    assert (await bench.store.epoch()).restored
    assert await bench.store.used(bench.entry(SubjectKind.USER, "user-1")) == 600


async def test_one_process_at_a_time_restores() -> None:
    bench = Bench(USER_CAP)
    async with bench.leases.hold(LEASE):
        await bench.job.round()
    assert not (await bench.store.epoch()).restored
    assert bench.ledger.asked == 0


async def test_what_was_used_since_the_wipe_comes_on_top_of_the_ledgers_sum() -> None:
    bench = Bench(USER_CAP)
    bench.spend(10)
    entry = bench.entry(SubjectKind.USER, "user-1")
    reservation = await bench.store.take(claim(entry))
    await bench.store.settle(reservation, Spend(tokens=25), occurred_at_ms=MONDAY_MS)
    await bench.job.round()
    assert await bench.store.used(entry) == 35


async def test_a_record_that_comes_late_is_made_up_for_while_the_store_is_young() -> None:
    bench = Bench(USER_CAP)
    entry = bench.entry(SubjectKind.USER, "user-1")
    bench.spend(10)
    await bench.job.round()
    assert await bench.store.used(entry) == 10
    bench.spend(5, started_at_ms=MONDAY_MS - 5, duration_ms=4.9)
    bench.clock.advance(1)
    bench.spend(100)  # ended afterwards: charged as it was settled, not from here
    await bench.job.round()
    assert await bench.store.used(entry) == 15
    asked = bench.ledger.asked
    await bench.job.round()
    assert bench.ledger.asked == asked, "not all the time"
    bench.clock.advance(11)
    await bench.job.round()
    assert bench.ledger.asked == asked + 1
    bench.clock.advance(700)
    await bench.job.round()
    assert bench.ledger.asked == asked + 1, "not for ever"


async def test_a_process_that_did_not_restore_the_store_looks_again_too() -> None:
    bench = Bench(USER_CAP)
    await bench.job.round()
    bench.spend(5)
    other = bench.another_job()
    await other.round()
    assert await bench.store.used(bench.entry(SubjectKind.USER, "user-1")) == 5


async def test_a_look_that_failed_is_owed_however_long_the_ledger_is_away() -> None:
    bench = Bench(USER_CAP)
    await bench.job.round()
    bench.spend(5)
    bench.ledger.up = False
    with pytest.raises(ServiceUnavailable):
        await bench.job.round()
    bench.clock.advance(700)
    bench.ledger.up = True
    await bench.job.round()
    assert await bench.store.used(bench.entry(SubjectKind.USER, "user-1")) == 5


async def test_a_store_that_is_wiped_while_it_is_restored_is_restored_again() -> None:
    bench = Bench(USER_CAP)
    bench.spend(10)

    def wipe() -> None:
        bench.ledger.on_asked = lambda: None
        bench.store.wipe()
        bench.clock.advance(0.001)

    bench.ledger.on_asked = wipe
    await bench.job.round()
    assert not (await bench.store.epoch()).restored
    await bench.job.round()
    assert await bench.store.used(bench.entry(SubjectKind.USER, "user-1")) == 10


async def test_a_budget_made_within_its_period_counts_what_was_used_before() -> None:
    bench = Bench()
    await bench.job.round()
    bench.clock.advance(86_400)
    bench.spend(70)
    bench.configuration.change(structs.replace(USER_CAP, counts_from_ms=bench.clock.now_ms()))
    entry = bench.entry(SubjectKind.USER, "user-1")
    reservation = await bench.store.take(claim(entry))
    at_ms = bench.clock.now_ms()
    await bench.store.settle(reservation, Spend(tokens=5), occurred_at_ms=at_ms)
    await bench.job.round()
    assert await bench.store.used(entry) == 75
    bench.spend(8)  # its record was on its way as the budget was made
    bench.clock.advance(11)
    bench.spend(1000)  # ended since
    await bench.job.round()
    assert await bench.store.used(entry) == 83
    asked = bench.ledger.asked
    bench.clock.advance(700)
    await bench.job.round()
    assert bench.ledger.asked == asked, "not for ever"


async def test_budgets_made_one_after_the_other_each_take_their_own_sum() -> None:
    bench = Bench(USER_CAP)
    await bench.job.round()
    budgets = [USER_CAP]
    for number in range(3):
        bench.clock.advance(1)
        bench.spend(10**number)
        now_ms = bench.clock.now_ms()
        budgets.append(cap(HolderKind.USER, "user-1", id=f"cap-{number}", counts_from_ms=now_ms))
    bench.configuration.change(*budgets)
    await bench.job.round()
    entries = LimitPolicy(budgets).bind(
        SubjectChain((Subject(SubjectKind.USER, "user-1"),)),
        Surface.AI_GATEWAY,
        bench.clock.now_ms(),
    )
    usage = await bench.store.usage(entries.entries, Spend())
    assert {
        entry.limit_id: reading.used
        for entry, reading in zip(entries.entries, usage.readings, strict=True)
    } == {"cap-user": 0, "cap-0": 1, "cap-1": 11, "cap-2": 111}


async def test_alerts_that_were_given_before_the_wipe_are_not_given_again() -> None:
    bench = Bench(USER_CAP)
    await bench.job.round()
    entry = bench.entry(SubjectKind.USER, "user-1")
    bench.spend(850)
    reservation = await bench.store.take(claim(entry))
    settled = await bench.store.settle(reservation, Spend(tokens=850), occurred_at_ms=MONDAY_MS)
    bench.alerts.fire(settled.crossings)
    assert await bench.percents() == [50, 80]
    bench.store.wipe()
    bench.clock.advance(1)
    await bench.job.round()
    assert await bench.percents() == [50, 80]
    reservation = await bench.store.take(claim(entry))
    ended_at_ms = bench.clock.now_ms()
    settled = await bench.store.settle(reservation, Spend(tokens=110), occurred_at_ms=ended_at_ms)
    bench.alerts.fire(settled.crossings)
    assert await bench.percents() == [50, 80, 95]


async def test_an_alert_nobody_could_give_during_the_wipe_is_given_afterwards() -> None:
    bench = Bench(USER_CAP)
    bench.spend(960)
    await bench.job.round()
    assert await bench.percents() == [50, 80, 95]


async def test_an_empty_store_is_noticed_by_the_running_job() -> None:
    bench = Bench(USER_CAP)
    running = asyncio.ensure_future(bench.job.run())
    async with asyncio.timeout(5):
        while not (await bench.store.epoch()).restored:  # noqa: ASYNC110 - the port has no event for it
            await asyncio.sleep(0.001)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
