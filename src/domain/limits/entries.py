"""Limits made ready for a check: which counter, how much must fit, what to count.

One entry is one line of `admit`. The three kinds answer the same questions, so that the book and
the Lua script treat them alike:

* `demand(estimate)`: rejected when `used + demand > limit`;
* `charge(estimate)`: counted when admitted;
* `actual(spend)`: what stands in the end, instead of the charge.

"Already at the limit" (soft) is the same as "one more does not fit", so a soft demand is 1.
"""

from collections.abc import Sequence

from msgspec import Struct, structs

from domain.limits.amounts import Spend
from domain.limits.budgets import BudgetUnit
from domain.limits.periods import PeriodPair, PeriodSpan
from domain.limits.rules import Metric
from domain.subjects import Subject


class _Entry(Struct, frozen=True, kw_only=True, array_like=True):
    """What all entries say.

    Attributes:
        limit_id: id of the rule or cap.
        label: what a 429 names, e.g. `user:requests/1m`.
        shadow: counts and reports, never rejects.
    """

    limit_id: str
    subject: Subject
    label: str
    limit: int
    shadow: bool = False


class WindowEntry(_Entry, frozen=True, kw_only=True, array_like=True, tag="w"):
    """A sliding window.

    `counter` names the ring and depends on rule, subject, metric and window, so an edited limit
    keeps its counts.
    """

    counter: str
    metric: Metric
    bucket_ms: int
    strict: bool = False

    def demand(self, estimate: Spend) -> int:
        """Return how much must fit."""
        return max(1, estimate.tokens) if self.strict else 1

    def charge(self, estimate: Spend) -> int:
        """Return how much is counted at admission."""
        if self.metric is Metric.REQUESTS:
            return 1
        return max(1, estimate.tokens) if self.strict else 0

    def actual(self, spend: Spend) -> int:
        """Return how much counts in the end."""
        return spend.requests if self.metric is Metric.REQUESTS else spend.tokens


class BudgetEntry(_Entry, frozen=True, kw_only=True, array_like=True, tag="b"):
    """A calendar budget around the nearest period boundary; the store's clock picks the period.

    `counter` names the cap's counters without the period; the period's id completes it. What ended
    before `counts_from_ms` is the ledger's to count (`BudgetCap.counts_from_ms`).
    """

    counter: str
    unit: BudgetUnit
    periods: PeriodPair
    strict: bool = False
    counts_from_ms: int = 0

    def key(self, period: PeriodSpan) -> str:
        """Return the name of the counter of one period."""
        return f"{self.counter}:{period.id}"

    def demand(self, estimate: Spend) -> int:
        """Return how much must fit."""
        return max(1, self.actual(estimate)) if self.strict else 1

    def charge(self, estimate: Spend) -> int:
        """Return how much is reserved at admission."""
        return max(1, self.actual(estimate)) if self.strict else 0

    def actual(self, spend: Spend) -> int:
        """Return how much counts in the end."""
        return spend.tokens if self.unit is BudgetUnit.WEIGHTED_TOKENS else spend.nano_usd


class LeaseEntry(_Entry, frozen=True, kw_only=True, array_like=True, tag="c"):
    """A concurrency cap; `counter` names the set of leases."""

    counter: str

    def demand(self, _estimate: Spend) -> int:
        """Return 1: one more call."""
        return 1


Entry = WindowEntry | BudgetEntry | LeaseEntry


def share_of(entries: Sequence[Entry], replicas: int) -> tuple[Entry, ...]:
    """Return `entries` with one replica's share of every limit, for the failure mode `local`.

    Rounded down, so that all replicas together stay within the limit; but a limit that admits
    something at all leaves each replica at least one.
    """
    return tuple(
        structs.replace(entry, limit=min(entry.limit, max(1, entry.limit // max(1, replicas))))
        for entry in entries
    )
