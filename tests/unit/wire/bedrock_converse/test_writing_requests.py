"""Requests of other vendors' clients, as Bedrock and its models take them."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from adapters.wire.bedrock_converse.fields import FATES
from adapters.wire.codec import WireTarget
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
    VideoPart,
)
from domain.inference.dialect import WireFormat
from domain.inference.request import (
    InferenceRequest,
)
from tests.support.canonical import requests
from tests.support.model import converse
from tests.support.reach import Reach, carried_by
from tests.unit.wire.bedrock_converse.asking import (
    CLAUDE,
    HELLO,
    LLAMA,
    LOOK,
    MODELS,
    NEWER_CLAUDE,
    NOVA,
    OPAQUE,
    WIRE,
    asked,
    body,
    content,
    sent,
    turn,
)
from tests.unit.wire.bedrock_converse.reaches import conversational

EVERYTHING = Reach(
    fields=carried_by(FATES, "image.url", "document.url", "audio.url", "video.url", "audio.id"),
    system="anywhere",
    ordered=False,
    results_alone=False,
    structured_results=True,
    call_marks=True,
    bare_thinking=True,
    state_origin=WireFormat.BEDROCK_CONVERSE,
    id_characters="aZ0_-/ é",
)
WHAT_THE_MODEL_READS = structs.replace(
    EVERYTHING,
    fields=frozenset(
        field
        for field in EVERYTHING.fields
        if not field.startswith(("document.", "audio.", "video.", "tool_result.document"))
    ),
)


@conversational
@given(request=requests(EVERYTHING), model=st.sampled_from(MODELS))
def test_whatever_is_asked_the_body_fits_the_service_model(
    request: InferenceRequest, model: str
) -> None:
    sent(request, model)


@conversational
@given(request=requests(WHAT_THE_MODEL_READS), model=st.sampled_from([CLAUDE, NOVA, LLAMA]))
def test_whatever_is_asked_a_strict_model_understands(
    request: InferenceRequest, model: str
) -> None:
    encoded = WIRE.encode_request(request, WireTarget(model=model))
    talk = converse.read(json.loads(encoded.body), model, stream=request.stream)
    calls = [part for message in request.messages for part in message.parts]
    assert len(talk.parts(converse.Call)) == sum(isinstance(each, ToolCallPart) for each in calls)
    assert len(talk.parts(converse.Result)) == sum(
        isinstance(each, ToolResultPart) for each in calls
    )


def test_the_smallest_request() -> None:
    assert body(asked()) == {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}


def test_the_bound_of_the_gateway_replaces_the_callers() -> None:
    request = asked(max_output_tokens=1000)
    assert sent(request)[0]["inferenceConfig"] == {"maxTokens": 1000}
    assert sent(request, bound=50)[0]["inferenceConfig"] == {"maxTokens": 50}
    assert sent(asked(), bound=50)[0]["inferenceConfig"] == {"maxTokens": 50}


# Turns


def test_leading_system_texts_are_the_system_and_later_ones_stay_in_their_place() -> None:
    system = turn(Role.SYSTEM, TextPart(text="Be brief."))
    later = turn(Role.SYSTEM, TextPart(text="Be loud."))
    answer = turn(Role.ASSISTANT, TextPart(text="Hello"))
    request = asked(messages=(system, system, HELLO, answer, later, HELLO))
    found = body(request)
    assert found["system"] == [{"text": "Be brief."}, {"text": "Be brief."}]
    assert found["messages"][2] == {
        "role": "user",
        "content": [{"text": "<system>\nBe loud.\n</system>"}, {"text": "Hi"}],
    }


def test_a_model_that_knows_the_system_in_mid_conversation_gets_it_there() -> None:
    later = turn(Role.SYSTEM, TextPart(text="Be loud."))
    request = asked(messages=(HELLO, later))
    assert body(request, NEWER_CLAUDE)["messages"][1] == {
        "role": "system",
        "content": [{"text": "Be loud."}],
    }


def test_a_system_alone_is_what_the_user_says() -> None:
    found = body(asked(messages=(turn(Role.SYSTEM, TextPart(text="Say hi.")),)))
    assert found == {"messages": [{"role": "user", "content": [{"text": "Say hi."}]}]}


def test_neighbouring_turns_are_one_with_results_first() -> None:
    request = asked(
        messages=(
            HELLO,
            turn(Role.ASSISTANT, ToolCallPart(id="a", name="look", arguments="{}")),
            turn(Role.ASSISTANT, ToolCallPart(id="b", name="look", arguments='{"x":1}')),
            turn(Role.USER, TextPart(text="By the way")),
            turn(
                Role.USER,
                ToolResultPart(
                    call_id="a", content=(TextPart(text="1"),), cache=CacheMark(ttl="1h")
                ),
            ),
            turn(Role.USER, ToolResultPart(call_id="b", content=(), is_error=True)),
        ),
        tools=(LOOK,),
    )
    messages = body(request)["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert messages[1]["content"] == [
        {"toolUse": {"toolUseId": "a", "name": "look", "input": {}}},
        {"toolUse": {"toolUseId": "b", "name": "look", "input": {"x": 1}}},
    ]
    assert messages[2]["content"] == [
        {"toolResult": {"toolUseId": "a", "content": [{"text": "1"}]}},
        {"cachePoint": {"type": "default", "ttl": "1h"}},
        {"toolResult": {"toolUseId": "b", "content": [{"text": "(empty)"}], "status": "error"}},
        {"text": "By the way"},
    ]


def test_blank_texts_are_left_out() -> None:
    blank = turn(Role.ASSISTANT, TextPart(text=" \n"))
    found = body(asked(messages=(HELLO, blank, HELLO)))
    assert found["messages"] == [{"role": "user", "content": [{"text": "Hi"}, {"text": "Hi"}]}]


def test_a_document_alone_gets_a_text_as_bedrock_demands() -> None:
    part = DocumentPart(source=Media(media_type="application/pdf", data="AAAA"))
    assert content(part) == [
        {"document": {"format": "pdf", "source": {"bytes": "AAAA"}, "name": "document"}},
        {"text": "(see the document)"},
    ]


# Content


def test_names_of_documents_fit_and_are_told_apart() -> None:
    part = DocumentPart(
        source=Media(media_type="application/pdf", data="AAAA"), name="/tmp/ä_report  v2.pdf"
    )
    inside = ToolResultPart(call_id="t", content=(part,))
    request = asked(part, part, TextPart(text="x"), inside, tools=(LOOK,))
    encoded = WIRE.encode_request(request, WireTarget(model=CLAUDE)).body.decode()
    names = ["tmp report v2 pdf", "tmp report v2 pdf (2)", "tmp report v2 pdf (3)"]
    assert all(f'"name":"{name}"' in encoded for name in names)


def test_a_long_name_is_cut_and_still_told_apart() -> None:
    part = DocumentPart(source=Media(media_type="text/csv", data="AAAA"), name="n" * 500)
    found = [block["document"]["name"] for block in content(part, part) if "document" in block]
    assert [len(name) for name in found] == [200, 200]
    assert found[0] != found[1]


PLAIN = base64.b64encode(b"abc").decode()


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            ImagePart(source=Media(media_type="image/jpg", data="AAAA")),
            {"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}},
        ),
        (
            ImagePart(source=Media(data="iVBORw0KGgo=")),
            {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}},
        ),
        (
            ImagePart(source=Media(url="s3://b/x/y.JPG")),
            {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://b/x/y.JPG"}}}},
        ),
        (
            VideoPart(source=Media(media_type="video/mp4", data="AAAA")),
            {"video": {"format": "mp4", "source": {"bytes": "AAAA"}}},
        ),
        (
            AudioPart(source=Media(media_type="audio/mp3", data="AAAA")),
            {"audio": {"format": "mp3", "source": {"bytes": "AAAA"}}},
        ),
        (AudioPart(source=Media(), id="audio_1", transcript="Hello"), {"text": "Hello"}),
        (RefusalPart(text="No."), {"text": "No."}),
    ],
)
def test_a_part_is_the_block_it_stands_for(part: Part, block: dict[str, Any]) -> None:
    assert content(part) == [block]


@pytest.mark.parametrize(
    ("part", "source"),
    [
        (
            DocumentPart(source=Media(media_type="application/json", data=PLAIN)),
            {"format": "txt", "source": {"bytes": PLAIN}},
        ),
        (
            DocumentPart(source=Media(media_type="text/plain", data=PLAIN), cite=True, context="c"),
            {
                "format": "txt",
                "source": {"text": "abc"},
                "context": "c",
                "citations": {"enabled": True},
            },
        ),
        (
            DocumentPart(source=Media(media_type="text/plain", data="/w=="), cite=True),
            {"format": "txt", "source": {"bytes": "/w=="}, "citations": {"enabled": True}},
        ),
        (
            DocumentPart(source=Media(url="s3://b/report")),
            {"source": {"s3Location": {"uri": "s3://b/report"}}},
        ),
    ],
)
def test_a_document_is_given_as_bedrock_reads_it(
    part: DocumentPart, source: dict[str, Any]
) -> None:
    assert content(part)[0]["document"] == source | {"name": "document"}


@pytest.mark.parametrize(
    ("part", "param"),
    [
        (ImagePart(source=Media(url="https://a.example/x.png")), "image.url"),
        (ImagePart(source=Media(url="s3://b/x")), "image.url"),
        (ImagePart(source=Media(media_type="image/bmp", data="AAAA")), "image.data"),
        (ImagePart(source=Media(file_id="f")), "image.file_id"),
        (DocumentPart(source=Media(url="https://a.example/x.pdf")), "document.url"),
        (
            DocumentPart(source=Media(media_type="application/zip", data="AAAA")),
            "document.data",
        ),
        (DocumentPart(source=Media(file_id="f")), "document.file_id"),
        (VideoPart(source=Media(url="gs://b/x.mp4")), "video.url"),
        (AudioPart(source=Media(media_type="audio/x-odd", data="AAAA")), "audio.data"),
        (AudioPart(source=Media(), id="audio_1"), "audio.id"),
        (
            ToolResultPart(
                call_id="t",
                content=(AudioPart(source=Media(media_type="audio/wav", data="AAAA")),),
            ),
            "tool_result.media",
        ),
    ],
)
def test_a_medium_that_bedrock_does_not_read_is_refused(part: Part, param: str) -> None:
    with pytest.raises(UnsupportedField) as caught:
        WIRE.encode_request(asked(part), WireTarget(model=CLAUDE))
    assert caught.value.param == param


@pytest.mark.parametrize(
    "members",
    [
        {"candidates": 2},
        {"modalities": ("text", "audio")},
        {"previous_response_id": "resp_1"},
    ],
)
def test_what_changes_the_meaning_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedField) as caught:
        WIRE.encode_request(asked(**members), WireTarget(model=CLAUDE))
    assert caught.value.param == next(iter(members))


def test_a_structured_result_is_an_object_or_text() -> None:
    def result(text: str) -> dict[str, Any]:
        part = ToolResultPart(call_id="t", content=(TextPart(text=text),), structured=True)
        return sent(asked(part))[0]["messages"][0]["content"][0]["toolResult"]["content"][0]

    assert result('{"a": 1}') == {"json": {"a": 1}}
    assert result("[1]") == {"text": "[1]"}
    assert result('{"a"') == {"text": '{"a"'}


def test_unfitting_ids_of_calls_are_changed_alike_in_call_and_result() -> None:
    long = "call/" + "x" * 100
    request = asked(
        messages=(
            HELLO,
            turn(Role.ASSISTANT, ToolCallPart(id=long, name="look", arguments="{}")),
            turn(Role.USER, ToolResultPart(call_id=long, content=(TextPart(text="1"),))),
        ),
        tools=(LOOK,),
    )
    messages = body(request)["messages"]
    call_id = messages[1]["content"][0]["toolUse"]["toolUseId"]
    assert messages[2]["content"][0]["toolResult"]["toolUseId"] == call_id
    assert len(call_id) <= 64


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [("", {}), ('{"a":', {"arguments": '{"a":'}), ("[1]", {"arguments": "[1]"})],
)
def test_arguments_are_always_an_object_and_never_lost(
    arguments: str, expected: dict[str, Any]
) -> None:
    call = turn(Role.ASSISTANT, ToolCallPart(id="a", name="look", arguments=arguments))
    request = asked(messages=(HELLO, call), tools=(LOOK,))
    assert body(request)["messages"][1]["content"][0]["toolUse"]["input"] == expected


def test_own_citations_go_back_and_others_are_named() -> None:
    raw: dict[str, object] = {"title": "A", "sourceContent": [{"text": "x"}]}
    own = Citation(title="A", origin=WireFormat.BEDROCK_CONVERSE, raw=raw)
    answer = turn(Role.ASSISTANT, TextPart(text="So.", citations=(own,)))
    assert body(asked(messages=(HELLO, answer)))["messages"][1]["content"] == [
        {"citationsContent": {"content": [{"text": "So."}], "citations": [raw]}}
    ]
    foreign = turn(Role.ASSISTANT, TextPart(text="So.", citations=(Citation(url="u"),)))
    found, dropped = sent(asked(messages=(HELLO, foreign)))
    assert found["messages"][1]["content"] == [{"text": "So."}]
    assert dropped == ("text.citations",)


def thought(origin: WireFormat, *, redacted: bool = False) -> Message:
    state = OpaqueState(origin=origin, data="AAAA")
    thinking = ThinkingPart(text="" if redacted else "Hm", state=state, redacted=redacted)
    return turn(Role.ASSISTANT, thinking, TextPart(text="Hello"))


SIGNED = {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "AAAA"}}}


@pytest.mark.parametrize(
    ("origin", "model", "kept"),
    [
        (WireFormat.BEDROCK_CONVERSE, CLAUDE, True),
        (WireFormat.BEDROCK_CONVERSE, NOVA, True),
        # Claude's signatures mean the same at Anthropic and on Bedrock.
        (WireFormat.ANTHROPIC_MESSAGES, CLAUDE, True),
        (WireFormat.ANTHROPIC_MESSAGES, NOVA, False),
        (WireFormat.OPENAI_RESPONSES, CLAUDE, False),
    ],
)
def test_thoughts_go_back_to_those_who_can_read_their_signature(
    origin: WireFormat, model: str, kept: bool
) -> None:
    found, dropped = sent(asked(messages=(HELLO, thought(origin), HELLO)), model)
    assert (found["messages"][1]["content"][0] == SIGNED) is kept
    assert ("thinking.foreign_state" in dropped) is not kept


def test_redacted_thoughts_go_back_to_their_maker_only() -> None:
    own = thought(WireFormat.BEDROCK_CONVERSE, redacted=True)
    found = body(asked(messages=(HELLO, own, HELLO)))
    assert found["messages"][1]["content"][0] == {"reasoningContent": {"redactedContent": "AAAA"}}
    foreign = thought(WireFormat.ANTHROPIC_MESSAGES, redacted=True)
    assert "thinking.foreign_state" in sent(asked(messages=(HELLO, foreign, HELLO)))[1]


def test_thoughts_without_a_signature_are_left_out_by_name() -> None:
    answer = turn(Role.ASSISTANT, ThinkingPart(text="Hm"), TextPart(text="Hello"))
    found, dropped = sent(asked(messages=(HELLO, answer, HELLO)))
    assert found["messages"][1]["content"] == [{"text": "Hello"}]
    assert dropped == ("thinking.text",)


# Cache marks


def test_a_cache_mark_is_a_point_after_its_part() -> None:
    part = TextPart(text="long", cache=CacheMark())
    tool = structs.replace(LOOK, cache=CacheMark(ttl="5m"))
    request = asked(messages=(turn(Role.SYSTEM, part), turn(Role.USER, part)), tools=(tool,))
    found = body(request)
    point = {"cachePoint": {"type": "default"}}
    assert found["system"] == [{"text": "long"}, point]
    assert found["messages"][0]["content"] == [{"text": "long"}, point]
    assert found["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default", "ttl": "5m"}}


@pytest.mark.parametrize(
    ("model", "points", "dropped"), [(NOVA, 1, ("cache",)), (LLAMA, 0, ("cache",)), (OPAQUE, 2, ())]
)
def test_models_that_do_not_cache_are_not_asked_to(
    model: str, points: int, dropped: tuple[str, ...]
) -> None:
    tool = structs.replace(LOOK, cache=CacheMark())
    found, lost = sent(asked(TextPart(text="x", cache=CacheMark()), tools=(tool,)), model)
    assert json.dumps(found).count("cachePoint") == points
    assert lost == dropped


def test_caching_without_a_place_is_a_point_at_the_end() -> None:
    request = asked(cache=CacheMark(ttl="1h"))
    assert body(request)["messages"][0]["content"][-1] == {
        "cachePoint": {"type": "default", "ttl": "1h"}
    }
    assert sent(request, LLAMA)[1] == ("cache.automatic",)
