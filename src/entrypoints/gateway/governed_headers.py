"""Headers of governed answers, accepted or not (limits.md section 6)."""

from application.gateway.call import InferenceCall
from domain.inference.dialect import Dialect
from entrypoints.gateway.rate_limit_headers import rate_limit_headers

# Where a vendor's SDK looks for the request id; `x-request-id` is sent in every dialect.
_REQUEST_ID_HEADERS = {
    Dialect.ANTHROPIC_MESSAGES: b"request-id",
    Dialect.BEDROCK_CONVERSE: b"x-amzn-requestid",
}


def governed_headers(call: InferenceCall, now_ms: int) -> list[tuple[bytes, bytes]]:
    """Return the rate limits, and in `x-thinkwatch-warnings` what the gateway changed.

    `now_ms` is the time of the answer, in Unix milliseconds.
    """
    dialect = call.codec.dialect
    headers = rate_limit_headers(call.rate_limits, dialect, now_ms)
    if name := _REQUEST_ID_HEADERS.get(dialect):
        headers.append((name, call.request_id.encode()))
    if call.output_bound is not None:
        bound = b"max_output_tokens=%d set by a strict limit" % call.output_bound
        headers.append((b"x-thinkwatch-warnings", bound))
    return headers
