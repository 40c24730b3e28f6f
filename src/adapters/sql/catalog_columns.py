"""JSON columns of the catalogue: what a route can do, and what it costs.

Both are read as a whole and never searched. Amounts are texts, so that no digit is lost.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from domain.accounting.pricing import Price, PriceList
from domain.routing.capabilities import Capabilities, Capability

_KNOWN = frozenset(Capability)


class _StoredCapabilities(msgspec.Struct, frozen=True, omit_defaults=True):
    """The column's form; members that only a newer version knows are left out when it is read."""

    can: tuple[str, ...] = ()
    cannot: tuple[str, ...] = ()
    context_window: int | None = None
    max_output_tokens: int | None = None


def capabilities_column(known: Capabilities) -> dict[str, object]:
    """Return the column; what is not known is left out."""
    stored = _StoredCapabilities(
        can=tuple(sorted(known.can)),
        cannot=tuple(sorted(known.cannot)),
        context_window=known.context_window,
        max_output_tokens=known.max_output_tokens,
    )
    return msgspec.to_builtins(stored)


def capabilities_of(column: Mapping[str, object]) -> Capabilities:
    """Return what the column says, without abilities that only a newer version knows."""
    stored = msgspec.convert(column, _StoredCapabilities)
    return Capabilities(
        can=frozenset(map(Capability, _KNOWN.intersection(stored.can))),
        cannot=frozenset(map(Capability, _KNOWN.intersection(stored.cannot))),
        context_window=stored.context_window,
        max_output_tokens=stored.max_output_tokens,
    )


def prices_column(prices: PriceList) -> list[dict[str, object]]:
    """Return the column; kinds without a price of their own are left out."""
    return [
        {
            name: str(value) if isinstance(value, Decimal) else value
            for name, value in msgspec.structs.asdict(row).items()
            if value is not None
        }
        for row in prices.rows
    ]


def prices_of(column: Sequence[Mapping[str, object]]) -> PriceList:
    """Return the price list the column says."""
    return PriceList.of(msgspec.convert(column, list[Price]))
