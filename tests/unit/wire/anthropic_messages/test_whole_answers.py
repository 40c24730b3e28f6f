import json
from typing import Any

import pytest
from msgspec import structs

from adapters.wire.anthropic_messages.dialect import AnthropicMessagesCodec
from adapters.wire.anthropic_messages.wire import AnthropicMessagesWire
from adapters.wire.codec import WireTarget
from adapters.wire.opaque_state import NO_STATE, wrap_state
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.dialect import NOT_IN_URL
from domain.accounting.usage import TokenUsage
from domain.errors import (
    UpstreamFailure,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamUnavailable,
)
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
from domain.inference.response import Candidate, FinishReason, InferenceResponse
from tests.unit.wire.anthropic_messages import sdk
from tests.unit.wire.anthropic_messages.reaches import context
from tests.unit.wire.anthropic_messages.recorded import CITATION, SEARCH

CODEC = AnthropicMessagesCodec()
WIRE = AnthropicMessagesWire()
SCRUBBER = MessageScrubber()
OWN = WireFormat.ANTHROPIC_MESSAGES
GEMINI = OpaqueState(origin=WireFormat.GEMINI_GENERATE, data="c2ln+/=")

REPLY: dict[str, Any] = {
    "id": "msg_01",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-4-6",
    "content": [{"type": "text", "text": "Hi"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 3, "service_tier": "priority"},
}


def read(**members: Any) -> InferenceResponse:
    return WIRE.decode_reply(json.dumps(REPLY | members).encode(), scrubber=SCRUBBER)


def parts(*blocks: dict[str, Any]) -> tuple[Part, ...]:
    return read(content=list(blocks)).candidates[0].parts


def written(*given: Part, finish: FinishReason = FinishReason.STOP, **members: Any) -> bytes:
    reply = InferenceResponse(
        id="resp-1",
        model="gpt-5",
        candidates=(Candidate(parts=given, finish=finish),),
        usage=TokenUsage(input_uncached=5, cache_read=2, output=3, reasoning=4),
    )
    return CODEC.encode_reply(structs.replace(reply, **members), context())


def blocks(*given: Part) -> list[dict[str, Any]]:
    return [block.to_dict() for block in sdk.whole(written(*given)).content]


def test_an_answer_is_read() -> None:
    assert read() == InferenceResponse(
        id="msg_01",
        model="claude-opus-4-6",
        candidates=(Candidate(parts=(TextPart(text="Hi"),), finish=FinishReason.STOP),),
        usage=TokenUsage(input_uncached=9, output=3),
        service_tier="priority",
    )


def test_arguments_keep_their_bytes() -> None:
    call = b'{"type":"tool_use","id":"c","name":"n","input":{"a": 1.50, "b":1e2}}'
    body = json.dumps(REPLY | {"content": ["HERE"]}).encode().replace(b'"HERE"', call)
    reply = WIRE.decode_reply(body, scrubber=SCRUBBER)
    assert reply.candidates[0].parts == (
        ToolCallPart(id="c", name="n", arguments='{"a": 1.50, "b":1e2}'),
    )


def test_every_kind_of_block_is_read() -> None:
    assert parts(
        {"type": "thinking", "thinking": "hm", "signature": "Eq+/="},
        {"type": "redacted_thinking", "data": "Em+/="},
        {"type": "text", "text": "It rains.", "citations": [CITATION]},
        {"type": "tool_use", "id": "c", "name": "now", "input": {}, "caller": {"type": "direct"}},
        SEARCH,
        {"type": "from_the_future", "x": [None]},
    ) == (
        ThinkingPart(text="hm", state=OpaqueState(origin=OWN, data="Eq+/=")),
        ThinkingPart(state=OpaqueState(origin=OWN, data="Em+/="), redacted=True),
        TextPart(
            text="It rains.",
            citations=(
                Citation(
                    url="https://weather.example/paris",
                    title="Weather",
                    cited_text="Rain in Paris",
                    origin=OWN,
                    raw=CITATION,
                ),
            ),
        ),
        ToolCallPart(id="c", name="now", arguments="{}"),
        VendorPart(origin=OWN, kind="web_search_tool_result", raw=SEARCH),
        VendorPart(
            origin=OWN, kind="from_the_future", raw={"type": "from_the_future", "x": [None]}
        ),
    )


def test_an_answer_without_a_reason_goes_by_its_content() -> None:
    call = {"type": "tool_use", "id": "c", "name": "now", "input": None}
    candidate = read(content=[call], stop_reason=None).candidates[0]
    assert candidate.finish is FinishReason.TOOL_CALLS
    assert candidate.parts == (ToolCallPart(id="c", name="now", arguments="{}"),)


def test_the_explanation_of_a_refusal_is_what_the_model_says() -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "Not that."}
    reply = read(content=[], stop_reason="refusal", stop_details=details)
    assert reply.candidates[0].parts == (RefusalPart(text="Not that."),)


def test_half_a_character_is_replaced() -> None:
    body = json.dumps(REPLY).encode().replace(b'"Hi"', b'"H\\ud83d"')
    reply = WIRE.decode_reply(body, scrubber=SCRUBBER)
    assert reply.candidates[0].parts == (TextPart(text="H�"),)


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (
            b'{"type":"error","error":{"type":"overloaded_error","message":"Busy"}}',
            UpstreamRateLimited,
        ),
        (b'{"type":"error","error":5}', UpstreamUnavailable),
        (b'{"error":{"message":"odd"}}', UpstreamUnavailable),
        (b"", UpstreamProtocolError),
        (b"<html>Bad Gateway</html>", UpstreamProtocolError),
        (b'{"content":[', UpstreamProtocolError),
        (b'{"content":null}', UpstreamProtocolError),
        (b'{"content":["text"]}', UpstreamProtocolError),
        (b'{"content":[{"type":"text","text":5}]}', UpstreamProtocolError),
        (b'{"content":[{"type":"tool_use","name":"n","input":{}}]}', UpstreamProtocolError),
        (b'{"content":[],"model":7}', UpstreamProtocolError),
        (b"\xff", UpstreamProtocolError),
        (b"[" * 5000, UpstreamProtocolError),
    ],
)
def test_what_is_no_answer_is_a_failure(body: bytes, failure: type[UpstreamFailure]) -> None:
    with pytest.raises(failure):
        WIRE.decode_reply(body, scrubber=SCRUBBER)


def test_the_official_client_reads_an_answer() -> None:
    message = sdk.whole(written(TextPart(text="Hi")))
    assert message.id == "resp-1"
    assert message.model == "claude-public"
    assert message.stop_reason == "end_turn"
    assert message.usage.input_tokens == 5
    assert message.usage.cache_read_input_tokens == 2
    assert message.usage.output_tokens == 7


def test_an_answer_without_usage_counts_nothing() -> None:
    usage = sdk.whole(written(TextPart(text="Hi"), usage=None)).usage
    assert (usage.input_tokens, usage.output_tokens) == (0, 0)


def test_an_answer_without_an_id_gets_one() -> None:
    assert sdk.whole(written(TextPart(text="Hi"), id="")).id == "msg_r-1"


def test_every_kind_of_part_is_written() -> None:
    own = OpaqueState(origin=OWN, data="Eq+/=")
    assert blocks(
        ThinkingPart(text="hm", state=own),
        ThinkingPart(state=own, redacted=True),
        ThinkingPart(text="unsigned"),
        TextPart(text="It rains.", citations=(Citation(origin=OWN, raw=CITATION),)),
        ToolCallPart(id="c", name="now", arguments=""),
        ToolCallPart(id="d", name="look", arguments='{"a":'),
        RefusalPart(text="No."),
        ImagePart(source=Media(media_type="image/png", data="QUJD")),
        AudioPart(source=Media(data="QUJD"), transcript="Hello"),
        VendorPart(origin=OWN, kind="web_search_tool_result", raw=SEARCH),
        VendorPart(origin=WireFormat.OPENAI_RESPONSES, kind="web_search_call", raw={}),
    ) == [
        {"type": "thinking", "thinking": "hm", "signature": "Eq+/="},
        {"type": "redacted_thinking", "data": "Eq+/="},
        {"type": "thinking", "thinking": "unsigned", "signature": wrap_state(NO_STATE)},
        {"type": "text", "text": "It rains.", "citations": [CITATION]},
        {"type": "tool_use", "id": "c", "name": "now", "input": {}},
        {"type": "tool_use", "id": "d", "name": "look", "input": {"arguments": '{"a":'}},
        {"type": "text", "text": "No."},
        {"type": "text", "text": "![image](data:image/png;base64,QUJD)"},
        {"type": "text", "text": "Hello"},
        SEARCH,
    ]


def test_a_citation_of_another_provider_is_one_of_the_web_and_does_not_go_to_anthropic() -> None:
    cited = Citation(url="https://a.example", title="A", cited_text="b")
    sent = blocks(TextPart(text="Hi", citations=(cited,)))
    assert sent[0]["citations"] == [
        {
            "type": "web_search_result_location",
            "url": "https://a.example",
            "title": "A",
            "cited_text": "b",
            "encrypted_index": "",
        }
    ]
    turn = {"role": "assistant", "content": sent}
    body = json.dumps({"model": "m", "messages": [turn]}).encode()
    request = CODEC.decode(body, NOT_IN_URL)
    assert request.messages[0].parts == (TextPart(text="Hi", citations=(cited,)),)
    encoded = WIRE.encode_request(request, WireTarget(model="m"))
    assert encoded.dropped == ("text.citations",)
    assert json.loads(encoded.body)["messages"][0]["content"] == [{"type": "text", "text": "Hi"}]


def test_state_of_another_provider_survives_two_visits_to_the_client() -> None:
    parts_ = (
        ThinkingPart(text="hm", state=GEMINI),
        ThinkingPart(state=GEMINI, redacted=True),
        TextPart(text="Well.", state=GEMINI),
        ToolCallPart(id="a", name="look", arguments="{}", state=GEMINI),
    )
    once = returned(parts_)
    assert once == parts_
    assert returned(once) == parts_


def returned(given: tuple[Part, ...]) -> tuple[Part, ...]:
    """Return an answer's parts as they come back in the next request."""
    content = [block.to_dict() for block in sdk.whole(written(*given)).content]
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "assistant", "content": content}]}
    return CODEC.decode(json.dumps(body).encode(), NOT_IN_URL).messages[0].parts


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        (FinishReason.STOP, "end_turn"),
        (FinishReason.LENGTH, "max_tokens"),
        (FinishReason.STOP_SEQUENCE, "stop_sequence"),
        (FinishReason.TOOL_CALLS, "tool_use"),
        (FinishReason.PAUSE, "pause_turn"),
        (FinishReason.REFUSAL, "refusal"),
        (FinishReason.CONTENT_FILTER, "refusal"),
        (FinishReason.CONTEXT_WINDOW, "model_context_window_exceeded"),
    ],
)
def test_reasons_to_stop_are_written(finish: FinishReason, reason: str) -> None:
    assert sdk.whole(written(TextPart(text="a"), finish=finish)).stop_reason == reason


@pytest.mark.parametrize("finish", [FinishReason.STOP, FinishReason.MALFORMED_TOOL_CALL])
def test_an_answer_with_calls_asks_for_their_results(finish: FinishReason) -> None:
    call = ToolCallPart(id="c", name="now", arguments="{}")
    assert sdk.whole(written(call, finish=finish)).stop_reason == "tool_use"


@pytest.mark.parametrize("finish", [FinishReason.ERROR, FinishReason.MALFORMED_TOOL_CALL])
def test_a_broken_answer_is_an_error_and_not_an_answer(finish: FinishReason) -> None:
    with pytest.raises(UpstreamUnavailable):
        written(TextPart(text="a"), finish=finish)


def test_a_refusal_says_why() -> None:
    body = written(RefusalPart(text="No."), finish=FinishReason.REFUSAL)
    message = sdk.whole(body)
    assert message.stop_details is not None
    assert message.stop_details.explanation == "No."
    reply = WIRE.decode_reply(body, scrubber=SCRUBBER)
    assert reply.candidates[0].parts == (RefusalPart(text="No."),)
