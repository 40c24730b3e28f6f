"""OpenAI-style usage, taken apart into the disjoint kinds of `TokenUsage`.

`prompt_tokens` includes cached, cache-written and audio tokens, `completion_tokens` includes
reasoning and audio tokens. Vendors differ at the edges: xAI and Gemini leave reasoning out of
`completion_tokens` and count it in `total_tokens` only; DeepSeek and Moonshot have members of their
own for the prompt cache. Whatever the parts claim, the sum of the kinds is what the provider says
was used: parts are cut down to fit their whole, never the other way round.
"""

import msgspec
from msgspec import UNSET, Raw

from adapters.wire.schemas.openai_chat import (
    CompletionDetails,
    GroqExtension,
    LlamaTimings,
    MaybeRaw,
    Number,
    PromptDetails,
    Usage,
)
from domain.accounting.usage import TokenUsage

_USAGE = msgspec.json.Decoder(Usage)
_GROQ = msgspec.json.Decoder(GroqExtension)
_TIMINGS = msgspec.json.Decoder(LlamaTimings)
# Above this a count is no count; it would only overflow counters further on.
_MOST_TOKENS = 2**40


def is_null(value: MaybeRaw) -> bool:
    """Tell whether a member is absent or null."""
    # Absence first: it is the usual case, and every frame of a stream asks several times.
    return value is UNSET or bytes(value) == b"null"


def read_usage(
    usage: MaybeRaw = UNSET, x_groq: MaybeRaw = UNSET, timings: MaybeRaw = UNSET
) -> TokenUsage | None:
    """Return the usage that vendors report in one of these members of a reply or frame.

    None when there is none to be used.
    """
    if not is_null(usage):
        return parse_usage(usage)
    if not is_null(x_groq):
        return parse_usage(_decode_groq(x_groq))
    if not is_null(timings):
        return _parse_timings(timings)
    return None


def parse_usage(value: MaybeRaw) -> TokenUsage | None:
    """Return the kinds of a `usage` object, or None when it holds no usable counts."""
    if not isinstance(value, Raw):
        return None
    try:
        usage = _USAGE.decode(value)
    except msgspec.DecodeError:
        return None
    if usage.prompt_tokens is None and usage.completion_tokens is None:
        return None
    prompt = _count(usage.prompt_tokens)
    completion = _count(usage.completion_tokens)
    inputs = usage.prompt_tokens_details or PromptDetails()
    outputs = usage.completion_tokens_details or CompletionDetails()

    cached = _first(inputs.cached_tokens, usage.prompt_cache_hit_tokens, usage.cached_tokens)
    cache_read = min(cached, prompt)
    cache_write = min(_count(inputs.cache_write_tokens), prompt - cache_read)
    audio_in = min(_count(inputs.audio_tokens), prompt - cache_read - cache_write)

    # Tokens in the total that neither prompt nor completion accounts for were generated unseen.
    hidden = max(0, _count(usage.total_tokens) - prompt - completion)
    audio_out = min(_count(outputs.audio_tokens), completion)
    shown_reasoning = max(0, _count(outputs.reasoning_tokens) - hidden)
    reasoning = min(shown_reasoning, completion - audio_out)
    return TokenUsage(
        input_uncached=prompt - cache_read - cache_write - audio_in,
        cache_read=cache_read,
        cache_write_5m=cache_write,
        audio_in=audio_in,
        output=completion - reasoning - audio_out,
        reasoning=reasoning + hidden,
        audio_out=audio_out,
    )


def _decode_groq(value: MaybeRaw) -> MaybeRaw:
    try:
        return _GROQ.decode(value).usage if isinstance(value, Raw) else UNSET
    except msgspec.DecodeError:
        return UNSET


def _parse_timings(value: MaybeRaw) -> TokenUsage | None:
    try:
        timings = _TIMINGS.decode(value) if isinstance(value, Raw) else LlamaTimings()
    except msgspec.DecodeError:
        return None
    if timings.prompt_n is None and timings.predicted_n is None:
        return None
    return TokenUsage(
        input_uncached=_count(timings.prompt_n),
        cache_read=_count(timings.cache_n),
        output=_count(timings.predicted_n),
    )


def _count(value: Number) -> int:
    """Return a count of tokens: a whole number, zero when absent, negative or absurd."""
    if value is None or not 0 <= value <= _MOST_TOKENS:
        return 0
    return int(value)


def _first(*values: Number) -> int:
    """Return the first count that is given."""
    return next((_count(value) for value in values if value is not None), 0)
