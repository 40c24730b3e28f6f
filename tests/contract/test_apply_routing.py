"""How models are routed, in documents: applied, exported, and refused with the place of the fault."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from application.console.configuration.interpolation import interpolate
from domain.errors import ValidationFailed
from domain.routing.capabilities import Capabilities, Capability
from domain.routing.catalog import Affinity, Route, Strategy
from entrypoints.cli.documents import load_document
from tests.support.acting import OPERATOR
from tests.support.administration import Administration, FixedLookup, administration, plan
from tests.support.configuration import Configuration
from tests.support.source_tree import ROOT

PROVIDERS = [
    {"name": "one", "kind": "openai_compatible", "base_url": "http://127.0.0.1:8000/v1"},
    {"name": "two", "kind": "openai_compatible", "base_url": "http://127.0.0.1:8001/v1"},
]
BIG: dict[str, Any] = {
    "name": "big",
    "aliases": ["latest", "best"],
    "strategy": "cost",
    "affinity": "prefix",
    "fallbacks": ["cheap"],
    "capabilities": {"cannot": ["audio"], "context_window": 200_000},
    "routes": [
        {
            "provider": "one",
            "rpm": 600,
            "tpm": 1_000_000,
            "max_in_flight": 8,
            "price": {"input": 2.5, "output": 10, "cache_read": 0.25},
            "capabilities": {"can": ["audio"], "max_output_tokens": 4096},
        },
        {"provider": "two", "tier": 1, "weight": 0},
    ],
}
SMALL: dict[str, Any] = {"name": "small", "aliases": ["cheap"], "routes": [{"provider": "two"}]}


@pytest.fixture
def office(stored: Configuration) -> Administration:
    return administration(stored)


async def faults_of(office: Administration, *models: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationFailed) as refused:
        await office.apply(providers=PROVIDERS, models=list(models))
    return list(refused.value.faults)


def a_model(name: str = "m", **members: Any) -> dict[str, Any]:
    return {"name": name, "routes": [{"provider": "one"}], **members}


def with_route(**members: Any) -> dict[str, Any]:
    return {"name": "m", "routes": [{"provider": "one", **members}]}


async def test_what_a_document_says_of_routing_is_what_the_gateway_reads(
    office: Administration,
) -> None:
    await office.apply(providers=PROVIDERS, models=[BIG, SMALL])
    catalog = await office.stored.source.catalog()
    big = catalog.model("latest")
    assert big is catalog.model("best")
    assert (big.name, big.strategy, big.affinity) == ("big", Strategy.COST, Affinity.PREFIX)
    assert big.fallbacks == ("cheap",)
    assert big.capabilities == Capabilities(
        cannot=frozenset({Capability.AUDIO}), context_window=200_000
    )
    first, spare = sorted(big.routes, key=lambda route: route.tier)
    assert (first.rpm, first.tpm, first.max_in_flight) == (600, 1_000_000, 8)
    assert first.capabilities == Capabilities(
        can=frozenset({Capability.AUDIO}), max_output_tokens=4096
    )
    price = first.prices.at(0)
    assert price is not None
    assert (price.input, price.output, price.cache_read) == (
        Decimal("2.5"),
        Decimal(10),
        Decimal("0.25"),
    )
    assert (spare.weight, spare.rpm, spare.prices.rows) == (0, None, ())


async def test_applying_it_again_changes_nothing(office: Administration) -> None:
    await office.apply(providers=PROVIDERS, models=[BIG, SMALL])
    before = await office.stored.source.revisions()
    assert plan(await office.apply(providers=PROVIDERS, models=[BIG, SMALL])) == []
    assert await office.stored.source.revisions() == before


async def test_an_export_is_the_document_that_was_applied(office: Administration) -> None:
    await office.apply(providers=PROVIDERS, models=[BIG, SMALL])
    document = await office.export.export()
    tree = interpolate(document, FixedLookup({}, {}))
    again = await office.configuration.apply(OPERATOR, tree)
    assert plan(again) == []
    models: Any = document["models"]
    exported = {model["name"]: model for model in models}
    assert exported["big"] == {**BIG, "aliases": ["best", "latest"]}
    assert exported["small"] == SMALL


async def test_what_is_left_out_goes_back_to_its_default(office: Administration) -> None:
    await office.apply(providers=PROVIDERS, models=[BIG, SMALL])
    before = (await office.stored.source.catalog()).models["big"].routes
    plain = {"name": "big", "routes": [{"provider": "one"}, {"provider": "two"}]}
    applied = await office.apply(providers=PROVIDERS, models=[plain])
    (step,) = [step for step in applied.steps if step.name == "big"]
    assert {change.field: change.after for change in step.changes} == {
        "aliases": "[]",
        "strategy": "weighted",
        "affinity": "session",
        "fallbacks": "[]",
        "capabilities": "-",
        "routes": "[one/big tier 0 weight 100, two/big tier 0 weight 100]",
    }
    (routes,) = [change.before for change in step.changes if change.field == "routes"]
    assert routes == (
        "[one/big tier 0 weight 100 rpm 600 tpm 1000000 max_in_flight 8"
        " can audio, max_output_tokens 4096 price input 2.5 output 10 cache_read 0.25,"
        " two/big tier 1 weight 0]"
    )
    after = (await office.stored.source.catalog()).models["big"].routes
    assert [route.id for route in after] == [route.id for route in before]
    assert after[0] == Route(
        id=before[0].id, provider_id=before[0].provider_id, upstream_model="big"
    )


async def test_an_alias_moves_from_one_model_to_another(office: Administration) -> None:
    await office.apply(providers=PROVIDERS, models=[BIG, SMALL])
    moved = {**BIG, "aliases": ["latest", "best", "cheap"], "fallbacks": ["small"]}
    there: list[dict[str, Any]] = [moved, {**SMALL, "aliases": []}]
    for models in (there, [SMALL, BIG]):
        await office.apply(providers=PROVIDERS, models=models)
        assert plan(await office.apply(providers=PROVIDERS, models=models)) == []


async def test_a_taken_alias_of_a_stored_model_is_refused(office: Administration) -> None:
    await office.apply(providers=PROVIDERS, models=[BIG, SMALL])
    assert await faults_of(office, a_model(aliases=["fine", "cheap"])) == [
        "models[0].aliases[1]: 'cheap' is an alias of 'small' too"
    ]


@pytest.mark.parametrize(
    ("models", "fault"),
    [
        ([a_model(strategy="random")], "models[0].strategy: 'random' is not available; known are"),
        ([a_model(affinity=True)], "models[0].affinity: expected one of off, session, prefix"),
        ([a_model(aliases="x")], "models[0].aliases: expected a list, got text"),
        ([a_model(aliases=["a b"])], "models[0].aliases[0]: must be 1 to 200 characters"),
        ([a_model(aliases=["x", "x"])], "models[0].aliases[1]: 'x' is there twice"),
        (
            [a_model("m", aliases=["x"]), a_model("n", aliases=["x"])],
            "models[1].aliases[0]: 'x' is an alias of 'm' too",
        ),
        ([a_model(aliases=["m"])], "models: alias 'm': a model has this name"),
        (
            [a_model(aliases=[f"a{number}" for number in range(101)])],
            "models[0].aliases: can have at most 100 members",
        ),
        ([a_model(fallbacks=["nowhere"])], "models: model 'm': there is no fallback 'nowhere'"),
        (
            [a_model(fallbacks=["n"]), a_model("n", fallbacks=["x"], aliases=["y"], routes=[])],
            "models: model 'n': there is no fallback 'x'",
        ),
        (
            [a_model(fallbacks=["n"]), a_model("n", fallbacks=["x"]), a_model("o", aliases=["x"])],
            "",
        ),
        (
            [a_model(fallbacks=["n"], aliases=["x"]), a_model("n", fallbacks=["x"])],
            "models: model 'm': falls back to itself: m -> n -> m",
        ),
        ([a_model(fallbacks=["m"])], "models: model 'm': falls back to itself: m -> m"),
        (
            [a_model(fallbacks=["n", "n"]), a_model("n")],
            "models: model 'm': a fallback is named twice",
        ),
        (
            [a_model(fallbacks=[f"n{number}" for number in range(8)])],
            "models[0].fallbacks: can have at most 7 members",
        ),
        (
            [a_model(capabilities={"can": ["tools"], "cannot": ["images", "tools"]})],
            "models[0].capabilities: 'tools' is in 'can' and in 'cannot'",
        ),
        (
            [a_model(capabilities={"cannot": ["telepathy"]})],
            "models[0].capabilities.cannot[0]: 'telepathy' is not available; known are images,",
        ),
        (
            [a_model(capabilities={"context_window": 0})],
            "models[0].capabilities.context_window: must be between 1 and 1,000,000,000",
        ),
        ([a_model(capabilities=[])], "models[0].capabilities: expected a mapping, got a list"),
        (
            [a_model(capabilities={"vision": True})],
            "models[0].capabilities.vision: there is no such member; known are can, cannot,",
        ),
        (
            [with_route(capabilities={"max_output_tokens": -1})],
            "models[0].routes[0].capabilities.max_output_tokens: must be between",
        ),
        ([with_route(weight=-1)], "models[0].routes[0].weight: must be between 0 and"),
        ([with_route(rpm=0)], "models[0].routes[0].rpm: must be between 1 and"),
        ([with_route(tpm=2**53)], "models[0].routes[0].tpm: must be between 1 and"),
        ([with_route(max_in_flight="8")], "models[0].routes[0].max_in_flight: expected int"),
        ([with_route(rpm=True)], "models[0].routes[0].rpm: expected int"),
        (
            [with_route(price={"input": -1, "output": 1})],
            "models[0].routes[0].price.input: must be a number from 0 to below 1,000,000",
        ),
        (
            [with_route(price={"input": "1e9999999", "output": "sNaN"})],
            "models[0].routes[0].price.input: must be a number from 0 to below 1,000,000",
        ),
        (
            [with_route(price={"input": "1e-9999999", "output": 1})],
            "models[0].routes[0].price.input: can have at most 9 decimal places",
        ),
        (
            [a_model(aliases=["a\ud800"])],
            "models[0].aliases[0]: must be 1 to 200 characters without white space",
        ),
        (
            [with_route(price={"input": 1})],
            "models[0].routes[0].price.output: is required",
        ),
    ],
)
async def test_a_fault_is_named_with_its_place(
    office: Administration, models: list[dict[str, Any]], fault: str
) -> None:
    if not fault:
        assert (await office.apply(providers=PROVIDERS, models=models)).applied
        return
    faults = await faults_of(office, *models)
    assert any(found.startswith(fault) for found in faults), faults
    assert (await office.stored.source.catalog()).models == {}


async def test_what_follows_from_another_fault_is_not_told(office: Administration) -> None:
    unreadable = {"name": "n", "routes": 5}
    faults = await faults_of(office, a_model(fallbacks=["n"]), unreadable)
    assert faults == ["models[1].routes: expected a list, got a whole number"]


async def test_what_pruning_takes_away_is_no_fallback(office: Administration) -> None:
    await office.apply(providers=PROVIDERS, models=[SMALL])
    with pytest.raises(ValidationFailed, match="cheap"):
        await office.apply(_prune=True, providers=PROVIDERS, models=[a_model(fallbacks=["cheap"])])
    assert (await office.apply(providers=PROVIDERS, models=[a_model(fallbacks=["cheap"])])).applied


async def test_the_example_of_the_documentation_applies(
    office: Administration, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "routing.md").read_text(encoding="utf-8")
    example = page.split("```yaml\n", 1)[1].split("```", 1)[0]
    document = tmp_path / "example.yaml"
    document.write_text(example)
    tree = load_document(document, {"OPENAI_API_KEY": "sk-x", "AZURE_KEY": "key-x"})
    assert (await office.configuration.apply(OPERATOR, tree)).applied
    assert plan(await office.configuration.apply(OPERATOR, tree)) == []
    catalog = await office.stored.source.catalog()
    assert catalog.model("default").name == "gpt-4o"
