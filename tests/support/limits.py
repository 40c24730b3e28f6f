"""Builders of limit entries and claims, and a clock for the limit scripts."""

from dataclasses import dataclass, field
from itertools import count

from adapters.redis.limit_scripts import LimitScripts
from application.ports.clock import Clock
from application.ports.limits import LimitMaintenance
from domain.limits.amounts import MAX_COUNT, Spend
from domain.limits.budgets import BudgetUnit
from domain.limits.entries import BudgetEntry, Entry, LeaseEntry, WindowEntry
from domain.limits.periods import Period, periods_around
from domain.limits.reservations import Claim
from domain.limits.rules import Metric
from domain.limits.windows import Window
from domain.subjects import Subject, SubjectKind

# 2026-11-23, a Monday, 10:00 UTC
MONDAY_MS = 1_795_428_000_000
USER = Subject(SubjectKind.USER, "u1")
NOW_KEY = "{tw}:test:now"
TEST_CLOCK = f"local function clock() return tonumber(redis.call('GET', '{NOW_KEY}')) end\n"
_numbers = count()


def scripts_on_test_clock() -> LimitScripts:
    """Return the scripts, but telling the time by `NOW_KEY`."""
    return LimitScripts.load(TEST_CLOCK)


@dataclass(slots=True)
class SetClock(Clock):
    """A clock that shows what it is set to."""

    ms: int = MONDAY_MS
    _started: float = field(default=0.0)

    def now_ms(self) -> int:
        """Return the time it was set to."""
        return self.ms

    def monotonic(self) -> float:
        """Return the same in seconds."""
        return self._started + self.ms / 1000


def requests_rule(
    limit: int, window: Window = Window.MINUTE, *, rule: str = "r1", shadow: bool = False
) -> WindowEntry:
    """Return a requests rule on a user."""
    return WindowEntry(
        limit_id=rule,
        subject=USER,
        label=f"user:requests/{window}",
        limit=limit,
        shadow=shadow,
        counter=f"w:user:u1:requests/{window}:{rule}",
        metric=Metric.REQUESTS,
        bucket_ms=window.bucket_ms,
    )


def tokens_rule(
    limit: int,
    window: Window = Window.MINUTE,
    *,
    rule: str = "t1",
    strict: bool = False,
    shadow: bool = False,
) -> WindowEntry:
    """Return a tokens rule on a user."""
    return WindowEntry(
        limit_id=rule,
        subject=USER,
        label=f"user:tokens/{window}",
        limit=limit,
        shadow=shadow,
        counter=f"w:user:u1:tokens/{window}:{rule}",
        metric=Metric.TOKENS,
        bucket_ms=window.bucket_ms,
        strict=strict,
    )


def budget_cap(
    limit: int,
    now_ms: int,
    period: Period = Period.DAILY,
    *,
    rule: str = "b1",
    unit: BudgetUnit = BudgetUnit.WEIGHTED_TOKENS,
    timezone: str = "UTC",
    strict: bool = False,
    shadow: bool = False,
    counts_from_ms: int = 0,
) -> BudgetEntry:
    """Return a budget on a user as the policy would at `now_ms`."""
    return BudgetEntry(
        limit_id=rule,
        subject=USER,
        label=f"user:budget/{period}",
        limit=limit,
        shadow=shadow,
        counter=f"b:user:u1:{unit}:{rule}",
        unit=unit,
        periods=periods_around(period, now_ms, timezone),
        strict=strict,
        counts_from_ms=counts_from_ms,
    )


def concurrency_cap(limit: int, *, rule: str = "c1", shadow: bool = False) -> LeaseEntry:
    """Return a concurrency cap on a user."""
    return LeaseEntry(
        limit_id=rule,
        subject=USER,
        label="user:concurrency",
        limit=limit,
        shadow=shadow,
        counter=f"c:user:u1:{rule}",
    )


def claim(
    *entries: Entry,
    tokens: int = 0,
    nano_usd: int = 0,
    lifetime_ms: int = 60_000,
    started_at_ms: int = MAX_COUNT,
) -> Claim:
    """Return a claim with an id of its own; by default it began after every epoch."""
    return Claim(
        reservation_id=f"claim-{next(_numbers)}",
        entries=entries,
        estimate=Spend(tokens=tokens, nano_usd=nano_usd),
        lifetime_ms=lifetime_ms,
        started_at_ms=started_at_ms,
        context=b"\x00context",
    )


async def made_ready(store: LimitMaintenance) -> int:
    """Begin an epoch with nothing to restore and return it."""
    epoch = await store.begin()
    await store.mark_restored(epoch.at_ms)
    return epoch.at_ms
