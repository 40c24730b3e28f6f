"""How wishes about thinking in other vendors' terms become Anthropic's, model by model."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.wire.anthropic_messages.models import rules_for
from adapters.wire.anthropic_messages.wire import AnthropicMessagesWire
from adapters.wire.codec import Encoded, WireTarget
from domain.inference.conversation import (
    Message,
    OpaqueState,
    Part,
    Role,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)
from domain.inference.dialect import Dialect, WireFormat
from domain.inference.request import (
    Effort,
    FunctionTool,
    InferenceRequest,
    Reasoning,
    Sampling,
    ToolChoice,
)

WIRE = AnthropicMessagesWire()
HI = Message(role=Role.USER, parts=(TextPart(text="Hi"),))
SONNET_45 = "claude-sonnet-4-5-20250929"
Json = dict[str, Any]


def encode(reasoning: Reasoning | None, model: str, *messages: Message, **members: Any) -> Encoded:
    request = InferenceRequest(
        source=Dialect.OPENAI_CHAT,
        model="m",
        messages=messages or (HI,),
        reasoning=reasoning,
        **members,
    )
    return WIRE.encode_request(request, WireTarget(model=model))


def wishes(encoded: Encoded) -> Json:
    body = json.loads(encoded.body)
    return {name: body[name] for name in ("thinking", "output_config") if name in body}


def budget(tokens: int, **members: str) -> Json:
    return {"thinking": {"type": "enabled", "budget_tokens": tokens, **members}}


def adaptive(effort: str | None = None, **members: str) -> Json:
    found: Json = {"thinking": {"type": "adaptive", **members}}
    return found | ({"output_config": {"effort": effort}} if effort else {})


EFFORT = {effort: Reasoning(effort=effort) for effort in Effort}
LITTLE = Reasoning(budget_tokens=2500)
OFF = Reasoning(enabled=False)
DISABLED: Json = {"thinking": {"type": "disabled"}}


@pytest.mark.parametrize(
    ("model", "reasoning", "written"),
    [
        (SONNET_45, EFFORT[Effort.MINIMAL], budget(1024)),
        (SONNET_45, EFFORT[Effort.LOW], budget(2048)),
        (SONNET_45, EFFORT[Effort.HIGH], budget(16_384)),
        (SONNET_45, LITTLE, budget(2500)),
        (SONNET_45, Reasoning(budget_tokens=5), budget(1024)),
        (SONNET_45, Reasoning(enabled=True), budget(8192)),
        (SONNET_45, Reasoning(adaptive=True), budget(8192)),
        (SONNET_45, Reasoning(effort=Effort.LOW, show=False), budget(2048, display="omitted")),
        (SONNET_45, Reasoning(effort=Effort.LOW, show=True), budget(2048)),
        (SONNET_45, Reasoning(summary="auto"), {}),
        (SONNET_45, None, {}),
        (SONNET_45, OFF, DISABLED),
        (SONNET_45, EFFORT[Effort.NONE], DISABLED),
        (SONNET_45, Reasoning(budget_tokens=0), DISABLED),
        ("claude-opus-4-6", EFFORT[Effort.HIGH], adaptive("high")),
        ("claude-opus-4-6", EFFORT[Effort.XHIGH], adaptive("high")),
        ("claude-opus-4-6", EFFORT[Effort.MAX], adaptive("max")),
        ("claude-opus-4-6", EFFORT[Effort.MINIMAL], adaptive("low")),
        ("claude-opus-4-6", LITTLE, budget(2500)),
        ("claude-opus-4-6", Reasoning(adaptive=True), adaptive()),
        ("claude-opus-4-7", LITTLE, adaptive("low")),
        ("claude-opus-4-7", Reasoning(budget_tokens=50_000), adaptive("xhigh")),
        ("claude-opus-4-7", EFFORT[Effort.XHIGH], adaptive("xhigh")),
        (
            "claude-opus-4-7",
            Reasoning(effort=Effort.LOW, summary="auto"),
            adaptive("low", display="summarized"),
        ),
        ("claude-opus-4-7", Reasoning(effort=Effort.LOW, show=False), adaptive("low")),
        ("claude-opus-4-7", OFF, DISABLED),
        ("claude-opus-5", None, {}),
        ("claude-opus-5", Reasoning(show=True), adaptive(display="summarized")),
        ("claude-opus-5", OFF, DISABLED),
        ("claude-sonnet-5-5", OFF, {"thinking": {"type": "between_tools"}}),
        ("glm-4.6", EFFORT[Effort.MEDIUM], budget(8192)),
        ("glm-4.6", OFF, DISABLED),
    ],
)
def test_a_wish_is_put_in_the_terms_of_the_model(
    model: str, reasoning: Reasoning | None, written: Json
) -> None:
    encoded = encode(reasoning, model)
    assert wishes(encoded) == written
    assert encoded.dropped == ()


def test_a_model_that_hides_its_thoughts_is_told_to_show_them_where_a_budget_means_shown() -> None:
    request = InferenceRequest(
        source=Dialect.BEDROCK_CONVERSE,
        model="m",
        messages=(HI,),
        reasoning=Reasoning(enabled=True, budget_tokens=2500),
    )
    encoded = WIRE.encode_request(request, WireTarget(model="claude-opus-4-7"))
    assert wishes(encoded) == adaptive("low", display="summarized")


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-fable-5", "claude-mythos-preview"])
def test_a_model_that_always_thinks_thinks_little_when_it_should_not(model: str) -> None:
    encoded = encode(OFF, model)
    assert wishes(encoded) == {"output_config": {"effort": "low"}}
    assert encoded.dropped == ("reasoning.enabled",)


@pytest.mark.parametrize(
    ("cap", "written", "dropped"),
    [
        (100_000, budget(16_384), ()),
        (16_384, budget(8192), ()),
        (2048, budget(1024), ()),
        (2000, DISABLED, ("reasoning.effort",)),
    ],
)
def test_a_budget_leaves_room_for_the_answer(
    cap: int, written: Json, dropped: tuple[str, ...]
) -> None:
    encoded = encode(EFFORT[Effort.HIGH], SONNET_45, max_output_tokens=cap)
    assert wishes(encoded) == written
    assert encoded.dropped == dropped
    assert json.loads(encoded.body)["max_tokens"] == cap


@settings(deadline=None)
@given(
    tokens=st.integers(1, 200_000),
    cap=st.none() | st.integers(1, 100_000),
    model=st.sampled_from([SONNET_45, "claude-opus-4-6", "glm-4.6"]),
)
def test_the_bound_is_always_larger_than_the_budget(
    tokens: int, cap: int | None, model: str
) -> None:
    encoded = encode(Reasoning(budget_tokens=tokens), model, max_output_tokens=cap)
    body = json.loads(encoded.body)
    assert cap is None or body["max_tokens"] == cap
    if body["thinking"]["type"] == "enabled":
        assert 1024 <= body["thinking"]["budget_tokens"] < body["max_tokens"]


FORCED = {"tools": (FunctionTool(name="now"),), "tool_choice": ToolChoice(mode="required")}


@pytest.mark.parametrize(
    ("model", "reasoning", "written", "dropped"),
    [
        (SONNET_45, EFFORT[Effort.LOW], DISABLED, ("reasoning.effort",)),
        (SONNET_45, None, {}, ()),
        ("claude-opus-4-6", EFFORT[Effort.LOW], DISABLED, ("reasoning.effort",)),
        ("claude-opus-5", None, DISABLED, ()),
        ("claude-opus-5", EFFORT[Effort.LOW], DISABLED, ("reasoning.effort",)),
        ("claude-fable-5", EFFORT[Effort.LOW], adaptive("low"), ()),
        ("claude-sonnet-5-5", None, {}, ()),
    ],
)
def test_a_tool_that_must_be_called_comes_before_thinking(
    model: str, reasoning: Reasoning | None, written: Json, dropped: tuple[str, ...]
) -> None:
    encoded = encode(reasoning, model, **FORCED)
    assert wishes(encoded) == written
    assert encoded.dropped == dropped
    assert json.loads(encoded.body)["tool_choice"] == {"type": "any"}


OWN = ThinkingPart(text="hm", state=OpaqueState(origin=WireFormat.ANTHROPIC_MESSAGES, data="EqQ"))


def loop(*before: Part, then: Message | None = None) -> tuple[Message, ...]:
    call = ToolCallPart(id="c", name="now", arguments="{}")
    result = ToolResultPart(call_id="c", content=(TextPart(text="12:00"),))
    messages = (
        HI,
        Message(role=Role.ASSISTANT, parts=(*before, call)),
        Message(role=Role.USER, parts=(result,)),
    )
    return (*messages, then) if then is not None else messages


ANSWERED = Message(role=Role.ASSISTANT, parts=(TextPart(text="Noon."),))


@pytest.mark.parametrize(
    ("model", "messages", "thinks"),
    [
        (SONNET_45, loop(OWN), True),
        (SONNET_45, loop(), False),
        (SONNET_45, loop(ThinkingPart(text="unsigned")), False),
        (SONNET_45, (*loop(then=ANSWERED), HI), True),
        (SONNET_45, (*loop(OWN), *loop()[1:]), True),
        (SONNET_45, (*loop(), *loop(OWN)[1:]), False),
        (SONNET_45, (HI, ANSWERED), False),
        ("claude-opus-4-6", loop(), True),
    ],
)
def test_a_running_turn_without_its_thoughts_goes_on_without_thinking(
    model: str, messages: tuple[Message, ...], thinks: bool
) -> None:
    tools = (FunctionTool(name="now"),)
    encoded = encode(EFFORT[Effort.LOW], model, *messages, tools=tools)
    kind = json.loads(encoded.body)["thinking"]["type"]
    assert (kind != "disabled") is thinks
    assert ("reasoning.effort" in encoded.dropped) is not thinks


@pytest.mark.parametrize(
    ("sampling", "written", "lost"),
    [
        (Sampling(temperature=0.5, top_k=5), {}, ["temperature", "top_k"]),
        (Sampling(temperature=1), {}, []),
        (Sampling(top_p=0.96), {"top_p": 0.96}, []),
        (Sampling(top_p=0.5), {}, ["top_p"]),
    ],
)
def test_thinking_comes_before_sampling(sampling: Sampling, written: Json, lost: list[str]) -> None:
    encoded = encode(EFFORT[Effort.LOW], SONNET_45, sampling=sampling)
    body = json.loads(encoded.body)
    found = {name: body[name] for name in ("temperature", "top_p", "top_k") if name in body}
    assert found == written
    assert encoded.dropped == tuple(f"sampling.{name}" for name in lost)


@pytest.mark.parametrize(
    ("name", "version", "family"),
    [
        ("claude-opus-4-6", (4, 6), "opus"),
        ("claude-opus-4-20250514", (4, 0), "opus"),
        ("claude-opus-4-1-20250805", (4, 1), "opus"),
        ("claude-sonnet-4-5@20250929", (4, 5), "sonnet"),
        ("claude-3-7-sonnet-20250219", (3, 7), "sonnet"),
        ("claude-3-7-sonnet-latest", (3, 7), "sonnet"),
        ("claude-3-opus-20240229", (3, 0), "opus"),
        ("claude-3.5-haiku", (3, 5), "haiku"),
        ("anthropic/claude-4.7-opus", (4, 7), "opus"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", (4, 5), "haiku"),
        ("anthropic.claude-v2:1", (2, 0), ""),
        ("Claude-Fable-5-1", (5, 1), "fable"),
        ("claude-mythos-preview", (5, 0), "mythos"),
        ("my-model", (0, 0), ""),
        ("", (0, 0), ""),
    ],
)
def test_the_name_of_a_model_tells_generation_and_family(
    name: str, version: tuple[int, int], family: str
) -> None:
    rules = rules_for(name)
    assert (rules.version, rules.family) == (version, family)
