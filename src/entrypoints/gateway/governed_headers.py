"""Headers of governed answers, accepted or not (limits.md section 6)."""

from application.gateway.call import InferenceCall
from entrypoints.gateway.rate_limit_headers import rate_limit_headers


def governed_headers(call: InferenceCall) -> list[tuple[bytes, bytes]]:
    """Return the rate limits, and in `x-thinkwatch-warnings` what the gateway changed."""
    headers = rate_limit_headers(call.rate_limits)
    if call.output_bound is not None:
        bound = b"max_output_tokens=%d set by a strict limit" % call.output_bound
        headers.append((b"x-thinkwatch-warnings", bound))
    return headers
