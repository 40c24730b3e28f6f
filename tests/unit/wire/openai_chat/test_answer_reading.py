"""How whole answers of OpenAI and its relatives are read."""

import json
from typing import Any

import pytest

from domain.accounting.usage import TokenUsage
from domain.errors import (
    UpstreamFailure,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from domain.inference.conversation import (
    AudioPart,
    Citation,
    ImagePart,
    Media,
    OpaqueState,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from domain.inference.dialect import WireFormat
from domain.inference.response import Candidate, FinishReason, InferenceResponse
from tests.unit.wire.openai_chat.reaches import SCRUBBER, WIRE


def read(body: bytes) -> InferenceResponse:
    return WIRE.decode_reply(body, scrubber=SCRUBBER)


def answer(message: dict[str, Any], finish: str | None = "stop", **choice: Any) -> Candidate:
    """Return the candidate of an answer with this message."""
    whole = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_750_000_000,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", **message},
                "finish_reason": finish,
                **choice,
            }
        ],
    }
    return read(json.dumps(whole).encode()).candidates[0]


def thought(text: str, member: str) -> ThinkingPart:
    return ThinkingPart(text=text, state=OpaqueState(origin=WireFormat.OPENAI_CHAT, data=member))


def test_an_answer_of_openais_is_read_with_its_usage_and_tier() -> None:
    reply = read(
        b'{"id":"chatcmpl-1","object":"chat.completion","created":1750000000,"model":"gpt-5",'
        b'"choices":[{"index":1,"message":{"role":"assistant","content":"b"},"finish_reason":'
        b'"length"},{"index":0,"message":{"role":"assistant","content":"a","refusal":null,'
        b'"annotations":[]},"logprobs":{"content":[],"refusal":null},"finish_reason":"stop"}],'
        b'"usage":{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,'
        b'"prompt_tokens_details":{"cached_tokens":60,"audio_tokens":10},'
        b'"completion_tokens_details":{"reasoning_tokens":30,"audio_tokens":5}},'
        b'"service_tier":"flex","system_fingerprint":"fp_1"}'
    )

    assert reply == InferenceResponse(
        id="chatcmpl-1",
        model="gpt-5",
        created_s=1_750_000_000,
        service_tier="flex",
        usage=TokenUsage(
            input_uncached=30, cache_read=60, audio_in=10, output=15, reasoning=30, audio_out=5
        ),
        candidates=(
            Candidate(
                parts=(TextPart(text="a"),),
                finish=FinishReason.STOP,
                logprobs={"content": [], "refusal": None},
            ),
            Candidate(parts=(TextPart(text="b"),), finish=FinishReason.LENGTH),
        ),
    )


@pytest.mark.parametrize(
    ("members", "member"),
    [
        ({"reasoning_content": "hm"}, "reasoning_content"),
        ({"reasoning": "hm"}, "reasoning"),
        ({"reasoning": "hm", "reasoning_content": "hm"}, "reasoning_content"),
        (
            {"reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "c2ln"}]},
            '[{"type":"reasoning.text","text":"hm","signature":"c2ln"}]',
        ),
    ],
)
def test_thoughts_are_read_from_every_member(members: dict[str, Any], member: str) -> None:
    assert answer({"content": "4", **members}).parts == (
        thought("hm", member),
        TextPart(text="4"),
    )


def test_content_in_parts_is_read_in_order() -> None:
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"text": "m"}]},
        {"type": "text", "text": "4"},
        {"type": "reference", "reference_ids": [1]},
    ]

    assert answer({"content": content}).parts == (thought("hm", "thinking"), TextPart(text="4"))


def test_calls_are_read_with_ids_made_where_there_are_none() -> None:
    calls = [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
        {"function": {"name": "g", "arguments": {"y": [2]}}},
        {"id": "", "function": {"name": "g", "arguments": ""}},
        {"id": "d", "type": "custom", "custom": {"name": "c", "input": "ls"}},
    ]

    first = answer({"content": None, "tool_calls": calls}, "tool_calls")
    read_calls = [part for part in first.parts if isinstance(part, ToolCallPart)]

    assert [(part.name, part.arguments, part.custom) for part in read_calls] == [
        ("f", '{"x":1}', False),
        ("g", '{"y":[2]}', False),
        ("g", "{}", False),
        ("c", "ls", True),
    ]
    assert len({part.id for part in read_calls}) == 4
    assert answer({"content": None, "tool_calls": calls}, "tool_calls") == first


def test_a_forced_call_is_why_the_model_stopped_though_it_says_stop() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}

    assert answer({"tool_calls": [call]}, "stop").finish is FinishReason.TOOL_CALLS
    assert answer({"tool_calls": [call]}, "length").finish is FinishReason.LENGTH


def test_the_older_form_of_a_call_is_a_call() -> None:
    candidate = answer(
        {"content": None, "function_call": {"name": "f", "arguments": "{}"}}, "function_call"
    )

    assert candidate.finish is FinishReason.TOOL_CALLS
    assert [part.name for part in candidate.parts if isinstance(part, ToolCallPart)] == ["f"]


def test_a_signature_of_geminis_is_that_of_its_call() -> None:
    call = {
        "id": "a",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "c2ln"}},
    }

    (part,) = answer({"tool_calls": [call]}).parts
    assert isinstance(part, ToolCallPart)
    assert part.state == OpaqueState(origin=WireFormat.GEMINI_GENERATE, data="c2ln")


def test_a_refusal_sources_sounds_and_images_are_read() -> None:
    source = {
        "type": "url_citation",
        "url_citation": {
            "url": "https://a.example",
            "title": "A",
            "start_index": 1,
            "end_index": 2,
        },
    }
    audio = {"id": "audio_1", "data": "AAAA", "transcript": "Hi", "expires_at": 5}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}

    assert answer({"content": None, "refusal": "No."}) == Candidate(
        parts=(RefusalPart(text="No."),), finish=FinishReason.REFUSAL
    )
    assert answer({"content": "abc", "annotations": [source, {"type": "file"}]}).parts == (
        TextPart(
            text="abc",
            citations=(Citation(url="https://a.example", title="A", start=1, end=2),),
        ),
    )
    assert answer({"content": None, "audio": audio}).parts == (
        AudioPart(source=Media(data="AAAA"), id="audio_1", transcript="Hi"),
    )
    assert answer({"content": "Here", "images": [image]}).parts == (
        TextPart(text="Here"),
        ImagePart(source=Media(media_type="image/png", data="iVBO")),
    )


@pytest.mark.parametrize(
    ("word", "choice", "reason", "sequence"),
    [
        ("stop", {"stop_reason": "END"}, FinishReason.STOP_SEQUENCE, "END"),
        ("stop", {"stop_reason": 128009}, FinishReason.STOP, None),
        ("stop", {"stop_reason": None}, FinishReason.STOP, None),
        ("content_filter", {}, FinishReason.CONTENT_FILTER, None),
        ("model_length", {}, FinishReason.CONTEXT_WINDOW, None),
        ("max_tokens", {}, FinishReason.LENGTH, None),
        ("eos_token", {}, FinishReason.STOP, None),
        (None, {}, FinishReason.STOP, None),
    ],
)
def test_the_reasons_of_every_server_are_read(
    word: str | None, choice: dict[str, Any], reason: FinishReason, sequence: str | None
) -> None:
    candidate = answer({"content": "x"}, word, **choice)

    assert (candidate.finish, candidate.stop_sequence) == (reason, sequence)


@pytest.mark.parametrize("word", ["error", "abort", "insufficient_system_resource"])
def test_a_fault_of_the_server_is_no_way_to_end_an_answer(word: str) -> None:
    with pytest.raises(UpstreamUnavailable):
        answer({"content": "half"}, word)


def test_half_a_surrogate_pair_costs_one_character_and_not_the_answer() -> None:
    reply = read(b'{"choices":[{"message":{"content":"a\\ud83d b \\ud83d\\ude00"}}]}')

    assert reply.candidates[0].parts == (TextPart(text="a\ufffd b \U0001f600"),)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "slow down", "code": 429}, UpstreamRateLimited),
        ({"message": "bad", "type": "invalid_request_error"}, UpstreamRejected),
        ({"message": "oops", "code": "server_error"}, UpstreamUnavailable),
        ("oops", UpstreamUnavailable),
    ],
)
def test_an_error_instead_of_an_answer_is_classified(
    error: Any, kind: type[UpstreamFailure]
) -> None:
    with pytest.raises(kind):
        read(json.dumps({"error": error}).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Bad gateway</html>",
        b"[]",
        b"{}",
        b'{"choices":null}',
        b'{"choices":[]}',
        b'{"choices":[{}]}',
        b'{"choices":[{"message":null}]}',
        b'{"choices":[{"message":{"content":5}}]}',
        b'{"choices":[{"message":{"content":"x"}}',
        b'{"choices":[{"message":{"tool_calls":[{}]}}]}',
        b'{"choices":[{"message":{"tool_calls":[{"function":{"name":""}}]}}]}',
        b'{"choices":[{"message":{"tool_calls":{}}}]}',
        b'{"choices":[{"index":"a","message":{"content":"x"}}]}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_what_is_no_answer_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        read(body)
