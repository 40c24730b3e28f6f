"""Repository of models with their routes and prices."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Update, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from adapters.sql.catalog_columns import (
    capabilities_column,
    capabilities_of,
    prices_column,
    prices_of,
)
from adapters.sql.session import Session
from adapters.sql.tables import ModelAliasRow, ModelRow, PriceRow, RouteRow
from application.ports.change_feed import Section
from application.ports.repositories import Models
from domain.accounting.pricing import Price, PriceList
from domain.errors import NotFound
from domain.identifiers import ModelId, PriceId, ProviderId, RouteId
from domain.routing.catalog import Affinity, Model, Route, Strategy

_LIVE = ModelRow.deleted_at.is_(None)


async def read_models(session: Session) -> list[Model]:
    """Return all models with aliases, routes and prices, oldest first."""
    aliases: defaultdict[str, list[str]] = defaultdict(list)
    for row in await session.rows(select(ModelAliasRow)):
        aliases[row.model_id].append(row.name)
    routes: defaultdict[str, list[Route]] = defaultdict(list)
    for row in await session.rows(select(RouteRow).order_by(RouteRow.id)):
        routes[row.model_id].append(_route(row))
    prices: defaultdict[str, list[Price]] = defaultdict(list)
    for row in await session.rows(
        select(PriceRow).join(ModelRow, ModelRow.id == PriceRow.model_id).where(_LIVE)
    ):
        prices[row.model_id].append(_price(row))
    rows = await session.rows(
        select(ModelRow).where(_LIVE).order_by(ModelRow.created_at, ModelRow.id)
    )
    return [
        Model(
            id=ModelId(row.id),
            name=row.name,
            routes=tuple(routes[row.id]),
            prices=PriceList.of(prices[row.id]),
            input_multiplier=row.input_multiplier,
            output_multiplier=row.output_multiplier,
            max_output_tokens=row.max_output_tokens,
            created_at_ms=row.created_at,
            enabled=row.enabled,
            aliases=tuple(sorted(aliases[row.id])),
            strategy=Strategy(row.strategy),
            affinity=Affinity(row.affinity),
            fallbacks=tuple(row.fallbacks),
            capabilities=capabilities_of(row.capabilities),
        )
        for row in rows
    ]


def _route(row: RouteRow) -> Route:
    return Route(
        id=RouteId(row.id),
        provider_id=ProviderId(row.provider_id),
        upstream_model=row.upstream_model,
        tier=row.tier,
        weight=row.weight,
        enabled=row.enabled,
        capabilities=capabilities_of(row.capabilities),
        prices=prices_of(row.prices),
        rpm=row.rpm,
        tpm=row.tpm,
        max_in_flight=row.max_in_flight,
    )


def _price(row: PriceRow) -> Price:
    return Price(
        id=PriceId(row.id),
        effective_from_ms=row.effective_from,
        input=row.input,
        output=row.output,
        cache_read=row.cache_read,
        cache_write_5m=row.cache_write_5m,
        cache_write_1h=row.cache_write_1h,
        audio_in=row.audio_in,
        reasoning=row.reasoning,
        audio_out=row.audio_out,
    )


class SqlModels(Models):
    """Rows of `models`, `model_aliases`, `routes` and `prices`."""

    def __init__(self, session: Session) -> None:
        """Works inside the transaction of `session`."""
        self._session = session

    async def all(self) -> Sequence[Model]:
        """Return all models, oldest first."""
        return await read_models(self._session)

    async def add(self, model: Model) -> None:
        """Store a model, its routes and prices."""
        await self._session.change(
            insert(ModelRow).values(
                id=model.id,
                name=model.name,
                created_at=model.created_at_ms,
                **_model_columns(model),
            ),
            Section.CATALOG,
        )
        await self._take_aliases(model)
        for route in model.routes:
            await self._add_route(model.id, route)
        for price in model.prices.rows:
            await self.add_price(model.id, price)

    async def update(self, model: Model) -> None:
        """Replace everything but id, name and prices; routes keep their identity by id."""
        await self._one(
            update(ModelRow).where(ModelRow.id == model.id, _LIVE).values(**_model_columns(model))
        )
        await self._session.change(
            delete(ModelAliasRow).where(
                ModelAliasRow.model_id == model.id, ModelAliasRow.name.not_in(model.aliases)
            )
        )
        await self._take_aliases(model)
        kept = [route.id for route in model.routes]
        await self._session.change(
            delete(RouteRow).where(RouteRow.model_id == model.id, RouteRow.id.not_in(kept))
        )
        for route in model.routes:
            hit = await self._session.change(
                update(RouteRow)
                .where(RouteRow.id == route.id, RouteRow.model_id == model.id)
                .values(**_route_columns(route))
            )
            if hit == 0:
                await self._add_route(model.id, route)

    async def add_price(self, model_id: ModelId, price: Price) -> None:
        """Add a price row."""
        await self._session.change(
            insert(PriceRow).values(
                id=price.id,
                model_id=model_id,
                effective_from=price.effective_from_ms,
                input=price.input,
                output=price.output,
                cache_read=price.cache_read,
                cache_write_5m=price.cache_write_5m,
                cache_write_1h=price.cache_write_1h,
                audio_in=price.audio_in,
                reasoning=price.reasoning,
                audio_out=price.audio_out,
            ),
            Section.CATALOG,
        )

    async def remove(self, model_id: ModelId) -> None:
        """Mark the model as deleted, drop its aliases and routes; prices stay as history."""
        await self._one(
            update(ModelRow).where(ModelRow.id == model_id, _LIVE).values(deleted_at=func.now())
        )
        await self._session.change(delete(ModelAliasRow).where(ModelAliasRow.model_id == model_id))
        await self._session.change(delete(RouteRow).where(RouteRow.model_id == model_id))

    async def _take_aliases(self, model: Model) -> None:
        for name in model.aliases:
            await self._session.change(
                insert(ModelAliasRow)
                .values(name=name, model_id=model.id)
                .on_conflict_do_update(
                    index_elements=[ModelAliasRow.name], set_={"model_id": model.id}
                )
            )

    async def _add_route(self, model_id: ModelId, route: Route) -> None:
        await self._session.change(
            insert(RouteRow).values(id=route.id, model_id=model_id, **_route_columns(route))
        )

    async def _one(self, statement: Update) -> None:
        if await self._session.change(statement, Section.CATALOG) == 0:
            raise NotFound("There is no such model.")


def _model_columns(model: Model) -> dict[str, object]:
    return {
        "input_multiplier": model.input_multiplier,
        "output_multiplier": model.output_multiplier,
        "max_output_tokens": model.max_output_tokens,
        "enabled": model.enabled,
        "strategy": model.strategy.value,
        "affinity": model.affinity.value,
        "fallbacks": list(model.fallbacks),
        "capabilities": capabilities_column(model.capabilities),
    }


def _route_columns(route: Route) -> dict[str, object]:
    return {
        "provider_id": route.provider_id,
        "upstream_model": route.upstream_model,
        "tier": route.tier,
        "weight": route.weight,
        "enabled": route.enabled,
        "capabilities": capabilities_column(route.capabilities),
        "prices": prices_column(route.prices),
        "rpm": route.rpm,
        "tpm": route.tpm,
        "max_in_flight": route.max_in_flight,
    }
