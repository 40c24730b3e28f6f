"""What becomes of wishes that models do not all share: tools, sampling, shapes, thinking."""

import json
from typing import Any

import pytest

from domain.inference.conversation import (
    ImagePart,
    Media,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from domain.inference.request import (
    CustomTool,
    Effort,
    FunctionTool,
    Reasoning,
    ResponseFormat,
    Sampling,
    ToolChoice,
)
from tests.unit.wire.bedrock_converse.asking import (
    ASK,
    CLAUDE,
    GPT,
    HELLO,
    LLAMA,
    LOOK,
    MODELS,
    NEWER_CLAUDE,
    NOVA,
    OLD_CLAUDE,
    OPAQUE,
    SCHEMA,
    asked,
    body,
    sent,
    turn,
)

# Tools


def test_tools_are_specifications() -> None:
    tool = FunctionTool(name="look", description="Looks.", parameters=SCHEMA, strict=True)
    bare = FunctionTool(name="bare", description="")
    assert body(asked(tools=(tool, bare)))["toolConfig"] == {
        "tools": [
            {
                "toolSpec": {
                    "name": "look",
                    "description": "Looks.",
                    "inputSchema": {"json": SCHEMA},
                    "strict": True,
                }
            },
            {
                "toolSpec": {
                    "name": "bare",
                    "inputSchema": {"json": {"type": "object", "properties": {}}},
                }
            },
        ]
    }


def test_strictness_is_named_where_a_model_has_none() -> None:
    tool = FunctionTool(name="look", parameters=SCHEMA, strict=True)
    found, dropped = sent(asked(tools=(tool,)), OLD_CLAUDE)
    assert "strict" not in found["toolConfig"]["tools"][0]["toolSpec"]
    assert dropped == ("tools.strict",)


def test_a_custom_tool_is_a_function_of_one_text() -> None:
    call = ToolCallPart(id="a", name="sql", arguments="select 1", custom=True)
    request = asked(
        messages=(
            HELLO,
            turn(Role.ASSISTANT, call),
            turn(
                Role.USER,
                ToolResultPart(call_id="a", content=(TextPart(text="1"),), custom=True),
            ),
        ),
        tools=(CustomTool(name="sql"),),
    )
    found = body(request)
    assert found["messages"][1]["content"][0]["toolUse"]["input"] == {"input": "select 1"}
    spec = found["toolConfig"]["tools"][0]["toolSpec"]
    assert list(spec["inputSchema"]["json"]["properties"]) == ["input"]


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (ToolChoice(mode="auto"), {"auto": {}}),
        (ToolChoice(mode="required"), {"any": {}}),
        (ToolChoice(mode="named", name="ask"), {"tool": {"name": "ask"}}),
    ],
)
def test_a_choice_is_written(choice: ToolChoice, written: dict[str, Any]) -> None:
    request = asked(tools=(LOOK, ASK), tool_choice=choice)
    for model in MODELS:
        assert body(request, model)["toolConfig"]["toolChoice"] == written


def test_a_choice_among_some_tools_offers_only_those() -> None:
    def config(mode: Any, *names: str) -> dict[str, Any]:
        choice = ToolChoice(mode=mode, allowed=names)
        return body(asked(tools=(LOOK, ASK), tool_choice=choice))["toolConfig"]

    assert [tool["toolSpec"]["name"] for tool in config("auto", "ask")["tools"]] == ["ask"]
    assert config("required", "ask")["toolChoice"] == {"tool": {"name": "ask"}}
    assert config("required", "ask", "look")["toolChoice"] == {"any": {}}


CALLED = (
    HELLO,
    turn(Role.ASSISTANT, ToolCallPart(id="a", name="look", arguments="{}")),
    turn(Role.USER, ToolResultPart(call_id="a", content=(TextPart(text="1"),))),
)
NONE = ToolChoice(mode="none")


def test_no_tool_may_be_called_where_none_is_offered() -> None:
    for model in MODELS:
        assert "toolConfig" not in body(asked(tools=(LOOK,), tool_choice=NONE), model)


def test_with_calls_in_the_conversation_claude_is_told_not_to_call() -> None:
    request = asked(messages=CALLED, tools=(LOOK,), tool_choice=NONE)
    found = body(request)
    assert found["toolConfig"] == {
        "tools": [{"toolSpec": {"name": "look", "inputSchema": {"json": SCHEMA}}}]
    }
    assert found["additionalModelRequestFields"] == {"tool_choice": {"type": "none"}}
    assert sent(request, LLAMA)[1] == ("tool_choice.none",)


def test_tools_that_were_called_are_offered_where_bedrock_demands_tools() -> None:
    found, dropped = sent(asked(messages=CALLED))
    assert [tool["toolSpec"]["name"] for tool in found["toolConfig"]["tools"]] == ["look"]
    assert found["additionalModelRequestFields"] == {"tool_choice": {"type": "none"}}
    assert dropped == ()
    assert sent(asked(messages=CALLED), LLAMA)[1] == ()


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (None, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice(mode="required"), {"type": "any", "disable_parallel_tool_use": True}),
        (
            ToolChoice(mode="named", name="ask"),
            {"type": "tool", "name": "ask", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_serial_calls_are_claudes_own_member_alone(
    choice: ToolChoice | None, written: dict[str, Any]
) -> None:
    request = asked(tools=(LOOK, ASK), tool_choice=choice, parallel_tool_calls=False)
    found = body(request)
    assert found["additionalModelRequestFields"] == {"tool_choice": written}
    assert "toolChoice" not in found["toolConfig"]
    assert sent(request, NOVA)[1] == ("parallel_tool_calls",)


def test_parallel_calls_are_what_everybody_does_anyway() -> None:
    request = asked(tools=(LOOK,), parallel_tool_calls=True)
    assert sent(request, LLAMA)[1] == ()


# Parameters


def test_sampling_and_stops_are_written() -> None:
    request = asked(
        sampling=Sampling(temperature=0.5, top_k=5, seed=1), stop=("END", " "), verbosity="low"
    )
    found, dropped = sent(request)
    assert found["inferenceConfig"] == {"temperature": 0.5, "stopSequences": ["END"]}
    assert found["additionalModelRequestFields"] == {"top_k": 5}
    assert found["additionalModelResponseFieldPaths"] == ["/stop_sequence"]
    assert set(dropped) == {"sampling.seed", "verbosity", "stop"}


@pytest.mark.parametrize(
    ("model", "sampling", "config", "dropped"),
    [
        (LLAMA, Sampling(temperature=0.5, top_p=0.5), {"temperature": 0.5, "topP": 0.5}, ()),
        (LLAMA, Sampling(temperature=1.5), {"temperature": 1.0}, ("sampling.temperature",)),
        (CLAUDE, Sampling(temperature=0.5, top_p=0.5), {"temperature": 0.5}, ("sampling.top_p",)),
        (CLAUDE, Sampling(temperature=0.5, top_p=1), {"temperature": 0.5}, ()),
        (NEWER_CLAUDE, Sampling(temperature=0.5), None, ("sampling.temperature",)),
        (NEWER_CLAUDE, Sampling(temperature=1), None, ()),
        (NEWER_CLAUDE, Sampling(top_k=4), None, ("sampling.top_k",)),
        (LLAMA, Sampling(top_k=4), None, ("sampling.top_k",)),
    ],
)
def test_sampling_follows_the_model(
    model: str, sampling: Sampling, config: dict[str, Any] | None, dropped: tuple[str, ...]
) -> None:
    found, lost = sent(asked(sampling=sampling), model)
    assert found.get("inferenceConfig") == config
    assert lost == dropped


def test_nova_has_its_own_place_for_top_k() -> None:
    found = body(asked(sampling=Sampling(top_k=4)), NOVA)
    assert found["additionalModelRequestFields"] == {"inferenceConfig": {"topK": 4}}


def test_tags_that_fit_are_sent_and_others_named() -> None:
    found, dropped = sent(asked(metadata={"team": "a b", "bad": "ü", "": "x"}))
    assert found["requestMetadata"] == {"team": "a b"}
    assert dropped == ("metadata",)
    many = {f"tag{number}": "x" for number in range(20)}
    found, dropped = sent(asked(metadata=many))
    assert len(found["requestMetadata"]) == 16
    assert dropped == ("metadata",)


@pytest.mark.parametrize(
    ("tier", "written", "dropped"),
    [
        ("flex", {"type": "flex"}, ()),
        ("auto", None, ()),
        ("scale", None, ("service_tier",)),
    ],
)
def test_a_service_tier_of_bedrocks_is_sent(
    tier: str, written: dict[str, Any] | None, dropped: tuple[str, ...]
) -> None:
    found, lost = sent(asked(service_tier=tier))
    assert found.get("serviceTier") == written
    assert lost == dropped


SHAPE = ResponseFormat(kind="json_schema", name="n", description="d", schema=SCHEMA)


def test_a_shape_of_answers_is_an_output_format() -> None:
    for model in (CLAUDE, GPT, LLAMA, OPAQUE):
        text = body(asked(response_format=SHAPE), model)["outputConfig"]["textFormat"]
        definition = text["structure"]["jsonSchema"]
        assert json.loads(definition.pop("schema")) == SCHEMA
        assert definition == {"name": "n", "description": "d"}


def test_a_shape_is_asked_for_in_words_where_a_model_cannot_be_held_to_it() -> None:
    for model in (NOVA, OLD_CLAUDE):
        found, dropped = sent(asked(response_format=SHAPE), model)
        assert json.dumps(SCHEMA, separators=(",", ":")) in found["system"][-1]["text"]
        assert dropped == ("response_format.json_schema",)
    found, dropped = sent(asked(response_format=ResponseFormat(kind="json_object")))
    assert "JSON" in found["system"][-1]["text"]
    assert dropped == ("response_format.json_object",)


def test_any_text_is_no_format() -> None:
    assert "outputConfig" not in body(asked(response_format=ResponseFormat(kind="text")))


# Thinking


@pytest.mark.parametrize(
    ("model", "reasoning", "extra", "output"),
    [
        (
            CLAUDE,
            Reasoning(enabled=True, budget_tokens=4000),
            {"thinking": {"type": "enabled", "budget_tokens": 4000}},
            None,
        ),
        (
            CLAUDE,
            Reasoning(effort=Effort.LOW),
            {"thinking": {"type": "enabled", "budget_tokens": 2048}},
            None,
        ),
        (
            NEWER_CLAUDE,
            Reasoning(effort=Effort.HIGH),
            {"thinking": {"type": "adaptive"}},
            {"effort": "high"},
        ),
        (CLAUDE, Reasoning(enabled=False), {"thinking": {"type": "disabled"}}, None),
        (
            NOVA,
            Reasoning(effort=Effort.HIGH),
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
            None,
        ),
        (NOVA, Reasoning(effort=Effort.NONE), {"reasoningConfig": {"type": "disabled"}}, None),
        (GPT, Reasoning(effort=Effort.XHIGH), {"reasoning_effort": "high"}, None),
        (GPT, Reasoning(effort=Effort.MINIMAL), {"reasoning_effort": "low"}, None),
        (CLAUDE, None, None, None),
        (NEWER_CLAUDE, None, None, None),
    ],
)
def test_thinking_is_said_in_the_words_of_the_model(
    model: str,
    reasoning: Reasoning | None,
    extra: dict[str, Any] | None,
    output: dict[str, Any] | None,
) -> None:
    found = body(asked(reasoning=reasoning), model)
    assert found.get("additionalModelRequestFields") == extra
    assert found.get("outputConfig") == output


def test_thinking_is_named_where_a_model_has_none() -> None:
    wish = Reasoning(effort=Effort.HIGH, summary="auto")
    for model in (LLAMA, OPAQUE):
        found, dropped = sent(asked(reasoning=wish), model)
        assert "additionalModelRequestFields" not in found
        assert dropped == ("reasoning.effort", "reasoning.summary")


def test_a_forced_tool_comes_before_thinking_and_thinking_before_sampling() -> None:
    request = asked(
        tools=(LOOK,),
        tool_choice=ToolChoice(mode="required"),
        reasoning=Reasoning(effort=Effort.HIGH),
    )
    found, dropped = sent(request)
    assert found["toolConfig"]["toolChoice"] == {"any": {}}
    assert found["additionalModelRequestFields"]["thinking"] == {"type": "disabled"}
    assert dropped == ("reasoning.effort",)
    request = asked(
        sampling=Sampling(temperature=0.2, top_k=5), reasoning=Reasoning(effort=Effort.HIGH)
    )
    found, dropped = sent(request)
    assert "inferenceConfig" not in found
    assert list(found["additionalModelRequestFields"]) == ["thinking"]
    assert set(dropped) == {"sampling.temperature", "sampling.top_k"}


def test_thinking_is_not_asked_for_in_a_turn_that_began_without() -> None:
    request = asked(
        messages=CALLED, tools=(LOOK,), reasoning=Reasoning(enabled=True, budget_tokens=2048)
    )
    found, dropped = sent(request)
    assert found["additionalModelRequestFields"]["thinking"] == {"type": "disabled"}
    assert set(dropped) == {"reasoning.enabled", "reasoning.budget_tokens"}


def test_every_field_that_cannot_be_carried_is_named() -> None:
    request = asked(
        ImagePart(source=Media(media_type="image/png", data="AAAA"), detail="high"),
        sampling=Sampling(
            frequency_penalty=0.5, presence_penalty=0.5, logit_bias={"1": 1.0}, logprobs=True
        ),
        end_user="u-1",
        cache_key="k",
        store=True,
        extensions={"prediction": {}},
        unmapped=("messages[0].x",),
    )
    assert set(sent(request)[1]) == {
        "image.detail",
        "sampling.frequency_penalty",
        "sampling.presence_penalty",
        "sampling.logit_bias",
        "sampling.logprobs",
        "end_user",
        "cache_key",
        "store",
        "extensions.prediction",
        "messages[0].x",
    }
