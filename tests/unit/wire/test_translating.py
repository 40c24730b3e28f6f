"""Answers whose end cannot be written, and answers that nest too deeply to be written."""

import pytest

from adapters.wire.anthropic_messages.dialect import AnthropicMessagesCodec
from adapters.wire.anthropic_messages.wire import AnthropicMessagesWire
from adapters.wire.bedrock_converse.wire import BedrockConverseWire
from adapters.wire.codec import WireCodec
from adapters.wire.gemini_generate.dialect import GeminiCodec
from adapters.wire.translating import TranslatingReplyScanner, TranslatingStreamScanner
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.dialect import ConversationCodec, ReplyContext
from domain.errors import UpstreamFailure, UpstreamProtocolError
from domain.inference.conversation import Message, Role, TextPart
from domain.inference.dialect import Dialect
from domain.inference.head import RequestHead
from domain.inference.request import InferenceRequest
from tests.unit.wire.bedrock_converse.streams import METADATA, ROLE, TEXT, event

SCRUBBER = MessageScrubber()
MESSAGES = AnthropicMessagesCodec()


def context() -> ReplyContext:
    hi = Message(role=Role.USER, parts=(TextPart(text="Hi"),))
    request = InferenceRequest(source=Dialect.ANTHROPIC_MESSAGES, model="m", messages=(hi,))
    return ReplyContext(request=request, model="m", reply_id="r", created_s=1)


def streamed(wire: WireCodec) -> TranslatingStreamScanner:
    decoder = wire.stream_decoder(RequestHead(model="m", stream=True), scrubber=SCRUBBER)
    return TranslatingStreamScanner(decoder, MESSAGES.stream_encoder(context()))


def whole(wire: WireCodec, dialect: ConversationCodec) -> TranslatingReplyScanner:
    return TranslatingReplyScanner(wire, dialect, context(), max_bytes=10**6, scrubber=SCRUBBER)


def test_what_was_said_before_a_broken_end_in_the_same_chunk_is_sent_first() -> None:
    scanner = streamed(BedrockConverseWire())
    broken = event("messageStop", stopReason="malformed_model_output")
    written = scanner.feed(ROLE + TEXT + broken + METADATA)
    assert b"Hello" in written
    assert b"message_stop" not in written
    for _ in range(2):
        with pytest.raises(UpstreamFailure):
            scanner.finish()


def test_an_answer_that_nests_too_deeply_to_be_written_is_the_providers_fault() -> None:
    raised = False
    for depth in range(900, 1000):
        deep = '{"a":' * depth + "1" + "}" * depth
        call = f'{{"type":"tool_use","id":"a","name":"b","input":{deep}}}'
        body = f'{{"type":"message","content":[{call}],"stop_reason":"end_turn"}}'
        scanner = whole(AnthropicMessagesWire(), GeminiCodec())
        scanner.feed(body.encode())
        try:
            scanner.finish()
        except UpstreamProtocolError:
            raised = True
    assert raised


def test_a_block_that_does_not_say_what_it_is_is_handed_on() -> None:
    scanner = whole(AnthropicMessagesWire(), MESSAGES)
    scanner.feed(b'{"type":"message","content":[{"secret":1}],"stop_reason":"end_turn"}')
    assert b'{"secret":1}' in scanner.finish()
