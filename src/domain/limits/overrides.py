"""Exceptions from a limit for one subject, with a name, a reason and an end."""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from domain.errors import InvalidRequest
from domain.limits.amounts import MAX_COUNT
from domain.subjects import Subject

LONGEST_MS = 90 * 24 * 3_600_000


class OverrideAction(StrEnum):
    """`replace` may loosen; `tighten` takes effect only where it is the stricter value."""

    REPLACE = "replace"
    TIGHTEN = "tighten"


class Override(Struct, frozen=True, kw_only=True):
    """Another value of one limit for one subject.

    Attributes:
        limit_id: the rule or cap it changes; on a default, `subject` is one of the users it binds.
        set_by: who set it, for the explanation.
        until_ms: first instant at which it no longer applies; at most 90 days after `set_at_ms`.
            Only `tighten` may have none.

    Raises:
        InvalidRequest: no reason, no end, or an end too far away.
    """

    id: str
    limit_id: str
    subject: Subject
    action: OverrideAction
    limit: int
    set_by: str
    reason: str
    set_at_ms: int
    until_ms: int | None = None

    def __post_init__(self) -> None:
        """Refuse what must not be in force."""
        if not 0 <= self.limit <= MAX_COUNT:
            raise InvalidRequest(f"A limit must be between 0 and {MAX_COUNT}.", param="limit")
        if not self.reason.strip():
            raise InvalidRequest("An override needs a reason.", param="reason")
        if self.until_ms is None:
            if self.action is OverrideAction.REPLACE:
                raise InvalidRequest("An override that replaces needs an end.", param="until")
        elif not self.set_at_ms < self.until_ms <= self.set_at_ms + LONGEST_MS:
            raise InvalidRequest("An override ends within 90 days.", param="until")

    def in_force(self, now_ms: int) -> bool:
        """Tell whether it applies at `now_ms`."""
        return self.until_ms is None or now_ms < self.until_ms


def apply(
    overrides: Sequence[Override], limit: int, now_ms: int
) -> tuple[int, tuple[Override, ...]]:
    """Return the value in force at `now_ms`, and the overrides that made it, if any.

    The newest `replace` takes the place of `limit`; every `tighten` can only lower the result.
    """
    active = [override for override in overrides if override.in_force(now_ms)]
    applied: list[Override] = []
    replacing = [each for each in active if each.action is OverrideAction.REPLACE]
    if replacing:
        newest = max(replacing, key=lambda each: (each.set_at_ms, each.id))
        limit = newest.limit
        applied.append(newest)
    tightening = [each for each in active if each.action is OverrideAction.TIGHTEN]
    if tightening:
        strictest = min(tightening, key=lambda each: (each.limit, each.id))
        if strictest.limit < limit:
            limit = strictest.limit
            applied.append(strictest)
    return limit, tuple(applied)
