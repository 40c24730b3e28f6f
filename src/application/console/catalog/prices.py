"""Price lists: rows are added with the instant they hold from, and never changed."""

from datetime import datetime

from msgspec.structs import replace

from application.console.catalog.merging import refuse
from application.console.catalog.models import existing_model
from application.console.catalog.views import PriceView, price_view
from application.console.configuration.amounts import check_price, price_of
from application.console.configuration.document import PriceEntry
from application.instants import milliseconds
from application.ports.clock import Clock, IdGenerator
from application.ports.unit_of_work import UnitOfWork
from application.resources import Page, check_page, page_of
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.accounting.pricing import PriceList
from domain.errors import InvalidRequest
from domain.records.audit import AuditTarget


class NewPrice(PriceEntry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price in USD per million tokens; kinds left out cost what `input` or `output` costs.

    `effective_from` is the first instant it holds, now or later; without it, from now on.
    """

    effective_from: datetime | None = None


class NewPriceOf(NewPrice, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price of the model that is named by `model`, its id or name."""

    model: str


class ManagePrices:
    """The price lists of all models. A model is named by its id or its name."""

    def __init__(self, uow: UnitOfWork, clock: Clock, ids: IdGenerator) -> None:
        """Take the ports."""
        self._uow = uow
        self._clock = clock
        self._ids = ids

    async def page(
        self, by: Actor, *, model: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[PriceView]:
        """Return price rows in the order they were added; with `model`, those of that model.

        Raises:
            NotFound: there is no such model.
            PermissionDenied
            InvalidRequest: a parameter is out of bounds; `param` names it.
        """
        by.require(Permission.MODELS_READ)
        check_page(limit, cursor)
        async with self._uow.begin() as tx:
            models = await tx.models.all()
        if model is not None:
            models = [existing_model(models, model)]
        now_ms = self._clock.now_ms()
        found = [(price, each) for each in models for price in each.prices.rows]
        return page_of(
            sorted(found, key=lambda pair: pair[0].id),
            limit=limit,
            cursor=cursor,
            key=lambda pair: pair[0].id,
            view=lambda pair: price_view(*pair, now_ms),
        )

    async def add(self, by: Actor, model: str, entry: NewPrice) -> PriceView:
        """Add a row; what was charged before stays as it was.

        Raises:
            NotFound: there is no such model.
            InvalidRequest, ValidationFailed: an amount cannot be stored, or the instant has passed.
            Conflict: there is a price with the same effective instant.
            PermissionDenied
        """
        by.require(Permission.PRICES_WRITE)
        faults: list[str] = []
        check_price("", entry, faults)
        refuse(faults)
        now_ms = self._clock.now_ms()
        async with self._uow.begin(exclusive=True) as tx:
            found = existing_model(await tx.models.all(), model)
            price = price_of(entry, self._ids.new_id(), _beginning(entry, found.prices, now_ms))
            await tx.models.add_price(found.id, price)
            after = replace(found, prices=PriceList.of((*found.prices.rows, price)))
            view = price_view(price, after, self._clock.now_ms())
            tx.audit.record(
                by,
                "price.create",
                AuditTarget(kind="price", id=price.id, name=found.name),
                after=view,
            )
            await tx.commit()
        return view


def _beginning(entry: NewPrice, known: PriceList, now_ms: int) -> int:
    """Return the first instant of a new row: not in the past, which is history."""
    if entry.effective_from is None:
        in_force = known.at(now_ms)
        # Two changes within a millisecond: the later one holds.
        return max(now_ms, in_force.effective_from_ms + 1) if in_force is not None else now_ms
    wanted_ms = milliseconds(entry.effective_from, "effective_from")
    if wanted_ms < now_ms:
        raise InvalidRequest(
            "'effective_from' has passed; leave it out for a price from now on.",
            param="effective_from",
        )
    return wanted_ms
