"""Anthropic's signatures through clients of another API, and other vendors' through Anthropic's."""

import json
from typing import Any

from hypothesis import given, settings

from adapters.wire.anthropic_messages.dialect import AnthropicMessagesCodec
from adapters.wire.anthropic_messages.wire import AnthropicMessagesWire
from adapters.wire.codec import WireTarget
from adapters.wire.openai_chat.dialect import OpenAIChatCodec
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.dialect import NOT_IN_URL, ReplyContext
from domain.inference.conversation import (
    Message,
    OpaqueState,
    Role,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from domain.inference.dialect import Dialect, WireFormat
from domain.inference.events import BlockDelta, BlockEnded, BlockStarted
from domain.inference.head import RequestHead
from domain.inference.request import InferenceRequest
from domain.inference.response import Candidate, FinishReason, InferenceResponse
from tests.support.canonical import STATES
from tests.unit.wire.anthropic_messages.reaches import context

CHAT = OpenAIChatCodec()
CODEC = AnthropicMessagesCodec()
WIRE = AnthropicMessagesWire()
SCRUBBER = MessageScrubber()
Json = dict[str, Any]

CALL: Json = {"type": "tool_use", "id": "toolu_1", "name": "now", "input": {"zone": "CET"}}


def answer(*blocks: Json) -> bytes:
    body: Json = {"type": "message", "content": list(blocks), "stop_reason": "tool_use"}
    return json.dumps(body).encode()


@settings(deadline=None)
@given(signature=STATES, data=STATES)
def test_thoughts_come_back_through_a_chat_client_as_they_were(signature: str, data: str) -> None:
    blocks: list[Json] = [
        {"type": "thinking", "thinking": "Which zone?", "signature": signature},
        {"type": "redacted_thinking", "data": data},
        CALL,
    ]
    hi = Message(role=Role.USER, parts=(TextPart(text="Hi"),))
    asked = InferenceRequest(source=Dialect.OPENAI_CHAT, model="m", messages=(hi,))
    reply = WIRE.decode_reply(answer(*blocks), scrubber=SCRUBBER)
    chat = json.loads(
        CHAT.encode_reply(
            reply, ReplyContext(request=asked, model="m", reply_id="r-1", created_s=1)
        )
    )
    said = chat["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": said["tool_calls"][0]["id"], "content": "12:00"}
    messages = [{"role": "user", "content": "Hi"}, said, result]
    body = json.dumps({"model": "m", "messages": messages}).encode()
    encoded = WIRE.encode_request(
        CHAT.decode(body, NOT_IN_URL), WireTarget(model="claude-opus-4-6")
    )
    sent = json.loads(encoded.body)["messages"]
    assert sent[1]["content"] == blocks
    assert sent[2]["content"][0]["tool_use_id"] == "toolu_1"


@settings(deadline=None)
@given(data=STATES)
def test_state_of_another_provider_does_not_reach_anthropic(data: str) -> None:
    state = OpaqueState(origin=WireFormat.GEMINI_GENERATE, data=data)
    parts = (
        ThinkingPart(text="hm", state=state),
        TextPart(text="Well.", state=state),
        ToolCallPart(id="c", name="now", arguments="{}", state=state),
    )
    reply = InferenceResponse(
        id="",
        model="",
        candidates=(Candidate(parts=parts, finish=FinishReason.TOOL_CALLS),),
        usage=None,
    )
    said = json.loads(CODEC.encode_reply(reply, context()))["content"]
    turn = {"role": "assistant", "content": said}
    body = json.dumps({"model": "m", "messages": [turn]}).encode()
    encoded = WIRE.encode_request(CODEC.decode(body, NOT_IN_URL), WireTarget(model="m"))
    assert json.loads(encoded.body)["messages"][0]["content"] == [
        {"type": "text", "text": "Well."},
        {"type": "tool_use", "id": "c", "name": "now", "input": {}},
    ]
    assert encoded.dropped == ("thinking.foreign_state",)


def unsigned_thought(text: str = "hm") -> Json:
    """Return the block in which a client is given a thought that its provider did not sign."""
    parts = (ThinkingPart(text=text),)
    candidate = Candidate(parts=parts, finish=FinishReason.STOP)
    reply = InferenceResponse(id="", model="", candidates=(candidate,), usage=None)
    block: Json = json.loads(CODEC.encode_reply(reply, context()))["content"][0]
    return block


def test_a_thought_that_nobody_signed_has_a_signature_for_the_client_and_comes_back_without() -> (
    None
):
    block = unsigned_thought()
    assert block["thinking"] == "hm"
    assert block["signature"].startswith("twst1_")
    turn = {"role": "assistant", "content": [block, {"type": "text", "text": "Hi"}]}
    body = json.dumps({"model": "m", "max_tokens": 9, "messages": [turn]}).encode()
    decoded = CODEC.decode(body, NOT_IN_URL)
    assert decoded.messages[0].parts == (ThinkingPart(text="hm"), TextPart(text="Hi"))
    encoded = WIRE.encode_request(decoded, WireTarget(model="m"))
    assert json.loads(encoded.body)["messages"][0]["content"] == [{"type": "text", "text": "Hi"}]
    passed = WIRE.edit_request(body, RequestHead(model="m"), WireTarget(model="m"))
    assert json.loads(passed)["messages"][0]["content"] == [{"type": "text", "text": "Hi"}]


def test_a_streamed_thought_that_nobody_signed_is_signed_as_a_whole_one_is() -> None:
    encoder = CODEC.stream_encoder(context())
    written = b"".join(
        encoder.encode(event)
        for event in (
            BlockStarted(index=0, kind="thinking"),
            BlockDelta(index=0, text="hm"),
            BlockEnded(index=0),
        )
    )
    deltas = [
        json.loads(line.removeprefix(b"data: "))["delta"]
        for line in written.split(b"\n")
        if line.startswith(b'data: {"type":"content_block_delta"')
    ]
    assert deltas == [
        {"type": "thinking_delta", "thinking": "hm"},
        {"type": "signature_delta", "signature": unsigned_thought()["signature"]},
    ]
