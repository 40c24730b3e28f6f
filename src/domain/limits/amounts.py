"""Amounts that are counted, and the bound that keeps them exact everywhere."""

from msgspec import Struct

# Lua numbers are doubles: integers are exact up to 2**53. Every counter saturates here.
MAX_COUNT = 2**53 - 1


class Spend(Struct, frozen=True, kw_only=True, gc=False):
    """What a request takes: estimated when it is admitted, actual when it is settled.

    Attributes:
        requests: 1, or 0 at settling when the request is not to count after all.
        tokens: weighted tokens.
        nano_usd: cost in nano-dollars.
    """

    requests: int = 1
    tokens: int = 0
    nano_usd: int = 0

    def __post_init__(self) -> None:
        """Reject what no counter could hold: negative amounts and amounts over `MAX_COUNT`."""
        if not 0 <= self.requests <= 1:
            raise ValueError("a request counts once or not at all")
        if not (0 <= self.tokens <= MAX_COUNT and 0 <= self.nano_usd <= MAX_COUNT):
            raise ValueError("an amount must be between 0 and 2**53 - 1")


NOTHING = Spend(requests=0)
