"""A whole answer of Anthropic's, read into the canonical model."""

import msgspec

from adapters.wire.anthropic_messages.decode_blocks import read_part
from adapters.wire.anthropic_messages.errors import failure_inside
from adapters.wire.anthropic_messages.finishes import read_stop_reason
from adapters.wire.anthropic_messages.frames import decode_reply as peek_reply
from adapters.wire.anthropic_messages.frames import is_null, mend_surrogates
from adapters.wire.anthropic_messages.usage import UsageTally
from adapters.wire.schemas.anthropic_messages import WholeReply
from adapters.wire.upstream_errors import MessageScrubber
from domain.errors import UpstreamProtocolError
from domain.inference.conversation import Part, RefusalPart, TextPart, ToolCallPart
from domain.inference.response import Candidate, FinishReason, InferenceResponse

_REPLY = msgspec.json.Decoder(WholeReply)


def decode_reply(body: bytes, *, scrubber: MessageScrubber) -> InferenceResponse:
    """Return the answer.

    Raises:
        UpstreamFailure: an error object instead of an answer.
        UpstreamProtocolError: no message in JSON.
    """
    try:
        reply = _REPLY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        reply = _second_look(body, scrubber)
    if reply.type == "error":
        raise failure_inside(peek_reply(body).error, scrubber)
    parts = [read_part(raw) for raw in reply.content]
    called = any(isinstance(part, ToolCallPart) for part in parts)
    finish = read_stop_reason(reply.stop_reason, called=called)
    explanation = reply.stop_details.explanation if reply.stop_details else None
    if finish is FinishReason.REFUSAL and explanation:
        _add_refusal(parts, explanation)
    tally = UsageTally()
    tally.note(reply.usage)
    return InferenceResponse(
        id=reply.id or "",
        model=reply.model or "",
        candidates=(
            Candidate(parts=tuple(parts), finish=finish, stop_sequence=reply.stop_sequence),
        ),
        usage=tally.usage,
        service_tier=tally.service_tier,
    )


def _second_look(body: bytes, scrubber: MessageScrubber) -> WholeReply:
    """Return an answer that the strict decoder refused, or say what is wrong with it."""
    found = peek_reply(body)
    if found.type == "error" or not is_null(found.error):
        raise failure_inside(found.error, scrubber)
    try:
        return _REPLY.decode(mend_surrogates(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamProtocolError("the answer is no message") from None


def _add_refusal(parts: list[Part], explanation: str) -> None:
    """Put the explanation of a refusal at the end; it may stand there as text already."""
    last = parts[-1] if parts else None
    if isinstance(last, TextPart) and last.text == explanation:
        parts.pop()
    parts.append(RefusalPart(text=explanation))
