"""A whole answer, written for a client of Anthropic's API."""

import msgspec

from adapters.wire.anthropic_messages.arguments import input_of
from adapters.wire.anthropic_messages.carried import (
    write_signature,
    write_state,
    write_state_of_previous,
)
from adapters.wire.anthropic_messages.citations import write_citation
from adapters.wire.anthropic_messages.finishes import write_stop_reason
from adapters.wire.anthropic_messages.usage import write_usage
from adapters.wire.custom_tools import call_arguments
from adapters.wire.opaque_state import Carried, carry_in_id
from adapters.wire.reading import JsonObject
from application.ports.dialect import ReplyContext
from domain.inference.conversation import (
    AudioPart,
    ImagePart,
    OpaqueState,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    VendorPart,
)
from domain.inference.dialect import WireFormat
from domain.inference.response import FinishReason, InferenceResponse

_ENCODER = msgspec.json.Encoder()


def encode_reply(reply: InferenceResponse, context: ReplyContext) -> bytes:
    """Return the answer. Of several candidates the first is written: the dialect asks for one.

    Raises:
        UpstreamUnavailable: the provider says that the answer is broken.
    """
    candidate = reply.candidates[0]
    content = [block for part in candidate.parts for block in blocks_of(part)]
    called = any(block.get("type") == "tool_use" for block in content)
    message = message_head(reply.id, context)
    message["content"] = content
    message["stop_reason"] = write_stop_reason(candidate.finish, called=called)
    message["stop_sequence"] = candidate.stop_sequence
    if candidate.finish in {FinishReason.REFUSAL, FinishReason.CONTENT_FILTER}:
        refused = [part.text for part in candidate.parts if isinstance(part, RefusalPart)]
        message["stop_details"] = stop_details("".join(refused))
    message["usage"] = write_usage(reply.usage, reply.service_tier)
    return _ENCODER.encode(message)


def message_head(reply_id: str, context: ReplyContext) -> JsonObject:
    """Return the first members of a message."""
    return {
        "id": reply_id or f"msg_{context.reply_id}",
        "type": "message",
        "role": "assistant",
        "model": context.model,
    }


def stop_details(explanation: str) -> JsonObject:
    """Return the member that tells of a refusal."""
    return {"type": "refusal", "category": None, "explanation": explanation or None}


def blocks_of(part: Part) -> list[JsonObject]:
    """Return the blocks of a part: mostly one, with another vendor's state after it two.

    Blocks of another vendor's are left out: a client that could not ask for them cannot read them.
    """
    blocks: list[JsonObject] = []
    match part:
        case TextPart():
            blocks = [text_block(part), *_carrying(part.state)]
        case RefusalPart():
            blocks = [text_block(TextPart(text=part.text))]
        case ThinkingPart():
            blocks = [thinking_block(part)]
        case ToolCallPart():
            call = call_block(carried_id(part.id, part.state), part.name)
            blocks = [call | {"input": input_of(call_arguments(part))}]
        case VendorPart() if part.origin is WireFormat.ANTHROPIC_MESSAGES:
            blocks = [part.raw]
        case ImagePart():
            blocks = [text_block(TextPart(text=image_text(part)))]
        case AudioPart() if part.transcript:
            blocks = [text_block(TextPart(text=part.transcript))]
        case _:
            pass
    return blocks


def text_block(part: TextPart) -> JsonObject:
    """Return a text block."""
    block: JsonObject = {"type": "text", "text": part.text}
    if part.citations:
        block["citations"] = [write_citation(each) for each in part.citations]
    return block


def thinking_block(part: ThinkingPart) -> JsonObject:
    """Return a block of thinking."""
    if part.redacted:
        return redacted_block(write_state(part.state))
    return {"type": "thinking", "thinking": part.text, "signature": write_signature(part.state)}


def redacted_block(data: str) -> JsonObject:
    """Return a block that holds state and nothing to read."""
    return {"type": "redacted_thinking", "data": data}


def call_block(call_id: str, name: str) -> JsonObject:
    """Return a call without arguments."""
    return {"type": "tool_use", "id": call_id, "name": name, "input": {}}


def carried_id(call_id: str, state: OpaqueState | None) -> str:
    """Return the id of a call, with the state on it inside."""
    return carry_in_id(call_id, Carried(state=state))


def _carrying(state: OpaqueState | None) -> list[JsonObject]:
    return [redacted_block(write_state_of_previous(state))] if state is not None else []


def image_text(part: ImagePart) -> str:
    """Return Markdown of a generated image: the dialect has no block for it in answers."""
    source = part.source
    data = f"data:{source.media_type};base64,{source.data}" if source.data is not None else None
    return f"![image]({data or source.url or source.file_id})"
