"""Repositories of limits and overrides over dictionaries."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from adapters.memory.repositories import Draft
from application.ports.change_feed import Section
from application.ports.repositories import LimitOverrides, Limits
from domain.errors import Conflict, NotFound
from domain.limits.overrides import Override
from domain.limits.rules import BudgetCap, ConcurrencyCap, Limit, WindowRule
from domain.limits.targets import target_of

T = TypeVar("T")


def in_order(rows: Mapping[str, T]) -> tuple[T, ...]:
    """Return rows by rising id."""
    return tuple(row for _, row in sorted(rows.items()))


class MemoryLimits(Limits):
    """Limits by id."""

    def __init__(self, draft: Draft) -> None:
        """Reads and changes `draft`."""
        self._draft = draft

    async def all(self) -> Sequence[Limit]:
        """Return all limits, oldest first."""
        return in_order(self._draft.limits)

    async def find(self, limit_id: str) -> Limit | None:
        """Return one limit."""
        return self._draft.limits.get(limit_id)

    async def add(self, limit: Limit, *, created_at_ms: int) -> None:
        """Store a limit; its id tells when it was made."""
        del created_at_ms
        self._put(limit)

    async def update(self, limit: Limit) -> None:
        """Replace everything but id and class."""
        if type(self._draft.limits.get(limit.id)) is not type(limit):
            raise NotFound("There is no such limit.")
        self._put(limit)

    async def remove(self, limit_id: str) -> None:
        """Delete the limit and its overrides."""
        if self._draft.limits.pop(limit_id, None) is None:
            raise NotFound("There is no such limit.")
        for override in list(self._draft.overrides.values()):
            if override.limit_id == limit_id:
                del self._draft.overrides[override.id]
        self._draft.changed.add(Section.LIMITS)

    def _put(self, limit: Limit) -> None:
        others = (other for other in self._draft.limits.values() if other.id != limit.id)
        if any(target_of(other) == target_of(limit) for other in others):
            raise Conflict(_TAKEN[type(limit)])
        self._draft.limits[limit.id] = limit
        self._draft.changed.add(Section.LIMITS)


class MemoryLimitOverrides(LimitOverrides):
    """Overrides by id."""

    def __init__(self, draft: Draft) -> None:
        """Reads and changes `draft`."""
        self._draft = draft

    async def all(self) -> Sequence[Override]:
        """Return all overrides, oldest first."""
        return in_order(self._draft.overrides)

    async def add(self, override: Override) -> None:
        """Store an override of a limit that is there."""
        if override.limit_id not in self._draft.limits:
            raise NotFound("There is no such limit.")
        self._draft.overrides[override.id] = override
        self._draft.changed.add(Section.LIMITS)

    async def remove(self, override_id: str) -> None:
        """Delete the override."""
        if self._draft.overrides.pop(override_id, None) is None:
            raise NotFound("There is no such override.")
        self._draft.changed.add(Section.LIMITS)


_TAKEN: dict[type[Limit], str] = {
    WindowRule: "The subject already has a rule for this metric and window.",
    BudgetCap: "The subject already has a budget for this period and unit.",
    ConcurrencyCap: "The subject already has a concurrency cap.",
}
