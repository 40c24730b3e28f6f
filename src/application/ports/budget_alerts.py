"""Alerts of budgets, kept: each at most once per limit, subject, period and threshold."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct


class BudgetAlert(Struct, frozen=True, kw_only=True):
    """A budget reached a threshold for the first time in its period.

    `limit_id`, subject, `period_id` and `percent` together name an alert; the rest says how it was.

    Attributes:
        period: `daily`, `weekly` or `monthly`.
        period_id: e.g. `2026-11-23`, `2026-W48` or `2026-11`.
        percent: 50, 80, 95 or 100.
        unit: `weighted_tokens` or `usd` (then `used` and `limit` are nano-dollars).
        occurred_at_ms: when it was noticed, in Unix milliseconds.
    """

    limit_id: str
    subject_kind: str
    subject_id: str
    period: str
    period_id: str
    percent: int
    unit: str
    used: int
    limit: int
    shadow: bool
    occurred_at_ms: int


class BudgetAlertArchive(Protocol):
    """Append-only store of alerts, shared by all processes."""

    @abstractmethod
    async def add(self, alert: BudgetAlert) -> bool:
        """Store an alert; False when it was stored before.

        Raises:
            ServiceUnavailable: try again later.
        """
        ...

    @abstractmethod
    async def newest(
        self, limit: int, *, among: Mapping[str, frozenset[str]] | None = None
    ) -> Sequence[BudgetAlert]:
        """Return up to `limit` alerts, newest first; of one moment the highest threshold first.

        With `among` (ids by kind) only those about these subjects.

        Raises:
            ServiceUnavailable
        """
        ...
