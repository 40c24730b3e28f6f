"""`/api/prices` and `/api/models/{model}/prices`: price lists, which only grow (console.md section 1)."""

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response

from application.console.catalog.prices import ManagePrices, NewPrice, NewPriceOf
from application.console.catalog.views import PriceView
from application.resources import Page
from entrypoints.console.answers import answer
from entrypoints.console.security import By


class PricePage(Page[PriceView], frozen=True):
    """Some prices in the order they were added; `next_cursor` is null on the last page."""


def price_routes(prices: ManagePrices) -> list[HTTPRouteHandler]:
    """Return the route handlers."""

    @get("/api/prices", operation_id="list_prices", tags=["prices"])
    async def list_prices(
        by: By,
        limit: FromQuery[int] = 50,
        cursor: FromQuery[str | None] = None,
        model: FromQuery[str | None] = None,
    ) -> Response[PricePage]:
        """List prices, past and future ones too; `model` (id or name) narrows the list."""
        page = await prices.page(by, model=model, limit=limit, cursor=cursor)
        return answer(PricePage(page.items, page.next_cursor, page.total))

    @post("/api/prices", operation_id="add_price", tags=["prices"])
    async def add_price(by: By, data: JSONBody[NewPriceOf]) -> Response[PriceView]:
        """Add a price of a model from an instant on; what was charged before stays as it was."""
        return answer(await prices.add(by, data.model, data), status=201)

    @get("/api/models/{model_id:str}/prices", operation_id="list_model_prices", tags=["prices"])
    async def list_model_prices(
        by: By,
        model_id: FromPath[str],
        limit: FromQuery[int] = 50,
        cursor: FromQuery[str | None] = None,
    ) -> Response[PricePage]:
        """List the prices of one model, past and future ones too."""
        page = await prices.page(by, model=model_id, limit=limit, cursor=cursor)
        return answer(PricePage(page.items, page.next_cursor, page.total))

    @post("/api/models/{model_id:str}/prices", operation_id="add_model_price", tags=["prices"])
    async def add_model_price(
        by: By,
        model_id: FromPath[str],
        data: JSONBody[NewPrice],
    ) -> Response[PriceView]:
        """Add a price of this model from an instant on; what was charged before stays as it was."""
        return answer(await prices.add(by, model_id, data), status=201)

    return [list_prices, add_price, list_model_prices, add_model_price]
