"""ConfigurationSource: whole sections, as they were committed."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from application.ports.change_feed import Section
from application.ports.configuration import ConfigurationSource
from domain.accounting.pricing import PriceList
from domain.routing.catalog import Catalog, Strategy
from domain.settings.catalog import Settings
from tests.support.configuration import (
    NOW_MS,
    Configuration,
    a_model,
    a_price,
    a_provider,
    a_route,
)


@pytest.fixture
def source(stored: Configuration) -> ConfigurationSource:
    return stored.source


async def test_an_empty_store_has_defaults_only(source: ConfigurationSource) -> None:
    assert await source.revisions() == dict.fromkeys(Section, 0)
    assert await source.catalog() == Catalog(models={}, providers={})
    assert await source.settings() == Settings({})


async def test_the_catalog_is_what_was_stored(
    stored: Configuration, source: ConfigurationSource
) -> None:
    provider, other = a_provider(), a_provider("other", enabled=False)
    first, second = a_price(NOW_MS), a_price(NOW_MS + 5, output="11.123456789")
    model = a_model(
        "gpt-4o",
        a_route(provider),
        a_route(other),
        input_multiplier=Decimal("0.000001"),
        prices=PriceList.of([second, first]),
        aliases=("gpt-latest",),
        strategy=Strategy.LATENCY,
    )
    async with stored.uow.begin() as tx:
        await tx.providers.add(provider)
        await tx.providers.add(other)
        await tx.models.add(model)
        await tx.commit()
    assert await source.catalog() == Catalog(
        models={"gpt-4o": model},
        providers={provider.id: provider, other.id: other},
        aliases={"gpt-latest": "gpt-4o"},
    )


async def test_what_was_removed_is_not_in_the_catalog(
    stored: Configuration, source: ConfigurationSource
) -> None:
    provider = a_provider()
    model = a_model(
        "gpt-4o", a_route(provider), prices=PriceList.of([a_price()]), aliases=("gone",)
    )
    async with stored.uow.begin() as tx:
        await tx.providers.add(provider)
        await tx.models.add(model)
        await tx.models.remove(model.id)
        await tx.providers.remove(provider.id)
        await tx.commit()
    assert await source.catalog() == Catalog(models={}, providers={})


async def test_an_update_is_seen_with_its_new_revision(
    stored: Configuration, source: ConfigurationSource
) -> None:
    provider = a_provider()
    async with stored.uow.begin() as tx:
        await tx.providers.add(provider)
        await tx.commit()
    async with stored.uow.begin() as tx:
        await tx.providers.update(replace(provider, enabled=False))
        await tx.commit()
    assert (await source.catalog()).providers[provider.id] == replace(
        provider, enabled=False, revision=2
    )
    assert (await source.revisions())[Section.CATALOG] == 2


async def test_settings_are_stored_values_over_defaults(
    stored: Configuration, source: ConfigurationSource
) -> None:
    async with stored.uow.begin() as tx:
        await tx.settings.put("gateway.max_json_depth", 32)
        await tx.commit()
    settings = await source.settings()
    assert settings.integer("gateway.max_json_depth") == 32
    assert settings.integer("gateway.max_body_bytes") == 32 * 1024 * 1024
