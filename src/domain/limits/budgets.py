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
    """

    used: int = 0
    reserved: int = 0
    alerted: int = 0

    @property
    def taken(self) -> int:
        """Used and reserved: what admission looks at."""
        return self.used + self.reserved

    def reserve(self, amount: int) -> None:
        """Set `amount` aside; saturates at `MAX_COUNT`."""
        self.reserved += min(amount, MAX_COUNT - self.taken)

    def settle(self, reserved: int, actual: int) -> None:
        """Replace a reservation by what was used."""
        self.reserved = max(0, self.reserved - reserved)
        self.used += min(actual, MAX_COUNT - self.taken)

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

    def restore(self, used: int, limit: int) -> None:
        """Raise `used` to a total known from the ledger; its alerts count as fired.

        Doing it again changes nothing, and it never takes away what was charged meanwhile.
        """
        fresh = BudgetCounter(used=min(used, MAX_COUNT))
        fresh.cross(limit)
        self.used = max(self.used, min(fresh.used, MAX_COUNT - self.reserved))
        self.alerted |= fresh.alerted
