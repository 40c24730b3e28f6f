import json
from typing import Any

import pytest

from adapters.wire.gemini_generate.wire import GeminiWire
from adapters.wire.upstream_errors import MessageScrubber
from domain.accounting.usage import TokenUsage
from domain.errors import (
    UpstreamFailure,
    UpstreamProtocolError,
    UpstreamRejected,
    UpstreamUnavailable,
)
from domain.inference.conversation import (
    AudioPart,
    Citation,
    ImagePart,
    Media,
    OpaqueState,
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
    Started,
    StreamEvent,
    UsageKnown,
)
from domain.inference.head import RequestHead
from domain.inference.response import Candidate, FinishReason, InferenceResponse
from tests.support.collected import collected
from tests.unit.wire.gemini_generate.answers import (
    COUNTED,
    ERROR,
    OVERLOADED,
    USAGE,
    answer,
    call,
    candidate,
    event,
    text,
)

WIRE = GeminiWire()
SCRUBBER = MessageScrubber()
GEMINI = WireFormat.GEMINI_GENERATE
COUNTS = TokenUsage(**COUNTED)


def whole(body: Any) -> InferenceResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return WIRE.decode_reply(raw, scrubber=SCRUBBER)


def only(*parts: Any, **more: Any) -> Candidate:
    (found,) = whole(answer(candidate(*parts, **more))).candidates
    return found


def events(*chunks: Any) -> list[StreamEvent]:
    decoder = WIRE.stream_decoder(RequestHead(model="m", stream=True), scrubber=SCRUBBER)
    found: list[StreamEvent] = []
    for chunk in chunks:
        found += decoder.feed(chunk if isinstance(chunk, bytes) else event(chunk))
    return found + decoder.finish()


def signed(text: str) -> OpaqueState:
    return OpaqueState(origin=GEMINI, data=text)


def test_a_whole_answer() -> None:
    body = answer(
        candidate(text("Hm.", thought=True), text("Hello", thoughtSignature="c2ln"), finish="STOP"),
        createTime="2026-01-02T03:04:05.678Z",
    )
    assert whole(body) == InferenceResponse(
        id="resp-1",
        model="gemini-2.5-flash",
        created_s=1767323045,
        usage=COUNTS,
        candidates=(
            Candidate(
                parts=(ThinkingPart(text="Hm."), TextPart(text="Hello", state=signed("c2ln"))),
                finish=FinishReason.STOP,
            ),
        ),
    )


def test_candidates_are_in_the_order_of_their_numbers() -> None:
    second = candidate(text("b"), finish="MAX_TOKENS", index=1)
    found = whole(answer(second, candidate(text("a"), finish="STOP")))
    assert [each.finish for each in found.candidates] == [FinishReason.STOP, FinishReason.LENGTH]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("STOP", FinishReason.STOP),
        ("MAX_TOKENS", FinishReason.LENGTH),
        ("SAFETY", FinishReason.CONTENT_FILTER),
        ("RECITATION", FinishReason.CONTENT_FILTER),
        ("PROHIBITED_CONTENT", FinishReason.CONTENT_FILTER),
        ("SPII", FinishReason.CONTENT_FILTER),
        ("BLOCKLIST", FinishReason.CONTENT_FILTER),
        ("IMAGE_SAFETY", FinishReason.CONTENT_FILTER),
        ("LANGUAGE", FinishReason.ERROR),
        ("OTHER", FinishReason.ERROR),
        ("MALFORMED_FUNCTION_CALL", FinishReason.MALFORMED_TOOL_CALL),
        ("UNEXPECTED_TOOL_CALL", FinishReason.MALFORMED_TOOL_CALL),
        ("SOMETHING_NEW", FinishReason.ERROR),
        (None, FinishReason.STOP),
    ],
)
def test_finish_reasons(word: str | None, reason: FinishReason) -> None:
    assert only(text("a"), finish=word).finish is reason


def test_a_stop_with_calls_is_for_the_calls_and_no_other_reason_is() -> None:
    assert only(call(), finish="STOP").finish is FinishReason.TOOL_CALLS
    assert only(call(), finish="MAX_TOKENS").finish is FinishReason.LENGTH


def test_calls_without_ids_get_some_that_are_this_answers_own() -> None:
    body = answer(candidate(call(), call(), call("own", id="x1"), finish="STOP"))
    ids = [part.id for part in whole(body).candidates[0].parts if isinstance(part, ToolCallPart)]
    assert len(set(ids)) == 3
    assert ids[2] == "x1"
    assert ids == [p.id for p in whole(body).candidates[0].parts if isinstance(p, ToolCallPart)]
    other = whole(body | {"responseId": "resp-2"}).candidates[0].parts
    assert not {part.id for part in other if isinstance(part, ToolCallPart)} & set(ids[:2])


def test_a_call_keeps_its_arguments_and_its_signature() -> None:
    part = {"functionCall": {"id": "1", "name": "look", "args": {"b": 1.0, "a": 2**70}}}
    assert only({**part, "thoughtSignature": "c2ln"}, finish="STOP").parts == (
        ToolCallPart(
            id="1",
            name="look",
            arguments='{"b":1.0,"a":1180591620717411303424}',
            state=signed("c2ln"),
        ),
    )


def test_images_sounds_and_code_are_parts() -> None:
    code: dict[str, object] = {"executableCode": {"language": "PYTHON", "code": "1"}}
    found = only(
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "AAAA"}},
        code,
        finish="STOP",
    )
    assert found.parts == (
        ImagePart(source=Media(media_type="image/png", data="AAAA")),
        AudioPart(source=Media(media_type="audio/L16;rate=24000", data="AAAA")),
        VendorPart(origin=GEMINI, kind="executableCode", raw=code),
    )


def test_a_prompt_that_was_blocked_is_filtered_content() -> None:
    body = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": USAGE}
    (found,) = whole(body).candidates
    assert found == Candidate(parts=(), finish=FinishReason.CONTENT_FILTER)


GROUNDING: dict[str, Any] = {
    "groundingChunks": [
        {"web": {"uri": "https://a.example", "title": "A"}},
        {"retrievedContext": {"uri": "gs://b", "title": "B", "text": "quoted"}},
        {"somethingNew": {}},
    ],
    "groundingSupports": [
        {
            "segment": {"startIndex": 4, "endIndex": 8, "text": "é b"},
            "groundingChunkIndices": [0, 99, "x"],
        },
        {"segment": {"startIndex": 900, "endIndex": 999}, "groundingChunkIndices": [1]},
    ],
}


def places(found: tuple[Citation, ...]) -> list[tuple[str, int | None, int | None]]:
    return [(each.url, each.start, each.end) for each in found]


def test_sources_are_at_the_characters_that_their_bytes_stand_for() -> None:
    first, second = only(
        text("zzz zzzz"), text("éa é b c"), finish="STOP", groundingMetadata=GROUNDING
    ).parts
    assert isinstance(first, TextPart)
    assert isinstance(second, TextPart)
    assert first.citations == ()
    assert places(second.citations) == [
        ("https://a.example", 3, 6),
        ("gs://b", None, None),
        ("", None, None),
    ]
    assert second.citations[1].cited_text == "quoted"


def test_citations_of_recited_text() -> None:
    source = {"startIndex": 1, "endIndex": 3, "uri": "https://a.example", "license": "mit"}
    for name in ("citationSources", "citations"):
        (part,) = only(text("héllo"), finish="STOP", citationMetadata={name: [source]}).parts
        assert isinstance(part, TextPart)
        assert places(part.citations) == [("https://a.example", 1, 2)]
        assert part.citations[0].raw == {"license": "mit"}


def test_log_probabilities() -> None:
    chosen = {"token": "é", "logProbability": -0.5, "tokenId": 7}
    other = {"token": "e", "logProbability": -1}
    result = {"chosenCandidates": [chosen], "topCandidates": [{"candidates": [chosen, other]}]}
    assert only(text("é"), finish="STOP", logprobsResult=result).logprobs == {
        "content": [
            {
                "token": "é",
                "logprob": -0.5,
                "bytes": [195, 169],
                "top_logprobs": [
                    {"token": "é", "logprob": -0.5, "bytes": [195, 169]},
                    {"token": "e", "logprob": -1, "bytes": [101]},
                ],
            }
        ],
        "refusal": None,
    }


BROKEN: list[Any] = [
    b"",
    b"<html>",
    b"\xff",
    b"null",
    b"7",
    b'{"candidates":[',
    {},
    {"candidates": []},
    {"candidates": 7},
    {"candidates": [7]},
    {"candidates": [{"content": "x"}]},
    {"candidates": [{"content": {"parts": [{"text": 7}]}, "finishReason": "STOP"}]},
    {"candidates": [{"content": {"parts": ["x"]}, "finishReason": "STOP"}]},
    {"candidates": [{"content": {"parts": [{"functionCall": {}}]}, "finishReason": "STOP"}]},
    {"candidates": [{"index": "x", "finishReason": "STOP"}]},
    {"candidates": [{"finishReason": 7}]},
    {"candidates": [{"finishReason": "STOP", "groundingMetadata": 7}]},
    {"candidates": [{"finishReason": "STOP"}], "responseId": 7},
    {"promptFeedback": []},
    b'{"candidates":[{"index":1e999}]}',
    b"[" * 100_000,
    {"error": 7},
    [7],
]


@pytest.mark.parametrize("body", BROKEN)
def test_what_is_no_answer_is_a_protocol_error(body: Any) -> None:
    with pytest.raises(UpstreamProtocolError):
        whole(body)
    with pytest.raises(UpstreamProtocolError):
        events(event(body) if isinstance(body, bytes) else body)


def test_usage_of_another_shape_costs_nobody_the_answer() -> None:
    body = answer(candidate(text("a"), finish="STOP"), usageMetadata={"promptTokenCount": "x"})
    assert whole(body).usage is None


@pytest.mark.parametrize(
    ("body", "kind"), [(ERROR, UpstreamRejected), (OVERLOADED, UpstreamUnavailable)]
)
def test_an_error_is_what_its_status_says(body: Any, kind: type[UpstreamFailure]) -> None:
    for given in (body, [body]):
        with pytest.raises(kind):
            whole(given)
        with pytest.raises(kind):
            events(json.dumps(given, indent=2).encode() + b"\n\n")


def test_a_stream_becomes_events() -> None:
    early = {"promptTokenCount": 8, "totalTokenCount": 8}
    found = events(
        answer(candidate(text("H", thought=True)), usageMetadata=early),
        answer(candidate(text("m.", thought=True))),
        answer(candidate(text("Hel"))),
        answer(candidate(text("lo"))),
        answer(candidate(text("", thoughtSignature="c2ln"))),
        answer(candidate(call(id="1"), finish="STOP")),
    )
    assert found == [
        Started(id="resp-1", model="gemini-2.5-flash", usage=TokenUsage(input_uncached=8)),
        BlockStarted(index=0, kind="thinking"),
        BlockDelta(index=0, text="H"),
        BlockDelta(index=0, text="m."),
        BlockEnded(index=0),
        BlockStarted(index=1, kind="text"),
        BlockDelta(index=1, text="Hel"),
        BlockDelta(index=1, text="lo"),
        BlockEnded(index=1, state=signed("c2ln")),
        BlockStarted(index=2, kind="tool_call", id="1", name="look"),
        BlockDelta(index=2, text='{"at":1}'),
        BlockEnded(index=2),
        Finished(reason=FinishReason.TOOL_CALLS),
        UsageKnown(usage=COUNTS),
    ]


def test_a_signature_ends_its_part_and_what_follows_is_another() -> None:
    found = events(
        answer(candidate(text("a", thoughtSignature="MQ=="), text("b"))),
        answer(candidate(text("c"), call(thoughtSignature="Mg=="), finish="STOP")),
    )
    (reply,) = collected(found).candidates
    assert [getattr(part, "text", "") for part in reply.parts] == ["a", "bc", ""]
    states = [event for event in found if isinstance(event, BlockStarted | BlockEnded)]
    assert [each.state for each in states if each.state] == [signed("MQ==")]


def test_a_calls_signature_is_known_from_its_start() -> None:
    part = {**call(id="1"), "thoughtSignature": "c2ln"}
    (start,) = [
        each
        for each in events(answer(candidate(part, finish="STOP")))
        if isinstance(each, BlockStarted)
    ]
    assert start.state == signed("c2ln")


def test_finish_reasons_with_every_chunk_end_nothing() -> None:
    found = events(
        answer(candidate(text("a"), finish="STOP")),
        answer(candidate(text("b"), finish="STOP")),
        {"usageMetadata": {**USAGE, "candidatesTokenCount": 70}},
    )
    (reply,) = collected(found).candidates
    assert reply.parts == (TextPart(text="ab"),)
    assert collected(found).usage == TokenUsage(input_uncached=8, output=70)


def test_candidates_have_their_own_blocks() -> None:
    found = events(
        answer(candidate(text("a")), candidate(text("x"), index=1)),
        answer(candidate(text("y"), index=1, finish="MAX_TOKENS")),
        answer(candidate(text("b"), finish="STOP")),
    )
    first, second = collected(found).candidates
    assert first.parts == (TextPart(text="ab"),)
    assert (second.parts, second.finish) == ((TextPart(text="xy"),), FinishReason.LENGTH)


def test_media_and_code_are_whole_with_their_start() -> None:
    image = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    sound = {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}}
    paper: dict[str, object] = {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}}
    code: dict[str, object] = {"executableCode": {"code": "1"}}
    found = events(answer(candidate(text("a"), image, sound, paper, code, finish="STOP")))
    starts = [each for each in found if isinstance(each, BlockStarted)]
    assert [each.kind for each in starts] == ["text", "image", "audio", "vendor", "vendor"]
    assert starts[1].image == ImagePart(source=Media(media_type="image/png", data="AAAA"))
    assert starts[3].vendor == VendorPart(origin=GEMINI, kind="media", raw=paper)
    assert starts[4].vendor == VendorPart(origin=GEMINI, kind="executableCode", raw=code)
    assert BlockDelta(index=2, text="AAAA") in found


def test_sources_come_once_while_their_text_is_open() -> None:
    grounded = candidate(text("é b c"), finish="STOP", groundingMetadata=GROUNDING)
    found = events(
        answer(candidate(text("éa "))), answer(grounded), answer(grounded | {"content": None})
    )
    cited = [each for each in found if isinstance(each, CitationAdded)]
    assert places(tuple(each.citation for each in cited))[0] == ("https://a.example", 3, 6)
    assert len(cited) == 3
    assert found.index(cited[-1]) < found.index(BlockEnded(index=0))


def test_a_blocked_stream_is_filtered_content() -> None:
    found = events({"promptFeedback": {"blockReason": "OTHER"}, "usageMetadata": USAGE})
    assert found[1:] == [
        Finished(reason=FinishReason.CONTENT_FILTER),
        UsageKnown(usage=TokenUsage(input_uncached=8, output=3)),
    ]


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [answer(candidate(text("a")))],
        [answer(candidate(text("a"), finish="STOP"), candidate(text("b"), index=1))],
        [{"usageMetadata": USAGE}],
        [event(answer(candidate(text("a"), finish="STOP")))[:-30]],
        [b"data: " + b"x" * (17 << 20)],
        [answer(candidate({"functionCall": {"name": "f", "willContinue": True}}))],
        [answer(candidate({"functionCall": {"name": "f", "partialArgs": []}}))],
    ],
)
def test_a_stream_that_is_cut_or_broken_is_a_protocol_error(chunks: list[Any]) -> None:
    with pytest.raises(UpstreamProtocolError):
        events(*chunks)


def test_events_before_an_error_come_first() -> None:
    decoder = WIRE.stream_decoder(RequestHead(model="m", stream=True), scrubber=SCRUBBER)
    found = decoder.feed(event(answer(candidate(text("a")))) + event(OVERLOADED))
    assert found[-1] == BlockDelta(index=0, text="a")
    for ask in (lambda: decoder.feed(b""), decoder.finish):
        with pytest.raises(UpstreamUnavailable):
            ask()
    assert not decoder.terminated
