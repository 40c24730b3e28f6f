import json
from typing import Any, cast

import httpx2
import openai
import pytest
from hypothesis import given, settings

from adapters.wire.codec import Encoded, WireTarget
from domain.errors import UnsupportedField
from domain.inference.conversation import (
    AudioPart,
    CacheMark,
    Citation,
    DocumentPart,
    ImagePart,
    Media,
    Message,
    OpaqueState,
    Part,
    RefusalPart,
    Role,
    TextPart,
    ThinkingPart,
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

OWN = WireFormat.OPENAI_RESPONSES
ANTHROPIC = Dialect.ANTHROPIC_MESSAGES
STATE = OpaqueState(origin=OWN, data="gAAAA+/=", id="rs_1")


def user(*parts: Part) -> Message:
    return Message(role=Role.USER, parts=parts or (TextPart(text="Hi"),))


def assistant(*parts: Part) -> Message:
    return Message(role=Role.ASSISTANT, parts=parts)


def encoded(
    *messages: Message, source: Dialect = ANTHROPIC, model: str = "gpt-5.1", **members: Any
) -> Encoded:
    request = InferenceRequest(
        source=source, model="public", messages=messages or (user(),), **members
    )
    return WIRE.encode_request(request, WireTarget(model=model))


def body(*messages: Message, **members: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(encoded(*messages, **members).body))


def items(*messages: Message, **members: Any) -> list[dict[str, Any]]:
    return body(*messages, **members)["input"]


def test_a_request_of_another_vendor_s_client_is_neither_stored_nor_strict() -> None:
    tool = FunctionTool(name="look", parameters={"type": "object"})
    assert body(tools=(tool,), max_output_tokens=9) == {
        "model": "gpt-5.1",
        "input": [{"type": "message", "role": "user", "content": "Hi"}],
        "tools": [
            {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}
        ],
        "max_output_tokens": 9,
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }


def test_the_bound_of_the_gateway_replaces_that_of_the_client() -> None:
    request = InferenceRequest(
        source=ANTHROPIC, model="public", messages=(user(),), max_output_tokens=99, stream=True
    )
    written = json.loads(WIRE.encode_request(request, WireTarget(model="m", output_bound=7)).body)
    assert (written["model"], written["max_output_tokens"], written["stream"]) == ("m", 7, True)


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        ("gpt-5.1", True),
        ("o3", True),
        ("my-deployment", True),
        ("openai/gpt-oss-120b", True),
        ("gpt-4.1-mini", False),
        ("gpt-4o", False),
        ("openai/gpt-4o", False),
        ("gpt-3.5-turbo", False),
        ("chatgpt-4o-latest", False),
        ("gpt-5-chat-latest", False),
    ],
)
def test_reasoning_is_asked_for_unless_it_is_stored_or_never_happens(
    model: str, asked: bool
) -> None:
    wanted = ["reasoning.encrypted_content"] if asked else None
    assert body(model=model).get("include") == wanted
    assert body(model=model, store=False).get("include") == wanted
    assert "include" not in body(model=model, store=True)


def test_a_leading_system_text_is_the_instructions() -> None:
    system = Message(role=Role.SYSTEM, parts=(TextPart(text="Be brief."),))
    later = Message(role=Role.SYSTEM, parts=(TextPart(text="Now."),))
    written = body(system, user(), later)
    assert written["instructions"] == "Be brief."
    assert written["input"] == [
        {"type": "message", "role": "user", "content": "Hi"},
        {"type": "message", "role": "system", "content": "Now."},
    ]


def test_several_system_texts_stay_several() -> None:
    system = Message(role=Role.SYSTEM, parts=(TextPart(text="a"), TextPart(text="b")))
    written = body(system, user())
    assert "instructions" not in written
    assert written["input"][0] == {
        "type": "message",
        "role": "system",
        "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}],
    }


def test_a_system_text_alone_is_input_as_there_must_be_some() -> None:
    system = Message(role=Role.SYSTEM, parts=(TextPart(text="Be brief."),))
    assert body(system)["input"] == [{"type": "message", "role": "system", "content": "Be brief."}]


def test_a_turn_with_everything_is_items_in_their_order() -> None:
    written = items(
        assistant(
            ThinkingPart(text="Hm.", state=STATE),
            TextPart(text="a"),
            RefusalPart(text="b"),
            ToolCallPart(id="c", name="f", arguments='{"x":1}'),
            TextPart(text="d"),
            ToolCallPart(id="e", name="g", arguments="raw", custom=True),
        ),
        user(
            ToolResultPart(call_id="c", content=(TextPart(text="1"),)),
            ToolResultPart(call_id="e", content=(TextPart(text="2"),), custom=True),
            TextPart(text="Go on."),
        ),
    )
    assert written == [
        {
            "id": "rs_1",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Hm."}],
            "encrypted_content": "gAAAA+/=",
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "a", "annotations": []},
                {"type": "refusal", "refusal": "b"},
            ],
        },
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"x":1}'},
        {"type": "message", "role": "assistant", "content": "d"},
        {"type": "custom_tool_call", "call_id": "e", "name": "g", "input": "raw"},
        {"type": "function_call_output", "call_id": "c", "output": "1"},
        {"type": "custom_tool_call_output", "call_id": "e", "output": "2"},
        {"type": "message", "role": "user", "content": "Go on."},
    ]


def test_a_result_with_an_image_and_a_document_keeps_their_bytes() -> None:
    (result,) = items(
        user(
            ToolResultPart(
                call_id="c",
                content=(
                    TextPart(text="Here:"),
                    ImagePart(source=Media(media_type="image/png", data="iVBO")),
                    DocumentPart(source=Media(media_type="application/pdf", data="JVBE")),
                ),
            )
        )
    )
    assert result["output"] == [
        {"type": "input_text", "text": "Here:"},
        {"type": "input_image", "image_url": "data:image/png;base64,iVBO"},
        {
            "type": "input_file",
            "file_data": "data:application/pdf;base64,JVBE",
            "filename": "document.pdf",
        },
    ]


def test_thinking_of_others_and_without_state_is_left_out_and_named() -> None:
    foreign = ThinkingPart(
        text="a", state=OpaqueState(origin=WireFormat.ANTHROPIC_MESSAGES, data="x")
    )
    turn = assistant(foreign, ThinkingPart(text="b"), TextPart(text="c"))
    written = encoded(user(), turn, user())
    assert written.dropped == ("thinking.foreign_state", "thinking.text")
    assert len(json.loads(written.body)["input"]) == 3
    only_foreign = encoded(user(), assistant(foreign, TextPart(text="c")), user())
    assert only_foreign.dropped == ("thinking.foreign_state",)


def test_reasoning_that_led_to_nothing_is_left_out_and_named() -> None:
    thought = ThinkingPart(text="Hm.", state=STATE)
    for turns in (
        (user(), assistant(thought), user()),
        (user(), assistant(TextPart(text="a"), thought), user()),
        (user(), assistant(thought)),
    ):
        written = encoded(*turns)
        assert written.dropped == ("thinking.state",)
        assert all(each["type"] == "message" for each in json.loads(written.body)["input"])
    whole = encoded(user(), assistant(thought), assistant(TextPart(text="a")), user())
    assert whole.dropped == ()


def test_ids_of_calls_that_are_too_long_are_shortened_alike() -> None:
    long, other = "a" * 65, "a" * 66
    first, second, result = items(
        assistant(
            ToolCallPart(id=long, name="f", arguments="{}"),
            ToolCallPart(id=other, name="f", arguments="{}"),
        ),
        user(ToolResultPart(call_id=long, content=(TextPart(text="1"),))),
    )
    assert first["call_id"] == result["call_id"] != second["call_id"]
    assert len(first["call_id"]) <= 64
    (kept,) = items(assistant(ToolCallPart(id="a" * 64, name="f", arguments="{}")))
    assert kept["call_id"] == "a" * 64


def test_end_users_and_cache_keys_that_are_too_long_are_hashed() -> None:
    long = "user_" + "a" * 154
    written = body(end_user=long, cache_key=long)
    assert len(written["safety_identifier"]) == 64
    assert written["prompt_cache_key"] == written["safety_identifier"]
    assert body(end_user="u1")["safety_identifier"] == "u1"


def test_citations_of_pages_go_along_and_others_are_named() -> None:
    page = Citation(url="https://media.example/a", title="A", start=0, end=1)
    own = Citation(origin=OWN, raw={"type": "file_path", "file_id": "f", "index": 0})
    book = Citation(title="A book", cited_text="x")
    written = encoded(assistant(TextPart(text="a", citations=(page, own, book))), user())
    assert written.dropped == ("text.citations",)
    (part,) = json.loads(written.body)["input"][0]["content"]
    assert [note["type"] for note in part["annotations"]] == ["url_citation", "file_path"]
    assert encoded(assistant(TextPart(text="a", citations=(page,))), user()).dropped == ()


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
    found = encoded(reasoning=reasoning)
    assert json.loads(found.body).get("reasoning") == written
    assert found.dropped == dropped


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
            {"tools": (VendorTool(origin=WireFormat.GEMINI_GENERATE, kind="search", raw={}),)},
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
