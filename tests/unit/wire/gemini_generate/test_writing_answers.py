"""Answers as Gemini's clients get them, read by the official one."""

import json
from typing import Any

import pytest
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from adapters.wire.gemini_generate.dialect import GeminiCodec
from domain.accounting.usage import TokenUsage
from domain.inference.conversation import (
    AudioPart,
    Citation,
    ImagePart,
    Media,
    OpaqueState,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    VendorPart,
)
from domain.inference.dialect import WireFormat
from domain.inference.events import (
    BlockDelta,
    BlockEnded,
    BlockStarted,
    CitationAdded,
    Finished,
    LogprobsAdded,
    Started,
    StreamEvent,
    UsageKnown,
)
from domain.inference.response import Candidate, FinishReason, InferenceResponse
from tests.support.canonical_events import event_sequences
from tests.support.collected import collected
from tests.unit.wire.gemini_generate import sdk
from tests.unit.wire.gemini_generate.reaches import REPLIES, context

CODEC = GeminiCodec()
CLAUDE = OpaqueState(origin=WireFormat.ANTHROPIC_MESSAGES, data="claude's own")


def reply(*parts: Part, finish: FinishReason = FinishReason.STOP, **more: Any) -> InferenceResponse:
    candidate = Candidate(parts=parts, finish=finish, **more)
    return InferenceResponse(id="r", model="m-1", candidates=(candidate,), usage=None)


def body(given: InferenceResponse, *, show: bool = False) -> dict[str, Any]:
    return json.loads(CODEC.encode_reply(given, context(show=show)))


def parts(*given: Part, show: bool = False) -> list[dict[str, Any]]:
    return body(reply(*given), show=show)["candidates"][0]["content"]["parts"]


def chunks(*events: StreamEvent, show: bool = False) -> list[dict[str, Any]]:
    raw = written(CODEC, *events, show=show)
    return [json.loads(event.removeprefix(b"data: ")) for event in raw.split(b"\n\n")[:-1]]


def written(codec: GeminiCodec, *events: StreamEvent, show: bool = False) -> bytes:
    encoder = codec.stream_encoder(context(show=show))
    return b"".join([encoder.encode(event) for event in events]) + encoder.finish()


def streamed_parts(*events: StreamEvent, show: bool = False) -> list[dict[str, Any]]:
    return [
        part
        for chunk in chunks(*events, show=show)
        for part in chunk["candidates"][0]["content"]["parts"]
    ]


def test_an_answer_has_the_providers_name_and_id_or_ours() -> None:
    found = body(reply(TextPart(text="Hi")))
    assert (found["modelVersion"], found["responseId"]) == ("m-1", "r")
    found = body(structs.replace(reply(), id="", model=""))
    assert (found["modelVersion"], found["responseId"]) == ("gemini-public", "r-1")


def test_an_empty_answer_is_no_broken_one() -> None:
    (found,) = body(reply(finish=FinishReason.CONTENT_FILTER))["candidates"]
    assert found == {"content": {"role": "model"}, "finishReason": "SAFETY", "index": 0}


@pytest.mark.parametrize("reason", FinishReason)
def test_every_finish_reason_has_a_word_that_the_official_client_knows(
    reason: FinishReason,
) -> None:
    read = sdk.whole(CODEC.encode_reply(reply(TextPart(text="a"), finish=reason), context()))
    assert read.candidates
    assert read.candidates[0].finish_reason in set(types.FinishReason)
    assert isinstance(read.candidates[0].finish_reason, types.FinishReason)


def test_calls_are_whole() -> None:
    assert parts(
        ToolCallPart(id="toolu_1", name="look", arguments='{"a":1}'),
        ToolCallPart(id="c2", name="run", arguments="x = 1", custom=True),
        ToolCallPart(id="c3", name="look", arguments='{"a":'),
    ) == [
        {"functionCall": {"id": "toolu_1", "name": "look", "args": {"a": 1}}},
        {"functionCall": {"id": "c2", "name": "run", "args": {"input": "x = 1"}}},
        {"functionCall": {"id": "c3", "name": "look", "args": {"arguments": '{"a":'}}},
    ]


def test_media_refusals_and_google_s_own_parts() -> None:
    code: dict[str, object] = {"executableCode": {"code": "1"}}
    assert parts(
        RefusalPart(text="No."),
        ImagePart(source=Media(media_type="image/png", data="AAAA")),
        ImagePart(source=Media(file_id="file-of-another-vendor")),
        AudioPart(source=Media(media_type="audio/wav", data="AAAA"), transcript="Hi"),
        VendorPart(origin=WireFormat.GEMINI_GENERATE, kind="executableCode", raw=code),
        VendorPart(origin=WireFormat.OPENAI_RESPONSES, kind="web_search_call", raw={}),
    ) == [
        {"text": "No."},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {
            "inlineData": {"mimeType": "audio/wav", "data": "AAAA"},
            "audioTranscription": {"text": "Hi"},
        },
        code,
    ]


def test_thoughts_are_shown_to_those_who_asked() -> None:
    thought = ThinkingPart(text="Hm.")
    assert parts(thought, TextPart(text="So."), show=True) == [
        {"text": "Hm.", "thought": True},
        {"text": "So."},
    ]
    assert parts(thought, TextPart(text="So.")) == [{"text": "So."}]


def test_thinking_that_must_come_back_travels_with_the_part_after_it() -> None:
    signed = ThinkingPart(text="Hm.", state=CLAUDE)
    call = ToolCallPart(id="1", name="look", arguments="{}")
    for show in (True, False):
        *shown, last = parts(signed, call, show=show)
        assert shown == ([{"text": "Hm.", "thought": True}] if show else [])
        assert last["thoughtSignature"]
    (alone,) = parts(signed)
    assert alone["text"] == ""
    assert alone["thoughtSignature"]


def test_usage_and_sources() -> None:
    cited = TextPart(
        text="é a b",
        citations=(
            Citation(url="https://a.example", title="A", start=2, end=3),
            Citation(url="https://b.example"),
        ),
    )
    given = structs.replace(
        reply(TextPart(text="x"), cited),
        usage=TokenUsage(input_uncached=5, cache_read=2, output=3, reasoning=4, audio_in=1),
    )
    found = body(given)
    assert found["usageMetadata"] == {
        "promptTokenCount": 8,
        "cachedContentTokenCount": 2,
        "candidatesTokenCount": 3,
        "thoughtsTokenCount": 4,
        "totalTokenCount": 15,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 7},
            {"modality": "AUDIO", "tokenCount": 1},
        ],
    }
    assert found["candidates"][0]["groundingMetadata"] == {
        "groundingChunks": [
            {"web": {"uri": "https://a.example", "title": "A"}},
            {"web": {"uri": "https://b.example"}},
        ],
        "groundingSupports": [
            {
                "segment": {"startIndex": 3, "endIndex": 4, "text": "a", "partIndex": 1},
                "groundingChunkIndices": [0],
            }
        ],
    }


LOGPROBS: dict[str, object] = {
    "content": [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": -2.0}]}],
    "refusal": None,
}  # fmt: skip


def test_log_probabilities() -> None:
    wanted = {
        "chosenCandidates": [{"token": "a", "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": "b", "logProbability": -2.0}]}],
    }
    found = body(reply(TextPart(text="a"), logprobs=LOGPROBS))["candidates"][0]
    assert found["logprobsResult"] == wanted
    read = sdk.whole(json.dumps({"candidates": [found]}).encode())
    assert read.candidates
    assert read.candidates[0].logprobs_result is not None
    streamed = chunks(LogprobsAdded(logprobs=LOGPROBS))
    assert streamed[0]["candidates"][0]["logprobsResult"] == wanted


START = Started(id="r", model="m-1", usage=TokenUsage(input_uncached=5))
DONE = Finished(reason=FinishReason.STOP)


def block(index: int, kind: Any, *texts: str, **more: Any) -> list[StreamEvent]:
    end = more.pop("end", None)
    return [
        BlockStarted(index=index, kind=kind, **more),
        *[BlockDelta(index=index, text=each) for each in texts],
        BlockEnded(index=index, state=end),
    ]


def test_a_stream_gives_text_as_it_comes_and_ends_with_reasons_and_usage() -> None:
    found = chunks(
        START, *block(0, "text", "Hel", "lo"), DONE, UsageKnown(usage=TokenUsage(output=2))
    )
    assert [chunk["candidates"][0]["content"]["parts"] for chunk in found] == [
        [{"text": "Hel"}],
        [{"text": "lo"}],
        [{"text": ""}],
    ]
    assert [chunk["candidates"][0].get("finishReason") for chunk in found] == [None, None, "STOP"]
    assert [chunk.get("usageMetadata") is None for chunk in found] == [True, True, False]
    assert {(chunk["responseId"], chunk["modelVersion"]) for chunk in found} == {("r", "m-1")}


def test_usage_that_only_the_start_told_is_told_at_the_end() -> None:
    (last,) = chunks(START, DONE)
    assert last["usageMetadata"]["promptTokenCount"] == 5


def test_calls_that_mix_come_whole_and_apart() -> None:
    found = streamed_parts(
        BlockStarted(index=0, kind="tool_call", id="1", name="a"),
        BlockDelta(index=0, text='{"x"'),
        BlockStarted(index=1, kind="tool_call", id="2", name="b"),
        BlockDelta(index=0, text=":1}"),
        BlockEnded(index=0),
        BlockEnded(index=1),
        Finished(reason=FinishReason.TOOL_CALLS),
    )
    assert found == [
        {"functionCall": {"id": "1", "name": "a", "args": {"x": 1}}},
        {"functionCall": {"id": "2", "name": "b", "args": {}}},
        {"text": ""},
    ]


def test_a_call_that_never_ended_is_not_lost() -> None:
    found = streamed_parts(BlockStarted(index=0, kind="tool_call", id="1", name="a"))
    assert found == [{"functionCall": {"id": "1", "name": "a", "args": {}}}]


def test_a_stream_without_a_finish_ends_well_formed() -> None:
    (last,) = chunks(START)
    assert last["candidates"][0]["finishReason"] == "STOP"


def test_streamed_state_travels_with_the_next_part_and_that_of_a_text_at_its_end() -> None:
    gemini = OpaqueState(origin=WireFormat.GEMINI_GENERATE, data="c2ln")
    found = streamed_parts(
        *block(0, "thinking", "Hm", ".", end=CLAUDE),
        *block(1, "redacted_thinking", state=CLAUDE),
        *block(2, "text", "So", " what", end=gemini),
        DONE,
        show=True,
    )
    thoughts, first, rest = found[:2], found[2], found[3:]
    assert thoughts == [{"text": "Hm", "thought": True}, {"text": ".", "thought": True}]
    assert first["text"] == "So"
    assert first["thoughtSignature"]
    assert rest == [
        {"text": " what"},
        {"text": "", "thoughtSignature": "c2ln"},
        {"text": ""},
    ]


def test_streamed_sources_come_with_the_end() -> None:
    citation = Citation(url="https://a.example", start=1, end=2)
    found = chunks(
        *block(0, "text", "é"),
        BlockStarted(index=1, kind="text"),
        BlockDelta(index=1, text="ab"),
        CitationAdded(index=1, citation=citation),
        BlockEnded(index=1),
        DONE,
    )
    grounding = found[-1]["candidates"][0]["groundingMetadata"]
    assert grounding["groundingSupports"][0]["segment"] == {
        "startIndex": 3,
        "endIndex": 4,
        "text": "b",
    }


def test_streamed_media() -> None:
    image = ImagePart(source=Media(media_type="image/png", data="AAAA"))
    found = streamed_parts(
        *block(0, "image", image=image),
        BlockStarted(index=1, kind="audio", id="a"),
        BlockDelta(index=1, text="AAAA"),
        BlockDelta(index=1, text="", transcript="Hi"),
        BlockEnded(index=1),
        DONE,
    )
    assert found == [
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "AAAA"}},
        {"audioTranscription": {"text": "Hi"}},
        {"text": ""},
    ]


def test_a_count_of_tokens() -> None:
    assert json.loads(CODEC.encode_count(31)) == {"totalTokens": 31}


@settings(deadline=None, max_examples=60)
@given(events=event_sequences(REPLIES), chunk=st.integers(1, 200))
def test_the_official_client_reads_every_stream(events: list[StreamEvent], chunk: int) -> None:
    read = sdk.streamed(written(CODEC, *events, show=True), chunk=chunk)
    expected = collected(events)
    for number, candidate in enumerate(expected.candidates):
        found = sdk.parts_of(read, number)
        assert texts(found, thought=False) == words(candidate, TextPart)
        assert texts(found, thought=True) == words(candidate, ThinkingPart)
        calls = {each.function_call.id: each.function_call for each in found if each.function_call}
        wanted = [part for part in candidate.parts if isinstance(part, ToolCallPart)]
        assert {call_id: call.args for call_id, call in calls.items()} == {
            part.id: json.loads(part.arguments) for part in wanted
        }
    last = read[-1]
    assert [each.finish_reason is not None for each in last.candidates or []] == [True] * len(
        expected.candidates
    )
    assert (last.usage_metadata is None) == (expected.usage is None)
    assert last.response_id == expected.id


def texts(found: list[types.Part], *, thought: bool) -> str:
    return "".join(each.text or "" for each in found if bool(each.thought) is thought)


def words(candidate: Candidate, kind: type[TextPart | ThinkingPart]) -> str:
    return "".join(part.text for part in candidate.parts if isinstance(part, kind))


def test_the_official_clients_chats_remember_a_turn_that_was_silent_for_a_while() -> None:
    silence = CODEC.keep_alive
    events = block(0, "text", "Hello")
    encoder = CODEC.stream_encoder(context())
    answer = silence + b"".join([encoder.encode(each) for each in events]) + silence
    exchange = sdk.exchange()
    exchange.give(answer + encoder.encode(DONE) + encoder.finish())
    chat = exchange.client.chats.create(model="m")
    assert "".join(chunk.text or "" for chunk in chat.send_message_stream("Hi")) == "Hello"
    said = chat.get_history(curated=True)
    assert "".join(part.text or "" for content in said for part in content.parts or []) == "HiHello"
    assert len(said) > 1


def test_silence_in_an_array_is_white_space() -> None:
    codec = GeminiCodec(array=True)
    encoder = codec.stream_encoder(context())
    raw = codec.keep_alive
    for each in [*block(0, "text", "a", "b"), DONE]:
        raw += encoder.encode(each) + codec.keep_alive
    found = json.loads(raw + encoder.finish())
    assert len(found) == 3
    assert codec.stream_content_type.startswith(b"application/json")
    assert CODEC.stream_content_type.startswith(b"text/event-stream")
