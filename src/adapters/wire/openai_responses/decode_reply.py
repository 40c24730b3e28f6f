"""A provider's whole answer as a canonical one."""

import msgspec

from adapters.wire.openai_chat.usage import is_null
from adapters.wire.openai_errors import failure_for, parse_error, status_of
from adapters.wire.openai_responses.decode_output import finish_of, read_item
from adapters.wire.openai_responses.reading_json import decode
from adapters.wire.openai_responses.usage import parse_usage
from adapters.wire.schemas.openai_responses import Number, WholeReply
from adapters.wire.upstream_errors import MessageScrubber
from domain.errors import UpstreamProtocolError
from domain.inference.conversation import Part
from domain.inference.response import Candidate, InferenceResponse

_REPLY = msgspec.json.Decoder(WholeReply)
_END_OF_TIME = 2**40
_ENDED = frozenset({"completed", "incomplete", None})


def decode_reply(body: bytes, scrubber: MessageScrubber) -> InferenceResponse:
    """Return a whole answer.

    Raises:
        UpstreamFailure: an error object, or a response of status `failed`.
        UpstreamProtocolError: not a response, or one that is not finished.
    """
    reply = decode(_REPLY, body)
    if reply.status == "failed" or not is_null(reply.error):
        detail = parse_error(reply.error)
        raise failure_for(status_of(detail), detail, scrubber)
    if reply.output is None:
        raise UpstreamProtocolError("the answer has no output")
    if reply.status not in _ENDED:
        raise UpstreamProtocolError(f"the answer is {str(reply.status)[:32]}, not complete")
    return whole_answer(reply)


def whole_answer(reply: WholeReply) -> InferenceResponse:
    """Return the answer of a response that ended."""
    parts: list[Part] = []
    logprobs: list[dict[str, object]] = []
    for place, item in enumerate(reply.output or ()):
        said = read_item(item, place)
        parts += said.parts
        logprobs += said.logprobs
    reason = reply.incomplete_details.reason if reply.incomplete_details else None
    return InferenceResponse(
        id=reply.id or "",
        model=reply.model or "",
        created_s=seconds_of(reply.created_at),
        candidates=(
            Candidate(
                parts=tuple(parts),
                finish=finish_of(reply.status, reason, parts),
                logprobs={"content": logprobs} if logprobs else None,
            ),
        ),
        usage=parse_usage(reply.usage),
        service_tier=reply.service_tier,
    )


def seconds_of(value: Number) -> int:
    """Return a time in whole Unix seconds; 0 for none and for what is no time."""
    return int(value) if value is not None and 0 <= value < _END_OF_TIME else 0
