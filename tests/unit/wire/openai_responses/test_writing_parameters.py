"""Tools and parameters on their way to Responses."""

import json
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given, settings

from adapters.wire.codec import WireTarget
from domain.errors import UnsupportedField
from domain.inference.conversation import (
    AudioPart,
    CacheMark,
    DocumentPart,
    ImagePart,
    Media,
    Message,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    VendorPart,
    VideoPart,
)
from domain.inference.dialect import Dialect, WireFormat
from domain.inference.request import (
    CustomTool,
    Effort,
    FunctionTool,
    InferenceRequest,
    Reasoning,
    ResponseFormat,
    Sampling,
    ToolChoice,
    VendorTool,
)
from tests.support.canonical import requests
from tests.unit.wire.openai_responses.reaches import ORDERLY, REASONINGS, WIRE
from tests.unit.wire.openai_responses.writing import (
    OWN,
    assistant,
    body,
    encoded,
    items,
    user,
)

TOOLS = (
    FunctionTool(name="look", parameters={"type": "object"}, strict=True),
    CustomTool(name="patch", description="Edits.", format={"type": "text"}),
    FunctionTool(name="mail__send", namespace="mail"),
    CustomTool(name="mail__draft", namespace="mail"),
    VendorTool(origin=OWN, kind="web_search", raw={"type": "web_search"}),
)


def test_tools_of_a_namespace_are_in_it_again() -> None:
    written = body(
        assistant(ToolCallPart(id="c", name="mail__send", arguments="{}")),
        user(ToolResultPart(call_id="c", content=(TextPart(text="1"),))),
        source=Dialect.OPENAI_RESPONSES,
        tools=TOOLS,
    )
    assert written["tools"] == [
        {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": True},
        {"type": "custom", "name": "patch", "description": "Edits.", "format": {"type": "text"}},
        {
            "type": "namespace",
            "name": "mail",
            "description": "",
            "tools": [
                {"type": "function", "name": "send", "parameters": None},
                {"type": "custom", "name": "draft"},
            ],
        },
        {"type": "web_search"},
    ]
    assert written["input"][0]["name"] == "send"
    assert written["input"][0]["namespace"] == "mail"


def test_a_grammar_as_chat_completions_writes_it_is_written_flat() -> None:
    nested: dict[str, object] = {
        "type": "grammar",
        "grammar": {"syntax": "lark", "definition": "start: /.+/"},
    }
    (tool,) = body(source=Dialect.OPENAI_CHAT, tools=(CustomTool(name="p", format=nested),))[
        "tools"
    ]
    assert tool["format"] == {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (ToolChoice(mode="auto"), "auto"),
        (ToolChoice(mode="none"), "none"),
        (ToolChoice(mode="required"), "required"),
        (ToolChoice(mode="named", name="look"), {"type": "function", "name": "look"}),
        (ToolChoice(mode="named", name="patch"), {"type": "custom", "name": "patch"}),
        (
            ToolChoice(mode="auto", allowed=("look", "patch")),
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [
                    {"type": "function", "name": "look"},
                    {"type": "custom", "name": "patch"},
                ],
            },
        ),
    ],
)
def test_a_choice_says_of_what_kind_its_tools_are(choice: ToolChoice, written: object) -> None:
    assert body(tools=TOOLS[:2], tool_choice=choice)["tool_choice"] == written


@pytest.mark.parametrize(
    ("reasoning", "written", "dropped"),
    [
        (Reasoning(effort=Effort.XHIGH), {"effort": "xhigh"}, ()),
        (Reasoning(effort=Effort.NONE, enabled=False), {"effort": "none"}, ()),
        (Reasoning(enabled=True, budget_tokens=1024), {"effort": "low"}, ()),
        (Reasoning(enabled=True, budget_tokens=8000), {"effort": "medium"}, ()),
        (Reasoning(enabled=True, budget_tokens=31_999), {"effort": "high"}, ()),
        (Reasoning(enabled=True), {"effort": "medium"}, ()),
        (Reasoning(adaptive=True, show=True), {"effort": "medium", "summary": "auto"}, ()),
        (Reasoning(show=True, summary="detailed"), {"summary": "detailed"}, ()),
        (Reasoning(enabled=False), None, ("reasoning.enabled",)),
        (Reasoning(show=False), None, ()),
    ],
)
def test_how_much_to_think_is_an_effort(
    reasoning: Reasoning, written: dict[str, Any] | None, dropped: tuple[str, ...]
) -> None:
    found = encoded(reasoning=reasoning, source=Dialect.OPENAI_CHAT)
    assert json.loads(found.body).get("reasoning") == written
    assert found.dropped == dropped


@pytest.mark.parametrize(
    ("reasoning", "summary"),
    [
        (Reasoning(enabled=True, budget_tokens=1024), "auto"),
        (Reasoning(enabled=True, budget_tokens=1024, show=False), None),
        (Reasoning(enabled=True, adaptive=True), None),
        (Reasoning(enabled=False), None),
        (Reasoning(effort=Effort.LOW), None),
    ],
)
@pytest.mark.parametrize("source", [Dialect.ANTHROPIC_MESSAGES, Dialect.BEDROCK_CONVERSE])
def test_thinking_with_a_budget_is_summarised_for_clients_to_whom_that_means_shown(
    source: Dialect, reasoning: Reasoning, summary: str | None
) -> None:
    found = json.loads(encoded(reasoning=reasoning, source=source).body)
    assert found.get("reasoning", {}).get("summary") == summary


def test_a_schema_without_a_fitting_name_gets_one() -> None:
    shape = ResponseFormat(kind="json_schema", schema={"type": "object"})
    assert body(response_format=shape)["text"]["format"]["name"] == "response"
    named = ResponseFormat(kind="json_schema", name="my shape!", schema={}, strict=True)
    written = body(response_format=named, verbosity="low")["text"]
    assert written["format"]["name"] == "my_shape_"
    assert written["format"]["strict"] is True
    assert written["verbosity"] == "low"


@pytest.mark.parametrize(
    ("tier", "written", "dropped"),
    [
        ("priority", "priority", ()),
        ("standard_only", "default", ()),
        ("batch", None, ("service_tier",)),
    ],
)
def test_a_service_tier_is_one_of_the_vendor_s(
    tier: str, written: str | None, dropped: tuple[str, ...]
) -> None:
    found = encoded(service_tier=tier)
    assert json.loads(found.body).get("service_tier") == written
    assert found.dropped == dropped


def test_marks_of_the_prompt_cache_only_go_where_clients_know_them() -> None:
    marked = user(TextPart(text="a", cache=CacheMark(ttl="1h")), TextPart(text="b"))
    other = encoded(marked)
    assert other.dropped == ("cache",)
    assert "prompt_cache_breakpoint" not in other.body.decode()
    (message,) = items(marked, source=Dialect.OPENAI_CHAT)
    assert message["content"][0]["prompt_cache_breakpoint"] == {"mode": "explicit", "ttl": "30m"}


def test_extensions_go_along_where_they_mean_the_same() -> None:
    extensions: dict[str, object] = {
        "moderation": {"model": "omni-moderation-latest"},
        "truncation": "auto",
        "brand_new": 1,
    }
    own = encoded(source=Dialect.OPENAI_RESPONSES, extensions=extensions)
    assert own.dropped == ("extensions.brand_new",)
    assert json.loads(own.body)["truncation"] == "auto"
    chat = encoded(source=Dialect.OPENAI_CHAT, extensions=extensions)
    assert chat.dropped == ("extensions.truncation", "extensions.brand_new")
    assert json.loads(chat.body)["moderation"] == {"model": "omni-moderation-latest"}
    other = encoded(extensions=extensions)
    assert other.dropped == tuple(f"extensions.{name}" for name in extensions)
    assert b"moderation" not in other.body


def test_hints_without_a_place_are_left_out_and_named() -> None:
    result = ToolResultPart(call_id="c", content=(TextPart(text="1"),), is_error=True)
    found = encoded(
        Message(role=Role.USER, name="ann", parts=(TextPart(text="Hi"),)),
        assistant(ToolCallPart(id="c", name="f", arguments="{}")),
        user(result),
        sampling=Sampling(
            temperature=0.5,
            top_k=5,
            seed=1,
            frequency_penalty=0.1,
            presence_penalty=0.1,
            logit_bias={"1": 1},
        ),
        cache=CacheMark(),
        modalities=("text",),
        unmapped=("messages[0].foo",),
    )
    assert found.dropped == (
        "message.name",
        "tool_result.is_error",
        "sampling.top_k",
        "sampling.seed",
        "sampling.frequency_penalty",
        "sampling.presence_penalty",
        "sampling.logit_bias",
        "messages[0].foo",
    )
    assert json.loads(found.body)["temperature"] == 0.5


DATA = Media(media_type="x/y", data="AAAA")


@pytest.mark.parametrize(
    ("messages", "members", "param"),
    [
        ((user(AudioPart(source=DATA)),), {}, "audio.data"),
        ((user(VideoPart(source=DATA)),), {}, "video.data"),
        ((user(ImagePart(source=Media(file_id="f"))),), {}, "image.file_id"),
        ((user(DocumentPart(source=Media(file_id="f"))),), {}, "document.file_id"),
        ((user(ImagePart(source=Media(url="gs://bucket/a"))),), {}, "image.url"),
        ((user(DocumentPart(source=Media(url="s3://bucket/a"))),), {}, "document.url"),
        ((user(), assistant(ImagePart(source=DATA)), user()), {}, "messages"),
        (
            (user(ToolResultPart(call_id="c", content=(AudioPart(source=DATA),))),),
            {},
            "tool_result.media",
        ),
        ((), {"stop": ("a",)}, "stop"),
        ((), {"candidates": 2}, "candidates"),
        ((), {"modalities": ("text", "audio")}, "modalities"),
        ((), {"audio": {"voice": "alloy"}}, "audio"),
        ((), {"extensions": {"web_search_options": {}}}, "extensions.web_search_options"),
        (
            (
                user(),
                assistant(
                    VendorPart(origin=WireFormat.ANTHROPIC_MESSAGES, kind="server_tool_use", raw={})
                ),
            ),
            {},
            "vendor.anthropic_messages.server_tool_use",
        ),
        (
            (),
            {
                "tools": (VendorTool(origin=WireFormat.GEMINI_GENERATE, kind="search", raw={}),),
                "tool_choice": ToolChoice(mode="required"),
            },
            "vendor.gemini_generate.search",
        ),
    ],
)
def test_what_must_not_be_left_out_is_refused_by_name(
    messages: tuple[Message, ...], members: dict[str, Any], param: str
) -> None:
    with pytest.raises(UnsupportedField) as raised:
        encoded(*messages, **members)
    assert raised.value.param == param


@settings(max_examples=40, deadline=None)
@given(requests(ORDERLY, reasoning=REASONINGS))
def test_the_client_of_the_vendor_would_send_the_same_request(request: InferenceRequest) -> None:
    written = json.loads(WIRE.encode_request(request, WireTarget(model="gpt-5.1")).body)
    sent: list[bytes] = []

    def answer(received: httpx2.Request) -> httpx2.Response:
        sent.append(received.content)
        return httpx2.Response(200, json={"id": "resp_1", "object": "response", "output": []})

    transport = httpx2.MockTransport(answer)
    with openai.OpenAI(api_key="none", http_client=httpx2.Client(transport=transport)) as client:
        client.responses.create(**written)
    assert [json.loads(each) for each in sent] == [written]
