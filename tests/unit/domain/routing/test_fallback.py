"""Aliases and fallback chains: what is found, and that circles end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ModelNotFound
from domain.routing.catalog import MOST_ALIAS_HOPS, Catalog, ProviderKind
from domain.routing.fallback import MOST_MODELS, catalog_faults, fallback_chain
from domain.routing.prefixes import model_by_prefix
from tests.support.routing import catalog, model, provider, route

NAMES = "abcdefghijkl"
graphs = st.dictionaries(
    st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=5), min_size=1
)


def built(graph: dict[str, list[str]]) -> Catalog:
    return catalog(*(model(name, fallbacks=tuple(to)) for name, to in graph.items()))


def chain(known: Catalog, name: str) -> list[str]:
    models, _ = fallback_chain(known, known.models[name])
    return [each.name for each in models]


def test_an_alias_leads_to_its_model_also_over_others() -> None:
    known = catalog(model("gpt"), aliases={"fast": "quick", "quick": "gpt", "gpt": "other"})
    assert known.model("fast").name == "gpt"
    assert known.model("gpt").name == "gpt", "a model's own name goes first"


@pytest.mark.parametrize("name", ["unknown", "lost", "circle", "off", "to-off"])
def test_what_leads_nowhere_is_not_found_under_the_name_it_was_asked_by(name: str) -> None:
    aliases = {"lost": "gone", "circle": "round", "round": "circle", "to-off": "off"}
    known = catalog(model("off", enabled=False), aliases=aliases)
    with pytest.raises(ModelNotFound) as caught:
        known.model(name)
    assert caught.value.model == name


def test_aliases_lead_through_a_bounded_number_of_names() -> None:
    aliases = {str(hop): str(hop + 1) for hop in range(20)}
    known = catalog(model("20"), aliases=aliases)
    assert known.model(str(20 - MOST_ALIAS_HOPS)).name == "20"
    with pytest.raises(ModelNotFound):
        known.model(str(19 - MOST_ALIAS_HOPS))


@given(graphs)
def test_every_model_comes_once_the_asked_one_first_and_few(graph: dict[str, list[str]]) -> None:
    known = built(graph)
    for name in graph:
        found = chain(known, name)
        assert found[0] == name
        assert len(set(found)) == len(found) <= MOST_MODELS
        for place, each in enumerate(found[1:], 1):
            assert any(each in graph[earlier] for earlier in found[:place])


@given(graphs)
def test_nothing_reachable_is_missing_while_there_is_room(graph: dict[str, list[str]]) -> None:
    known = built(graph)
    for name in graph:
        found = chain(known, name)
        if len(found) == MOST_MODELS:
            continue
        for each in found:
            assert {to for to in graph[each] if to in graph} <= set(found)


def test_the_operators_own_list_goes_before_the_fallbacks_of_its_members() -> None:
    known = built({"a": ["b", "c"], "b": ["d"], "c": [], "d": ["a"]})
    assert chain(known, "a") == ["a", "b", "c", "d"]


def test_fallbacks_may_be_named_by_alias_and_disabled_ones_are_passed_over() -> None:
    known = catalog(
        model("a", fallbacks=("other", "off", "b")),
        model("b"),
        model("off", enabled=False, fallbacks=("c",)),
        model("c"),
        aliases={"other": "b"},
    )
    assert chain(known, "a") == ["a", "b"]


def test_a_model_the_caller_may_not_use_is_not_entered_by_the_back_door() -> None:
    known = built({"a": ["secret", "c"], "secret": ["d"], "c": [], "d": []})
    models, denied = fallback_chain(known, known.models["a"], lambda name: name != "secret")
    assert [each.name for each in models] == ["a", "c"]
    assert [each.name for each in denied] == ["secret"]


def test_an_operator_is_told_what_is_wrong() -> None:
    known = catalog(
        model("a", fallbacks=("b", "nobody", "b")),
        model("b", fallbacks=("via", "off")),
        model("off", enabled=False),
        aliases={"a": "b", "via": "a", "round": "trip", "trip": "round", "lost": "gone"},
    )
    assert catalog_faults(known) == (
        "alias 'a': a model has this name",
        "alias 'lost': there is no model 'gone'",
        "alias 'round': leads in a circle: round -> trip -> round",
        "alias 'trip': leads in a circle: trip -> round -> trip",
        "model 'a': there is no fallback 'nobody'",
        "model 'a': a fallback is named twice",
        "model 'a': falls back to itself: a -> b -> a",
        "model 'b': falls back to itself: b -> a -> b",
    )


def test_a_model_that_falls_back_to_itself_directly_is_a_circle() -> None:
    assert catalog_faults(built({"a": ["a"]})) == ("model 'a': falls back to itself: a -> a",)


def test_an_alias_through_too_many_names_is_a_fault() -> None:
    aliases = {f"n{hop:02}": f"n{hop + 1:02}" for hop in range(MOST_ALIAS_HOPS + 1)}
    last = f"n{MOST_ALIAS_HOPS + 1:02}"
    assert catalog_faults(catalog(model(last), aliases=aliases)) == (
        f"alias 'n00': leads through more than {MOST_ALIAS_HOPS} names",
    )


@given(graphs)
def test_a_catalogue_without_circles_has_no_circle_to_report(graph: dict[str, list[str]]) -> None:
    forward = {name: [to for to in targets if to > name] for name, targets in graph.items()}
    assert not [fault for fault in catalog_faults(built(forward)) if "itself" in fault]


def test_a_prefix_makes_a_model_of_all_enabled_providers_of_that_vendor() -> None:
    known = catalog(
        providers=(
            provider("east"),
            provider("west"),
            provider("dark", enabled=False),
            provider("local", ProviderKind.OPENAI_COMPATIBLE),
            provider("claude", ProviderKind.ANTHROPIC),
        )
    )
    found = model_by_prefix(known, "gpt-5")
    assert found is not None
    assert found.guessed
    assert [(each.provider_id, each.upstream_model) for each in found.routes] == [
        ("east", "gpt-5"),
        ("west", "gpt-5"),
    ]
    other = model_by_prefix(known, "gpt-4o")
    assert other is not None
    assert (other.id, [each.id for each in other.routes]) == (
        found.id,
        [each.id for each in found.routes],
    ), "made-up names must not make ids"


@pytest.mark.parametrize("name", ["gemini-pro", "mistral", "gpt- 5", "gpt-\n", "GPT-5", ""])
def test_other_names_make_no_model(name: str) -> None:
    assert model_by_prefix(catalog(model("m", route("r"))), name) is None


@pytest.mark.parametrize(
    "name", ["gpt-4/../gpt-5", "gpt-4?x", "gpt-4#", "gpt-4%2e", "gpt-" + "x" * 125]
)
def test_a_made_up_name_cannot_lead_elsewhere_in_a_url(name: str) -> None:
    known = catalog(model("m", route("r")), providers=(provider("east", ProviderKind.OPENAI),))
    assert model_by_prefix(known, "gpt-4") is not None
    assert model_by_prefix(known, name) is None
