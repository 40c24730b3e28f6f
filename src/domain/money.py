"""Money as integer nano-dollars (1e-9 USD) for counters and records, `Decimal` for price lists.

A price is USD per million tokens, as providers print it. One token at 1 USD per million costs
1,000 nano-dollars, so `nano = tokens * price * 1000`, rounded half-even once per kind of token.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal

NANO_PER_USD = 1_000_000_000
_NANO_PER_TOKEN_AT_ONE_USD_PER_MILLION = Decimal(1000)
# Exact for every product of a count and a price; one context for all, as making one takes longer
# than computing in it.
_EXACT = Context(prec=40, rounding=ROUND_HALF_EVEN)


def cost_nano_usd(tokens: int, usd_per_million: Decimal) -> int:
    """Cost of `tokens` in nano-dollars at a price in USD per million tokens, half-even."""
    per_token = _EXACT.multiply(usd_per_million, _NANO_PER_TOKEN_AT_ONE_USD_PER_MILLION)
    return int(_EXACT.to_integral_value(_EXACT.multiply(Decimal(tokens), per_token)))


def nano_from_usd(usd: Decimal) -> int:
    """Nano-dollars of an amount in USD, half-even."""
    return int(_EXACT.to_integral_value(_EXACT.multiply(usd, Decimal(NANO_PER_USD))))


def usd_from_nano(nano_usd: int) -> Decimal:
    """Exact USD of an amount in nano-dollars."""
    return Decimal(nano_usd).scaleb(-9)
