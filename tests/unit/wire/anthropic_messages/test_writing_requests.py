import base64
import json
from typing import Any

import pytest

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
    VendorPart,
)
from domain.inference.dialect import WireFormat
from domain.inference.request import (
    FunctionTool,
    ResponseFormat,
    Sampling,
    ToolChoice,
    VendorTool,
)
from tests.unit.wire.anthropic_messages.writing import (
    HI,
    MODEL,
    Json,
    encode,
    result,
    said,
    sent,
    text,
    turn,
)


def refused(*messages: Message, **members: Any) -> str | None:
    with pytest.raises(UnsupportedField) as caught:
        encode(*messages, **members)
    return caught.value.param


def test_the_smallest_request_gets_the_bound_that_anthropic_asks_for() -> None:
    assert sent() == {
        "model": MODEL,
        "max_tokens": 32_000,
        "messages": [{"role": "user", "content": [text("Hi")]}],
    }


@pytest.mark.parametrize(
    ("given", "bound", "tokens"),
    [(100, None, 100), (100, 50, 50), (None, 50, 50), (0, None, 0)],
)
def test_a_bound_is_the_gateways_before_it_is_the_callers(
    given: int | None, bound: int | None, tokens: int
) -> None:
    assert sent(max_output_tokens=given, bound=bound)["max_tokens"] == tokens


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("claude-3-haiku-20240307", 4096),
        ("claude-3-5-sonnet-20241022", 8192),
        ("claude-3-7-sonnet-20250219", 32_000),
        ("claude-opus-4-1-20250805", 32_000),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", 32_000),
        ("claude-mythos-preview", 32_000),
        ("glm-4.6", 8192),
    ],
)
def test_without_any_bound_it_is_one_the_model_takes(model: str, tokens: int) -> None:
    assert sent(model=model)["max_tokens"] == tokens


def test_instructions_before_the_conversation_are_the_system() -> None:
    body = sent(said(Role.SYSTEM, "a", "b"), said(Role.SYSTEM, "c"), HI)
    assert body["system"] == [text("a"), text("b"), text("c")]


MIDWAY = (HI, said(Role.SYSTEM, "Be brief."), said(Role.ASSISTANT, "Yes."), HI)


def test_later_instructions_are_system_turns_where_the_model_knows_them() -> None:
    body = sent(*MIDWAY, model="claude-opus-4-8")
    assert [each["role"] for each in body["messages"]] == ["user", "system", "assistant", "user"]


def test_later_instructions_stay_in_their_place_where_it_does_not() -> None:
    body = sent(*MIDWAY)
    assert "system" not in body
    assert body["messages"][0] == {
        "role": "user",
        "content": [text("Hi"), text("<system>\nBe brief.\n</system>")],
    }


@pytest.mark.parametrize(
    "messages",
    [
        (HI, said(Role.ASSISTANT, "a"), said(Role.SYSTEM, "Be brief."), HI),
        (HI, said(Role.SYSTEM, "Be brief."), HI),
    ],
)
def test_a_system_turn_where_none_may_stand_is_the_users(messages: tuple[Message, ...]) -> None:
    body = sent(*messages, model="claude-opus-4-8")
    assert {each["role"] for each in body["messages"]} <= {"user", "assistant"}
    assert text("<system>\nBe brief.\n</system>") in body["messages"][-1]["content"]


def test_instructions_alone_are_the_users_turn() -> None:
    assert sent(said(Role.SYSTEM, "Tell a joke."))["messages"] == [
        {"role": "user", "content": [text("Tell a joke.")]}
    ]


def test_a_conversation_that_the_assistant_opens_gets_a_turn_before_it() -> None:
    roles = [each["role"] for each in sent(said(Role.ASSISTANT, "Hello?"), HI)["messages"]]
    assert roles == ["user", "assistant", "user"]


def test_neighbours_of_one_role_are_one_turn() -> None:
    body = sent(said(Role.USER, "a"), said(Role.USER, "b"), said(Role.ASSISTANT, "c", "d"), HI)
    assert body["messages"][0] == {"role": "user", "content": [text("a"), text("b")]}
    assert len(body["messages"]) == 3


CALL = ToolCallPart(id="call_1", name="look", arguments='{"a": 1.50}')


def test_results_come_first_in_the_turn_after_the_calls() -> None:
    body = sent(
        HI,
        turn(Role.ASSISTANT, TextPart(text="Looking."), CALL),
        said(Role.USER, "By the way"),
        turn(Role.USER, TextPart(text="here"), result("call_1")),
        tools=(FunctionTool(name="look"),),
    )
    kinds = [block["type"] for block in body["messages"][2]["content"]]
    assert kinds == ["tool_result", "text", "text"]


def test_arguments_keep_their_bytes() -> None:
    encoded = encode(HI, turn(Role.ASSISTANT, CALL), turn(Role.USER, result("call_1")))
    assert b'"input":{"a": 1.50}' in encoded.body


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        ("", {}),
        ("  ", {}),
        ('{"a":', {"arguments": '{"a":'}),
        ("[1]", {"arguments": "[1]"}),
        ("null", {"arguments": "null"}),
        ('"\\ud83d"', {"arguments": '"\\ud83d"'}),
    ],
)
def test_arguments_that_are_no_object_are_kept_in_one(arguments: str, written: Json) -> None:
    call = ToolCallPart(id="c", name="look", arguments=arguments)
    body = sent(HI, turn(Role.ASSISTANT, call), turn(Role.USER, result("c")))
    assert body["messages"][1]["content"][0]["input"] == written


def test_ids_that_anthropic_refuses_are_translated_in_call_and_result_alike() -> None:
    ids = ["call:1", "call_1", "call;1", "ü"]
    calls = [ToolCallPart(id=each, name="look", arguments="{}") for each in ids]
    body = sent(HI, turn(Role.ASSISTANT, *calls), turn(Role.USER, *(result(i) for i in ids)))
    written = [block["id"] for block in body["messages"][1]["content"]]
    assert written == [block["tool_use_id"] for block in body["messages"][2]["content"]]
    assert len(set(written)) == 4
    assert all(
        each.replace("_", "").isascii() and each.replace("_", "a").isalnum() for each in written
    )
    assert written[1] == "call_1"


def test_results_keep_images_documents_and_errors() -> None:
    image = ImagePart(source=Media(media_type="image/png", data="QUJD"))
    pdf = DocumentPart(source=Media(media_type="application/pdf", data="JVBERi0="), name="n")
    failed = result("call_1", TextPart(text="a"), image, pdf, is_error=True, cache=CacheMark())
    body = sent(HI, turn(Role.ASSISTANT, CALL), turn(Role.USER, failed))
    assert body["messages"][2]["content"] == [
        {
            "type": "tool_result",
            "tool_use_id": "call_1",
            "is_error": True,
            "cache_control": {"type": "ephemeral"},
            "content": [
                text("a"),
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"},
                },
                {
                    "type": "document",
                    "title": "n",
                    "source": {
                        "type": "base64",
                        "media_type": "application/pdf",
                        "data": "JVBERi0=",
                    },
                },
            ],
        }
    ]


def test_texts_of_nothing_are_left_out_and_turns_with_them() -> None:
    body = sent(
        said(Role.USER, "a", "", " \n"),
        said(Role.ASSISTANT, ""),
        turn(Role.USER, result("c", TextPart(text=""))),
    )
    assert body["messages"] == [
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "c"}, text("a")],
        }
    ]


def test_a_last_turn_of_the_assistants_ends_without_white_space() -> None:
    assert sent(HI, said(Role.ASSISTANT, "a ", "The answer is: \n"))["messages"][1]["content"] == [
        text("a "),
        text("The answer is:"),
    ]


@pytest.mark.parametrize(
    ("media", "source"),
    [
        (
            Media(media_type="image/png", data="QUJD"),
            {"type": "base64", "media_type": "image/png", "data": "QUJD"},
        ),
        (
            Media(data="/9j/4AAQ"),
            {"type": "base64", "media_type": "image/jpeg", "data": "/9j/4AAQ"},
        ),
        (Media(url="https://a.example/b"), {"type": "url", "url": "https://a.example/b"}),
    ],
)
def test_images_are_given_by_bytes_or_address(media: Media, source: Json) -> None:
    body = sent(turn(Role.USER, ImagePart(source=media)))
    assert body["messages"][0]["content"] == [{"type": "image", "source": source}]


def of_text(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


@pytest.mark.parametrize(
    ("media", "source"),
    [
        (
            Media(media_type="application/pdf", data="JVBERi0="),
            {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
        ),
        (
            Media(data="JVBERi0="),
            {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
        ),
        (
            Media(media_type="text/markdown; charset=utf-8", data=of_text("# Zoë")),
            {"type": "text", "media_type": "text/plain", "data": "# Zoë"},
        ),
        (
            Media(media_type="application/json", data=of_text("{}")),
            {"type": "text", "media_type": "text/plain", "data": "{}"},
        ),
        (Media(url="https://a.example/b"), {"type": "url", "url": "https://a.example/b"}),
    ],
)
def test_documents_are_pdf_or_text(media: Media, source: Json) -> None:
    body = sent(turn(Role.USER, DocumentPart(source=media, name="n", context="c", cite=True)))
    assert body["messages"][0]["content"] == [
        {
            "type": "document",
            "source": source,
            "title": "n",
            "context": "c",
            "citations": {"enabled": True},
        }
    ]


@pytest.mark.parametrize(
    ("part", "field"),
    [
        (DocumentPart(source=Media(media_type="application/msword", data="QUJD")), "document.data"),
        (DocumentPart(source=Media(media_type="text/plain", data="/w==")), "document.data"),
        (DocumentPart(source=Media(data="QUJD")), "document.data"),
        (DocumentPart(source=Media(url="s3://bucket/key")), "document.url"),
        (DocumentPart(source=Media(file_id="file-1")), "document.file_id"),
        (ImagePart(source=Media(url="gs://bucket/key")), "image.url"),
        (ImagePart(source=Media(file_id="file-1")), "image.file_id"),
        (AudioPart(source=Media(media_type="audio/wav", data="QUJD")), "audio.data"),
        (result("c", AudioPart(source=Media(data="QUJD"))), "tool_result.media"),
        (
            VendorPart(origin=WireFormat.OPENAI_RESPONSES, kind="web_search_call", raw={}),
            "vendor.openai_responses.web_search_call",
        ),
    ],
)
def test_content_that_anthropic_cannot_read_is_refused_by_name(part: Part, field: str) -> None:
    assert refused(turn(Role.USER, part)) == field


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"candidates": 2}, "candidates"),
        ({"modalities": ("text", "audio")}, "modalities"),
        ({"audio": {"voice": "alloy"}}, "audio"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        (
            {
                "tools": (
                    VendorTool(origin=WireFormat.GEMINI_GENERATE, kind="googleSearch", raw={}),
                ),
                "tool_choice": ToolChoice(mode="required"),
            },
            "vendor.gemini_generate.googleSearch",
        ),
    ],
)
def test_wishes_that_change_the_answer_are_refused_by_name(members: Json, field: str) -> None:
    assert refused(**members) == field


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"sampling": Sampling(seed=1)}, "sampling.seed"),
        ({"sampling": Sampling(frequency_penalty=0.5)}, "sampling.frequency_penalty"),
        ({"sampling": Sampling(logit_bias={"1": 5})}, "sampling.logit_bias"),
        ({"sampling": Sampling(logprobs=True)}, "sampling.logprobs"),
        ({"verbosity": "low"}, "verbosity"),
        ({"metadata": {"a": "b"}}, "metadata"),
        ({"cache_key": "k"}, "cache_key"),
        ({"store": True}, "store"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"end_user": "u" * 257}, "end_user"),
        ({"stop": ("\n",)}, "stop"),
        ({"extensions": {"logit": 1}}, "extensions.logit"),
        ({"unmapped": ("messages[0].foo",)}, "messages[0].foo"),
    ],
)
def test_hints_are_left_out_with_a_warning(members: Json, field: str) -> None:
    encoded = encode(**members)
    assert encoded.dropped == (field,)
    assert json.loads(encoded.body).keys() == {"model", "max_tokens", "messages"}


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ([Message(role=Role.USER, parts=HI.parts, name="Ann")], "message.name"),
        ([turn(Role.USER, ImagePart(source=Media(url="https://a"), detail="low"))], "image.detail"),
        ([HI, turn(Role.ASSISTANT, ThinkingPart(text="hm"), *HI.parts), HI], "thinking.text"),
        (
            [
                HI,
                turn(
                    Role.ASSISTANT,
                    ThinkingPart(state=OpaqueState(origin=WireFormat.GEMINI_GENERATE, data="a")),
                    *HI.parts,
                ),
                HI,
            ],
            "thinking.foreign_state",
        ),
        (
            [HI, turn(Role.ASSISTANT, TextPart(text="Hi", citations=(Citation(url="u"),))), HI],
            "text.citations",
        ),
    ],
)
def test_hints_in_messages_are_left_out_with_a_warning(messages: list[Message], field: str) -> None:
    encoded = encode(*messages)
    assert encoded.dropped == (field,)
    body = json.loads(encoded.body)
    kinds = {block["type"] for message in body["messages"] for block in message["content"]}
    assert kinds <= {"text", "image"}


def test_what_is_the_same_anyway_needs_no_warning() -> None:
    assert sent(store=False, modalities=("text",), response_format=ResponseFormat(kind="text"))


def test_thoughts_of_anthropics_own_go_back_untouched() -> None:
    own = OpaqueState(origin=WireFormat.ANTHROPIC_MESSAGES, data="EqQ+/==")
    thoughts = (ThinkingPart(text="hm", state=own), ThinkingPart(state=own, redacted=True))
    body = sent(HI, turn(Role.ASSISTANT, *thoughts, *HI.parts), HI)
    assert body["messages"][1]["content"][:2] == [
        {"type": "thinking", "thinking": "hm", "signature": "EqQ+/=="},
        {"type": "redacted_thinking", "data": "EqQ+/=="},
    ]


def test_a_refusal_is_what_the_assistant_said() -> None:
    body = sent(HI, turn(Role.ASSISTANT, RefusalPart(text="No.")), HI)
    assert body["messages"][1]["content"] == [text("No.")]


def test_simple_parameters_have_their_names() -> None:
    body = sent(
        stream=True,
        stop=("END",),
        end_user="u-1",
        service_tier="default",
        cache=CacheMark(ttl="1h"),
        sampling=Sampling(temperature=0.5, top_k=7),
    )
    del body["messages"], body["model"], body["max_tokens"]
    assert body == {
        "stream": True,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u-1"},
        "service_tier": "standard_only",
        "cache_control": {"type": "ephemeral", "ttl": "1h"},
        "temperature": 0.5,
        "top_k": 7,
    }
