"""Amounts of money and factors as documents write them."""

from decimal import Decimal

from application.console.configuration.document import PriceEntry
from domain.accounting.pricing import Price
from domain.identifiers import PriceId

MULTIPLIER_PLACES, PRICE_PLACES = 6, 9
"""What the store keeps; more would be rounded silently."""
_HIGHEST_AMOUNT = Decimal(1_000_000)
_MOST_DIGITS = 30
PRICE_FIELDS = PriceEntry.__struct_fields__


def amount_fault(amount: Decimal, places: int) -> str | None:
    """Tell what is wrong with an amount, or None."""
    if not amount.is_finite() or not 0 <= amount < _HIGHEST_AMOUNT:
        return f"must be a number from 0 to below {_HIGHEST_AMOUNT:,}"
    if not _is_storable(amount):
        return f"can have at most {places} decimal places"
    exponent = amount.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > places:
        return f"can have at most {places} decimal places"
    return None


def check_price(path: str, price: PriceEntry | None, faults: list[str]) -> None:
    """Add a fault for each amount of a price that cannot be stored."""
    if price is None:
        return
    for name in PRICE_FIELDS:
        amount: Decimal | None = getattr(price, name)
        if amount is not None and (fault := amount_fault(amount, PRICE_PLACES)):
            faults.append(f"{path}.{name}: {fault}")


def is_price(price: Price, wanted: PriceEntry) -> bool:
    """Tell whether every amount is the wanted one."""
    amounts = (amount for name in PRICE_FIELDS if (amount := getattr(wanted, name)) is not None)
    if not all(_is_storable(amount) for amount in amounts):
        return False
    return all(getattr(price, name) == getattr(wanted, name) for name in PRICE_FIELDS)


def price_of(wanted: PriceEntry, price_id: str, effective_from_ms: int) -> Price:
    """Return the price row that an entry describes."""
    amounts = {name: getattr(wanted, name) for name in PRICE_FIELDS}
    return Price(id=PriceId(price_id), effective_from_ms=effective_from_ms, **amounts)


def plain(amount: Decimal | None) -> str | None:
    """Return the shortest text of an amount, without an exponent: 2.5, 10."""
    if amount is None:
        return None
    return f"{amount.normalize():f}" if _is_storable(amount) else "?"


def exact(amount: Decimal) -> Decimal:
    """Return the amount without the zeros that the database pads it with."""
    return Decimal(f"{amount.normalize():f}") if _is_storable(amount) else amount


def _is_storable(amount: Decimal) -> bool:
    """Tell whether computing with it is safe: a fault of the others is told elsewhere."""
    return amount.is_finite() and abs(amount.adjusted()) < _MOST_DIGITS


def price_entry(price: Price) -> dict[str, object]:
    """Return the price as a document writes it."""
    return {
        name: exact(amount) for name in PRICE_FIELDS if (amount := getattr(price, name)) is not None
    }


def price_text(price: Price) -> str:
    """Return the price in one line, e.g. `input 2.5 output 10`."""
    return " ".join(f"{name} {amount:f}" for name, amount in price_entry(price).items())
