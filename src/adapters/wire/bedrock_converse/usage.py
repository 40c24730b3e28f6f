"""Bedrock's usage, taken apart into the disjoint kinds of `TokenUsage`, and put together again.

`inputTokens` is what was neither read from nor written to the prompt cache; `cacheReadInputTokens`
and `cacheWriteInputTokens` come on top of it, and `totalTokens` is the sum of all with
`outputTokens`. Reasoning is part of `outputTokens` and not told apart. `cacheDetails` splits the
writes by life time; what it does not speak of was written for five minutes.
https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
"""

import msgspec
from msgspec import Raw

from adapters.wire.governing import MaybeRaw
from adapters.wire.schemas.bedrock_converse import Number, Usage
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
    except msgspec.DecodeError:
        return None
    if usage.input_tokens is None and usage.output_tokens is None:
        return None
    details = usage.cache_details or ()
    hour = sum(_count(detail.input_tokens) for detail in details if detail.ttl == "1h")
    detailed = sum(_count(detail.input_tokens) for detail in details)
    given = usage.cache_write_input_tokens
    written = detailed if given is None else _count(given)
    hour = min(hour, written)
    return TokenUsage(
        input_uncached=_count(usage.input_tokens),
        cache_read=_count(usage.cache_read_input_tokens),
        cache_write_5m=written - hour,
        cache_write_1h=hour,
        output=_count(usage.output_tokens),
    )


def write_usage(usage: TokenUsage) -> dict[str, object]:
    """Return the `usage` object; kinds it does not tell apart are added up."""
    written = usage.cache_write_5m + usage.cache_write_1h
    members: dict[str, object] = {
        "inputTokens": usage.input_uncached + usage.audio_in,
        "outputTokens": usage.output_total,
        "totalTokens": usage.total,
        "cacheReadInputTokens": usage.cache_read,
        "cacheWriteInputTokens": written,
    }
    if written:
        lives = (("1h", usage.cache_write_1h), ("5m", usage.cache_write_5m))
        members["cacheDetails"] = [
            {"ttl": ttl, "inputTokens": tokens} for ttl, tokens in lives if tokens
        ]
    return members


def _count(value: Number) -> int:
    """Return a count of tokens: a whole number, zero when absent, negative or absurd."""
    if value is None or not 0 <= value <= _MOST_TOKENS:
        return 0
    return int(value)
