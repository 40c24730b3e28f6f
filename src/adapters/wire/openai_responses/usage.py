"""Usage of the Responses API, taken apart into the disjoint kinds of `TokenUsage`, and back.

`input_tokens` includes `cached_tokens` and `cache_write_tokens`, `output_tokens` includes
`reasoning_tokens` (https://platform.openai.com/docs/api-reference/responses/object). Whatever the
parts claim, the sum of the kinds is `input_tokens + output_tokens`: parts are cut down to fit their
whole.
"""

import msgspec
from msgspec import Raw

from adapters.wire.governing import MaybeRaw
from adapters.wire.schemas.openai_responses import (
    CacheWrites,
    InputDetails,
    Number,
    OutputDetails,
    Usage,
)
from domain.accounting.usage import TokenUsage

_USAGE = msgspec.json.Decoder(Usage)
# Above this a count is no count; it would only overflow counters further on.
_MOST_TOKENS = 2**40


def parse_usage(value: MaybeRaw) -> TokenUsage | None:
    """Return the kinds of a `usage` object, or None when it holds no usable counts."""
    if not isinstance(value, Raw):
        return None
    try:
        usage = _USAGE.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return None
    if usage.input_tokens is None and usage.output_tokens is None:
        return None
    inputs = usage.input_tokens_details or InputDetails()
    writes = inputs.cache_write_tokens_details or CacheWrites()
    outputs = usage.output_tokens_details or OutputDetails()
    total_in = _count(usage.input_tokens)
    total_out = _count(usage.output_tokens)
    read = min(_count(inputs.cached_tokens), total_in)
    written = min(_count(inputs.cache_write_tokens), total_in - read)
    written_long = min(_count(writes.ttl_12h_tokens), written)
    reasoning = min(_count(outputs.reasoning_tokens), total_out)
    return TokenUsage(
        input_uncached=total_in - read - written,
        cache_read=read,
        cache_write_5m=written - written_long,
        cache_write_1h=written_long,
        output=total_out - reasoning,
        reasoning=reasoning,
    )


def _count(value: Number) -> int:
    """Return a count of tokens: a whole number, zero when absent, negative or absurd."""
    if value is None or not 0 <= value <= _MOST_TOKENS:
        return 0
    return int(value)


def write_usage(usage: TokenUsage) -> dict[str, object]:
    """Return the `usage` object for these kinds."""
    return {
        "input_tokens": usage.input_total,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h,
        },
        "output_tokens": usage.output_total,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total,
    }
