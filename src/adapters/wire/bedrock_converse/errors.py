"""Errors as Bedrock tells them: a message in the body, the type in a header or in a frame's name.

Types and statuses: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

import msgspec
from msgspec import UNSET, Struct, UnsetType

from adapters.wire.aws_event_stream import Frame, write_frame
from adapters.wire.schemas.bedrock_converse import ErrorBody
from adapters.wire.upstream_errors import MessageScrubber, classify_failure
from application.ports.dialect import PublicError
from domain.errors import UpstreamFailure, UpstreamUnavailable

_BODY = msgspec.json.Decoder(ErrorBody)
_ENCODER = msgspec.json.Encoder()

# The model's own server failed; the caller's request was not judged unless it says so.
_MODEL_FAILED = 424
_STATUS_OF_TYPE = {
    "validationexception": 400,
    "accessdeniedexception": 403,
    "unrecognizedclientexception": 403,
    "expiredtokenexception": 403,
    "invalidsignatureexception": 403,
    "resourcenotfoundexception": 404,
    "modeltimeoutexception": 408,
    "modelerrorexception": _MODEL_FAILED,
    "modelstreamerrorexception": _MODEL_FAILED,
    "throttlingexception": 429,
    "toomanyrequestsexception": 429,
    "modelnotreadyexception": 429,
    "servicequotaexceededexception": 429,
    "internalserverexception": 500,
    "serviceunavailableexception": 503,
}
_TYPE_OF_KIND = {
    "invalid_request": "ValidationException",
    "authentication": "UnrecognizedClientException",
    "permission": "AccessDeniedException",
    "not_found": "ResourceNotFoundException",
    "too_large": "ValidationException",
    "rate_limit": "ThrottlingException",
    "quota": "ServiceQuotaExceededException",
    "overloaded": "ServiceUnavailableException",
    "timeout": "ModelTimeoutException",
    "upstream": "ModelErrorException",
    "internal": "InternalServerException",
}
# A stream knows five exceptions only.
_EXCEPTION_OF_KIND = {
    "rate_limit": "throttlingException",
    "quota": "throttlingException",
    "overloaded": "serviceUnavailableException",
    "timeout": "modelStreamErrorException",
    "upstream": "modelStreamErrorException",
    "internal": "internalServerException",
}
_OVERLOADED_ELSEWHERE = 529


class PublicBody(Struct, frozen=True, rename="camel"):
    """An error we write: the vendor's `message`, and what its clients tolerate beside it.

    The name `code` would be taken for the error's type by botocore.
    """

    message: str
    error_code: str
    param: str | UnsetType = UNSET
    limit: str | UnsetType = UNSET
    request_id: str | UnsetType = UNSET


def failure_for(
    status: int, body: bytes, scrubber: MessageScrubber, *, retry_after_ms: int | None = None
) -> UpstreamFailure:
    """Return what an error answer means; the body may be anything."""
    try:
        error = _BODY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        error = ErrorBody()
    # AWS writes the type into a header too; in the body it may have a prefix: `com.amazon.x#Type`.
    kind = (error.type or "").rpartition("#")[2]
    known = _STATUS_OF_TYPE.get(kind.lower(), status) if status == 400 else status
    return _classify(known, error, kind, scrubber, retry_after_ms)


def failure_in_frame(frame: Frame, scrubber: MessageScrubber) -> UpstreamFailure:
    """Return what an exception or error inside a stream means."""
    head = frame.head
    try:
        error = _BODY.decode(frame.payload) if frame.payload else ErrorBody(message=head.message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        error = ErrorBody(message=head.message or None)
    kind = head.name[:1].upper() + head.name[1:]
    return _classify(_STATUS_OF_TYPE.get(kind.lower(), 500), error, kind, scrubber, None)


def _classify(
    status: int,
    error: ErrorBody,
    kind: str,
    scrubber: MessageScrubber,
    retry_after_ms: int | None,
) -> UpstreamFailure:
    if status == _MODEL_FAILED:
        status = error.originalStatusCode or 500
        if not 400 <= status < 500:
            return UpstreamUnavailable(status=_MODEL_FAILED, error_class="server_error")
    return classify_failure(
        status,
        scrubber,
        message=error.message or error.capital_message,
        kind=kind or None,
        retry_after_ms=retry_after_ms,
    )


def public_status(error: PublicError) -> int:
    """Return the status; AWS has no 529."""
    return 503 if error.status == _OVERLOADED_ELSEWHERE else error.status


def public_type(error: PublicError) -> str:
    """Return the exception that AWS's clients will raise."""
    if error.upstream_kind and error.upstream_kind.lower() in _STATUS_OF_TYPE:
        return error.upstream_kind
    return _TYPE_OF_KIND.get(error.kind, "InternalServerException")


def public_body(error: PublicError) -> bytes:
    """Return `{message, errorCode, param, limit, requestId}`."""
    return _ENCODER.encode(
        PublicBody(
            message=error.message,
            error_code=error.code,
            param=error.param or UNSET,
            limit=error.limit or UNSET,
            request_id=error.request_id or UNSET,
        )
    )


def exception_frame(error: PublicError) -> bytes:
    """Return the error as the frame that ends a stream; SDKs raise `EventStreamError` on it."""
    return write_frame(
        {
            ":exception-type": _EXCEPTION_OF_KIND.get(error.kind, "validationException"),
            ":content-type": "application/json",
            ":message-type": "exception",
        },
        public_body(error),
    )
