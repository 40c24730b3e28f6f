from hypothesis import given, settings
from msgspec import structs

from adapters.wire.anthropic_messages.dialect import AnthropicMessagesCodec
from adapters.wire.anthropic_messages.wire import AnthropicMessagesWire
from adapters.wire.codec import WireTarget
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.dialect import NOT_IN_URL
from domain.accounting.usage import TokenUsage
from domain.inference.request import InferenceRequest, ToolChoice
from domain.inference.response import InferenceResponse
from tests.support.canonical import replies
from tests.unit.wire.anthropic_messages.reaches import OWN_REQUESTS, REPLIES, context

CODEC = AnthropicMessagesCodec()
WIRE = AnthropicMessagesWire()
SCRUBBER = MessageScrubber()


def as_written(request: InferenceRequest) -> InferenceRequest:
    """Return the request with what is said of parallel calls where the format says it."""
    choice = request.tool_choice
    if request.parallel_tool_calls is None:
        return request
    if choice is None:
        return structs.replace(request, tool_choice=ToolChoice(mode="auto"))
    return structs.replace(request, parallel_tool_calls=None) if choice.mode == "none" else request


@settings(deadline=None)
@given(request=OWN_REQUESTS)
def test_a_request_that_is_written_and_read_again_is_the_same(request: InferenceRequest) -> None:
    encoded = WIRE.encode_request(request, WireTarget(model=request.model))
    assert encoded.dropped == ()
    assert CODEC.decode(encoded.body, NOT_IN_URL) == as_written(request)


@settings(deadline=None)
@given(reply=replies(REPLIES))
def test_an_answer_that_is_written_and_read_again_is_the_same(reply: InferenceResponse) -> None:
    body = CODEC.encode_reply(reply, context(reply.model))
    counted = structs.replace(reply, created_s=0, usage=reply.usage or TokenUsage())
    assert WIRE.decode_reply(body, scrubber=SCRUBBER) == counted
