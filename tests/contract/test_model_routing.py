"""Models as repositories keep them: strategy, affinity, aliases, fallbacks, capabilities, caps."""

from msgspec.structs import replace

from domain.accounting.pricing import PriceList
from domain.routing.capabilities import Capabilities, Capability
from domain.routing.catalog import Affinity, Strategy
from tests.support.configuration import (
    Configuration,
    a_model,
    a_price,
    a_provider,
    a_route,
)


async def test_how_a_model_is_routed_comes_back_as_it_was_stored(stored: Configuration) -> None:
    provider = a_provider()
    spare = a_route(
        provider,
        weight=0,
        tier=2,
        capabilities=Capabilities(can=frozenset({Capability.IMAGES})),
        prices=PriceList.of([a_price(0, output="0.000000001"), a_price(5)]),
        rpm=1,
        tpm=2**53 - 1,
        max_in_flight=3,
    )
    model = a_model(
        "gpt-4o",
        spare,
        aliases=("a-new", "gpt-latest"),
        strategy=Strategy.COST,
        affinity=Affinity.PREFIX,
        fallbacks=("small", "other"),
        capabilities=Capabilities(
            cannot=frozenset({Capability.TOOLS, Capability.IMAGES}),
            context_window=128_000,
            max_output_tokens=4_096,
        ),
    )
    plain = replace(
        model,
        routes=(a_route(provider),),
        aliases=("gpt-latest", "third"),
        strategy=Strategy.LEAST_BUSY,
        affinity=Affinity.OFF,
        fallbacks=(),
        capabilities=Capabilities(),
    )
    async with stored.uow.begin() as tx:
        await tx.providers.add(provider)
        await tx.models.add(model)
        assert list(await tx.models.all()) == [model]
        await tx.models.update(plain)
        assert list(await tx.models.all()) == [plain]


async def test_an_alias_belongs_to_the_model_that_was_stored_with_it_last(
    stored: Configuration,
) -> None:
    old, new = a_model("old", aliases=("latest", "first")), a_model("new")
    moved = replace(new, aliases=("latest",))
    async with stored.uow.begin() as tx:
        await tx.models.add(old)
        await tx.models.add(new)
        await tx.models.update(moved)
        assert {model.name: model.aliases for model in await tx.models.all()} == {
            "old": ("first",),
            "new": ("latest",),
        }
        await tx.models.remove(new.id)
        await tx.models.update(old)
        assert [model.aliases for model in await tx.models.all()] == [("first", "latest")]
