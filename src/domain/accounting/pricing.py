"""Prices with effective dates, the cost of a request, and weighted tokens (limits.md section 4)."""

from bisect import bisect_right
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from msgspec import Struct, field

from domain.accounting.usage import KINDS, TokenUsage
from domain.identifiers import PriceId
from domain.money import cost_nano_usd

# A kind without a price of its own is billed like the kind it is a variety of. Cache writes fall
# back to the input price; providers that charge a premium list it, and so must the price row.
_FALLBACK = {
    "input_uncached": "input",
    "cache_read": "input",
    "cache_write_5m": "input",
    "cache_write_1h": "input",
    "audio_in": "input",
    "output": "output",
    "reasoning": "output",
    "audio_out": "output",
}


class Price(Struct, frozen=True, kw_only=True):
    """One row of a model's price list, in USD per million tokens.

    Attributes:
        id: row id, recorded with every request as the price version.
        effective_from_ms: first instant (Unix milliseconds) at which the row is in force.
        input, output: the two prices every row has.
        others: own prices of single kinds; a kind left out costs what `input` or `output` costs.
    """

    id: PriceId
    effective_from_ms: int
    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    audio_in: Decimal | None = None
    reasoning: Decimal | None = None
    audio_out: Decimal | None = None

    def of(self, kind: str) -> Decimal:
        """Return the price of a kind of token, falling back to `input` or `output`."""
        own: Decimal | None = None if kind == "input_uncached" else getattr(self, kind)
        return own if own is not None else getattr(self, _FALLBACK[kind])


class Cost(Struct, frozen=True, kw_only=True):
    """Cost of a request in nano-dollars, total and by kind of token (zero kinds left out)."""

    total_nano_usd: int = 0
    by_kind: dict[str, int] = field(default_factory=dict[str, int])
    price_id: PriceId | None = None


class PriceList(Struct, frozen=True):
    """All price rows of one model, oldest first."""

    rows: tuple[Price, ...] = ()

    @classmethod
    def of(cls, rows: Sequence[Price]) -> "PriceList":
        """Build a list from rows in any order."""
        return cls(tuple(sorted(rows, key=lambda row: (row.effective_from_ms, row.id))))

    def at(self, now_ms: int) -> Price | None:
        """Return the row in force at `now_ms`, or None when the price is unknown."""
        index = bisect_right(self.rows, now_ms, key=lambda row: row.effective_from_ms)
        return self.rows[index - 1] if index else None

    def cost(self, usage: TokenUsage, now_ms: int) -> Cost | None:
        """Return the cost of `usage` at the price in force, or None when there is no price."""
        price = self.at(now_ms)
        if price is None:
            return None
        by_kind: dict[str, int] = {}
        total = 0
        for kind in KINDS:
            tokens: int = getattr(usage, kind)
            if tokens:
                by_kind[kind] = nano = cost_nano_usd(tokens, price.of(kind))
                total += nano
        return Cost(total_nano_usd=total, by_kind=by_kind, price_id=price.id)


def weighted_tokens(
    usage: TokenUsage, input_multiplier: Decimal, output_multiplier: Decimal
) -> int:
    """Return input kinds x input multiplier + output kinds x output multiplier, half-even once."""
    if input_multiplier == 1 and output_multiplier == 1:
        return usage.total
    exact = usage.input_total * input_multiplier + usage.output_total * output_multiplier
    return int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))
