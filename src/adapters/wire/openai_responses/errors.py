"""Errors of the Responses API: in answers of providers, and as clients of a stream read them.

A stream tells an error in up to two events: `error`, and `response.failed` with the error in its
response (https://platform.openai.com/docs/api-reference/responses-streaming).
"""

import msgspec
from msgspec import UNSET, Struct, UnsetType

from adapters.wire.openai_errors import (
    failure_for,
    parse_error,
    public_error_type,
    status_of,
)
from adapters.wire.schemas.openai_chat import ErrorDetail
from adapters.wire.schemas.openai_responses import Frame, Reply
from adapters.wire.sse import write_event
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.dialect import PublicError
from domain.errors import UpstreamFailure

_ENCODER = msgspec.json.Encoder()
_TELLING_CODES = frozenset({"context_length_exceeded", "insufficient_quota"})
# The writer of errors does not know the numbers given out before; none of them is larger.
_LAST_NUMBERS = (2**31 - 2, 2**31 - 1)


class _ErrorObject(Struct, frozen=True, kw_only=True):
    type: str
    code: str
    message: str
    param: str | None


class _ErrorEvent(Struct, frozen=True, kw_only=True):
    """The members beside `type` are those of the reference, `error` holds what servers send."""

    type: str
    code: str
    message: str
    param: str | None
    error: _ErrorObject
    sequence_number: int
    request_id: str | UnsetType
    limit: str | UnsetType


def failure_of_frame(frame: Frame, scrubber: MessageScrubber) -> UpstreamFailure:
    """Return what an `error` event means."""
    detail = parse_error(frame.error)
    if detail.message is None and detail.code is None:
        detail = ErrorDetail(message=frame.message, param=frame.param, code=frame.code)
    return failure_for(status_of(detail), detail, scrubber)


def failure_of_reply(reply: Reply, scrubber: MessageScrubber) -> UpstreamFailure:
    """Return what a response of status `failed` means."""
    detail = parse_error(reply.error)
    return failure_for(status_of(detail), detail, scrubber)


def stream_error_events(error: PublicError) -> bytes:
    """Return the two events that end a running stream with an error.

    The official SDKs raise on the first, which has an `error` member. Codex does not read it; it
    takes the error from the second.
    """
    found = _ErrorObject(
        type=error.upstream_kind or public_error_type(error.kind),
        code="insufficient_quota" if error.kind == "quota" else error.code,
        message=error.message,
        param=error.param,
    )
    first = _ErrorEvent(
        type="error",
        code=found.code,
        message=found.message,
        param=found.param,
        error=found,
        sequence_number=_LAST_NUMBERS[0],
        request_id=error.request_id or UNSET,
        limit=error.limit or UNSET,
    )
    second: dict[str, object] = {
        "type": "response.failed",
        "sequence_number": _LAST_NUMBERS[1],
        "response": {
            "id": f"resp_{error.request_id}",
            "object": "response",
            "created_at": 0,
            "status": "failed",
            "error": {"code": _failed_code(error, found.code), "message": found.message},
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "model": "",
            "output": [],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": None,
        },
    }
    return write_event(_ENCODER.encode(first), "error") + write_event(
        _ENCODER.encode(second), "response.failed"
    )


def _failed_code(error: PublicError, code: str) -> str:
    """Return one of the codes the reference lists for a failed response, or that Codex acts on."""
    if code in _TELLING_CODES:
        return code
    if error.kind == "rate_limit":
        return "rate_limit_exceeded"
    return "invalid_prompt" if error.kind == "invalid_request" else "server_error"
