"""Money as integer nano-dollars (1e-9 USD) for counters and records, `Decimal` for price lists.

A price is USD per million tokens, as providers print it. One token at 1 USD per million costs
1,000 nano-dollars, so `nano = tokens * price * 1000`, rounded half-even once per kind of token.
"""

from decimal import ROUND_HALF_EVEN, Decimal, localcontext

NANO_PER_USD = 1_000_000_000
_NANO_PER_TOKEN_AT_ONE_USD_PER_MILLION = Decimal(1000)


def cost_nano_usd(tokens: int, usd_per_million: Decimal) -> int:
    """Cost of `tokens` in nano-dollars at a price in USD per million tokens, half-even."""
    with localcontext() as context:
        context.prec = 40
        exact = Decimal(tokens) * usd_per_million * _NANO_PER_TOKEN_AT_ONE_USD_PER_MILLION
        return int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))


def nano_from_usd(usd: Decimal) -> int:
    """Nano-dollars of an amount in USD, half-even."""
    with localcontext() as context:
        context.prec = 40
        return int((usd * NANO_PER_USD).to_integral_value(rounding=ROUND_HALF_EVEN))


def usd_from_nano(nano_usd: int) -> Decimal:
    """Exact USD of an amount in nano-dollars."""
    return Decimal(nano_usd).scaleb(-9)
