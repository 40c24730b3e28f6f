"""How long a route that was told to slow down is left alone."""

from msgspec import Struct

_MOST_DOUBLINGS = 30


class CoolDownPolicy(Struct, frozen=True, kw_only=True):
    """Bounds of cool-downs, in milliseconds.

    Attributes:
        first_ms: when the provider named no time; it doubles while every answer is a 429.
        longest_unasked_ms: it doubles up to this.
        longest_ms: no cool-down is longer, whatever the provider asks for: a mistake of one server
            must not take a route out for a day.
    """

    first_ms: int = 1_000
    longest_unasked_ms: int = 10_000
    longest_ms: int = 60_000

    def __post_init__(self) -> None:
        """Refuse times that make no sense."""
        if not 0 < self.first_ms <= self.longest_unasked_ms <= self.longest_ms:
            raise ValueError("0 < first_ms <= longest_unasked_ms <= longest_ms does not hold")

    def length_ms(self, retry_after_ms: int | None, in_a_row: int) -> int:
        """Return how long to leave a route alone.

        `in_a_row` counts the cool-downs without an answer in between, this one included (1, 2, …).
        """
        if retry_after_ms is not None:
            return min(max(retry_after_ms, 0), self.longest_ms)
        doublings = min(max(in_a_row - 1, 0), _MOST_DOUBLINGS)
        return min(self.longest_unasked_ms, self.first_ms * 2**doublings)


class CoolDown(Struct, frozen=True, kw_only=True, order=True):
    """An order to slow down, as replicas tell it one another; the greatest is in force.

    Of orders that nobody has ended the one that lasts longest is the greatest, whoever made it last:
    a provider that asked one replica for a minute is not content with the second it asked another.

    Attributes:
        ended_at_ms: Unix ms at which an operator ended all orders made before; 0 for never. It is
            always later than the one before.
        until_ms: Unix ms at which it ends; 0 for no order.
        asked: whether the provider itself named the time.
    """

    ended_at_ms: int = 0
    until_ms: int = 0
    asked: bool = False

    def extended(self, now_ms: int, length_ms: int, *, asked: bool, longest_ms: int) -> "CoolDown":
        """Return the order after another 429: the later end holds, and who named it.

        An end further ahead than `longest_ms` comes from a clock that is wrong and does not hold.
        """
        until_ms = now_ms + length_ms
        if until_ms <= self.left_until_ms(now_ms, longest_ms):
            return self
        return CoolDown(ended_at_ms=self.ended_at_ms, until_ms=until_ms, asked=asked)

    def ended(self, now_ms: int) -> "CoolDown":
        """Return what ends this order and all before it, even when clocks disagree."""
        return CoolDown(ended_at_ms=max(now_ms, self.ended_at_ms + 1))

    def believed(self, now_ms: int, longest_ms: int) -> "CoolDown":
        """Return this order, without its end if no right clock can have told it.

        Were it kept, it would be greater than every order that is right, and hide them all.
        """
        if self.until_ms - now_ms <= longest_ms:
            return self
        return CoolDown(ended_at_ms=self.ended_at_ms)

    def left_until_ms(self, now_ms: int, longest_ms: int) -> int:
        """Return the end if it lies ahead, otherwise 0.

        One further ahead than any cool-down can be comes from a clock that is wrong: it is over.
        """
        return self.until_ms if 0 < self.until_ms - now_ms <= longest_ms else 0


NEVER_COOLED = CoolDown()
"""Less than every order."""
