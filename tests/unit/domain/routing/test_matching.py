"""Which routes are fit for a request, and the reason when one is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.inference.dialect import Dialect, Operation
from domain.routing.capabilities import Capabilities, Capability, RequestNeeds
from domain.routing.catalog import ProviderKind
from domain.routing.exclusion import ExclusionReason
from domain.routing.matching import mismatch
from domain.routing.serving import RELAYED, serves
from tests.support.routing import catalog, model, provider, route

OPENAI_KINDS = {ProviderKind.OPENAI, ProviderKind.AZURE_OPENAI, ProviderKind.OPENAI_COMPATIBLE}


def reason_for(
    needs: RequestNeeds,
    *,
    of_route: Capabilities | None = None,
    of_model: Capabilities | None = None,
    kind: ProviderKind = ProviderKind.OPENAI,
) -> tuple[ExclusionReason, str] | None:
    subject = route("r", capabilities=of_route)
    parent = model("m", subject, capabilities=of_model)
    found = mismatch(catalog(parent, providers=(provider("r", kind),)), parent, subject, needs)
    return None if found is None else (found.reason, found.detail)


@pytest.mark.parametrize("feature", Capability)
def test_a_declared_inability_keeps_a_request_away_only_when_it_needs_it(
    feature: Capability,
) -> None:
    unable = Capabilities(cannot=frozenset({feature}))
    asking = RequestNeeds(features=frozenset({feature}))
    missing = (ExclusionReason.CAPABILITY_MISSING, feature.value)
    assert reason_for(asking, of_route=unable) == missing
    assert reason_for(asking, of_model=unable) == missing
    others = RequestNeeds(features=frozenset(Capability) - {feature})
    assert reason_for(others, of_route=unable) is None
    assert reason_for(asking) is None, "what nobody declared is tried"


def test_a_routes_word_goes_before_its_models() -> None:
    asking = RequestNeeds(features=frozenset({Capability.IMAGES}), input_tokens=1_500)
    general = Capabilities(cannot=frozenset({Capability.IMAGES}), context_window=1_000)
    special = Capabilities(can=frozenset({Capability.IMAGES}), context_window=2_000)
    assert reason_for(asking, of_route=special, of_model=general) is None
    assert reason_for(asking, of_route=general, of_model=special) is not None


@given(window=st.integers(1, 10_000), prompt=st.integers(0, 10_000), answer=st.integers(0, 10_000))
def test_prompt_and_answer_must_fit_the_context_together(
    window: int, prompt: int, answer: int
) -> None:
    needs = RequestNeeds(input_tokens=prompt, output_tokens=answer)
    found = reason_for(needs, of_route=Capabilities(context_window=window))
    assert (found is None) == (prompt + answer <= window)
    if found is not None:
        assert found == (
            ExclusionReason.CONTEXT_TOO_SMALL,
            f"needs {prompt + answer} tokens, has {window}",
        )


def test_an_answer_longer_than_the_route_can_give() -> None:
    needs = RequestNeeds(output_tokens=5_000)
    found = reason_for(needs, of_route=Capabilities(max_output_tokens=4_096))
    assert found == (
        ExclusionReason.OUTPUT_TOO_SMALL,
        "asks for 5000 tokens, can give 4096",
    )


@pytest.mark.parametrize("kind", ProviderKind)
@pytest.mark.parametrize("dialect", Dialect)
def test_conversations_are_served_by_every_kind_in_every_dialect_that_has_them(
    kind: ProviderKind, dialect: Dialect
) -> None:
    assert serves(kind, Operation.CHAT, dialect) == (dialect is not Dialect.OPENAI)


@pytest.mark.parametrize("kind", ProviderKind)
@pytest.mark.parametrize("operation", sorted(RELAYED))
def test_other_operations_need_a_server_of_that_api(
    kind: ProviderKind, operation: Operation
) -> None:
    found = reason_for(RequestNeeds(operation=operation, dialect=Dialect.OPENAI), kind=kind)
    if kind in OPENAI_KINDS:
        assert found is None
    else:
        detail = f"{operation.value} of openai at {kind.value}"
        assert found == (ExclusionReason.OPERATION_NOT_SERVED, detail)


def test_tokens_are_counted_in_the_dialects_that_have_it() -> None:
    counting = {
        dialect
        for dialect in Dialect
        if serves(ProviderKind.BEDROCK, Operation.COUNT_TOKENS, dialect)
    }
    assert counting == {Dialect.ANTHROPIC_MESSAGES, Dialect.GEMINI_GENERATE}


def test_configuration_is_a_reason_as_well() -> None:
    off, lost, dark = route("off", enabled=False), route("lost"), route("dark")
    parent = model("m", off, lost, dark)
    full = catalog(parent, providers=(provider("dark", enabled=False),))
    providers = {name: spec for name, spec in full.providers.items() if name != "lost"}
    known = type(full)(models=full.models, providers=providers)
    needs = RequestNeeds()
    reasons = [mismatch(known, parent, each, needs) for each in (off, lost, dark)]
    assert [found.reason for found in reasons if found] == [
        ExclusionReason.ROUTE_DISABLED,
        ExclusionReason.PROVIDER_MISSING,
        ExclusionReason.PROVIDER_DISABLED,
    ]


def test_what_a_request_goes_on_from_only_its_provider_has() -> None:
    elsewhere = RequestNeeds(provider_ids=frozenset({"other"}))
    here = RequestNeeds(provider_ids=frozenset({"r"}))
    assert reason_for(elsewhere) == (ExclusionReason.OTHER_PROVIDER_HOLDS_STATE, "")
    assert reason_for(here) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"can": frozenset({Capability.TOOLS}), "cannot": frozenset({Capability.TOOLS})},
        {"context_window": 0},
        {"max_output_tokens": -1},
    ],
)
def test_capabilities_that_contradict_themselves_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"possible|at least 1"):
        Capabilities(**wrong)  # pyright: ignore[reportArgumentType]
