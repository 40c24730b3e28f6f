"""One budget counter of one period, and the alerts it fires (limits.md section 3)."""

from dataclasses import dataclass
from enum import StrEnum

from domain.limits.amounts import MAX_COUNT

THRESHOLDS = (50, 80, 95, 100)


class BudgetUnit(StrEnum):
    """What a budget counts."""

    WEIGHTED_TOKENS = "weighted_tokens"
    USD = "usd"


def threshold_amount(limit: int, percent: int) -> int:
    """Return the smallest amount that is `percent` of `limit`.

    In two parts, so that no product leaves the integers a double holds exactly.
    """
    hundreds, rest = divmod(limit, 100)
    return hundreds * percent + (rest * percent + 99) // 100


@dataclass(slots=True)
class BudgetCounter:
    """What was used in one period, what is reserved on top, and which alerts have fired.

    `alerted` has one bit per threshold, in the order of `THRESHOLDS`; bits are never cleared, so a
    threshold fires once per period whatever happens to the limit.

    Every request belongs to one of two sides, told apart by the instant at which it ended: from the
    partition instant `of` on it is charged here, before it the ledger's sum has it. `base` is the
    part of `used` that the ledger owns, so that its sum replaces that part and nothing else.
    """

    used: int = 0
    reserved: int = 0
    alerted: int = 0
    base: int = 0
    of: int = 0

    @property
    def taken(self) -> int:
        """Used and reserved: what admission looks at."""
        return self.used + self.reserved

    def reserve(self, amount: int) -> None:
        """Set `amount` aside; saturates at `MAX_COUNT`."""
        self.reserved += min(amount, MAX_COUNT - self.taken)

    def release(self, reserved: int) -> None:
        """Give back what was set aside."""
        self.reserved = max(0, self.reserved - reserved)

    def charge(self, actual: int, occurred_at_ms: int, partition_ms: int) -> bool:
        """Count what was used; False if that is left to the ledger's sum."""
        self.divide(partition_ms)
        if occurred_at_ms < self.of:
            return not actual
        self.used += min(actual, MAX_COUNT - self.taken)
        return True

    def divide(self, partition_ms: int) -> None:
        """Move to a later partition instant: all that was counted happened before it."""
        if partition_ms > self.of:
            self.base, self.of = self.used, partition_ms

    def cross(self, limit: int) -> tuple[int, ...]:
        """Return the thresholds (percent, rising) reached for the first time, and mark them."""
        crossed: list[int] = []
        for bit, percent in enumerate(THRESHOLDS):
            if (
                limit
                and self.used >= threshold_amount(limit, percent)
                and not self.alerted >> bit & 1
            ):
                self.alerted |= 1 << bit
                crossed.append(percent)
        return tuple(crossed)

    def restore(self, total: int, limit: int, partition_ms: int) -> None:
        """Take over the ledger's sum of what ended before `partition_ms`.

        Thresholds that the counter has reached then count as fired, whether by the sum alone or
        by what was counted here beside it: the caller asks the archive about all of them.
        Exact however often and in whatever order it is done: sums only grow. A sum up to an earlier
        instant than the counter's own says nothing about it and is ignored.
        """
        self.divide(partition_ms)
        if partition_ms < self.of:
            return
        added = min(max(0, min(total, MAX_COUNT) - self.base), MAX_COUNT - self.taken)
        self.base += added
        self.used += added
        self.cross(limit)

    def forget(self, partition_ms: int) -> None:
        """Begin at nothing: what ended before `partition_ms` is not to count any more.

        The instant moves in any case, so that the ledger's sum does not bring back what it had.
        """
        self.of = max(partition_ms, self.of + 1)
        self.used = self.base = 0
