"""Gemini's `usageMetadata`, taken apart into the disjoint kinds of `TokenUsage`.

After https://ai.google.dev/api/generate-content#UsageMetadata: `promptTokenCount` includes
`cachedContentTokenCount` and not `toolUsePromptTokenCount` (results of the provider's own tools,
read as further input); `candidatesTokenCount` does not include `thoughtsTokenCount`;
`totalTokenCount` is the sum of prompt, tool use, candidates and thoughts. The `…TokensDetails` split
each count by modality. Whatever the parts claim, they are cut down to fit their whole.
"""

import msgspec
from msgspec import Raw

from adapters.wire.schemas.gemini_generate import MaybeRaw, ModalityCount, Number, UsageMetadata
from domain.accounting.usage import TokenUsage

_USAGE = msgspec.json.Decoder(UsageMetadata)
_AUDIO = "AUDIO"
_TEXT = "TEXT"
# Above this a count is no count; it would only overflow counters further on.
_MOST_TOKENS = 2**40


def parse_usage(value: MaybeRaw) -> TokenUsage | None:
    """Return the kinds of a `usageMetadata` object, or None when it holds no usable counts."""
    if not isinstance(value, Raw):
        return None
    try:
        usage = _USAGE.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return None
    return usage_of(usage)


def usage_of(usage: UsageMetadata) -> TokenUsage | None:
    """Return the kinds of usage, or None when nothing was counted."""
    if usage.prompt_token_count is None and usage.candidates_token_count is None:
        return None
    prompt = _count(usage.prompt_token_count)
    tool_use = _count(usage.tool_use_prompt_token_count)
    candidates = _count(usage.candidates_token_count)
    thoughts = _count(usage.thoughts_token_count)
    # Tokens in the total that nothing accounts for were generated unseen.
    hidden = max(0, _count(usage.total_token_count) - prompt - tool_use - candidates - thoughts)

    cache_read = min(_count(usage.cached_content_token_count), prompt)
    cached_audio = _audio(usage.cache_tokens_details)
    fresh_audio = max(0, _audio(usage.prompt_tokens_details) - cached_audio)
    prompt_audio = min(fresh_audio, prompt - cache_read)
    tool_audio = min(_audio(usage.tool_use_prompt_tokens_details), tool_use)
    audio_out = min(_audio(usage.candidates_tokens_details), candidates)
    return TokenUsage(
        input_uncached=prompt - cache_read - prompt_audio + tool_use - tool_audio,
        cache_read=cache_read,
        audio_in=prompt_audio + tool_audio,
        output=candidates - audio_out,
        reasoning=thoughts + hidden,
        audio_out=audio_out,
    )


def write_usage(usage: TokenUsage) -> dict[str, object]:
    """Return `usageMetadata` for a client; input written to a cache is not told from other input."""
    written: dict[str, object] = {
        "promptTokenCount": usage.input_total,
        "candidatesTokenCount": usage.output + usage.audio_out,
        "totalTokenCount": usage.total,
    }
    if usage.cache_read:
        written["cachedContentTokenCount"] = usage.cache_read
    if usage.reasoning:
        written["thoughtsTokenCount"] = usage.reasoning
    if usage.audio_in:
        written["promptTokensDetails"] = _split(usage.input_total, usage.audio_in)
    if usage.audio_out:
        written["candidatesTokensDetails"] = _split(usage.output + usage.audio_out, usage.audio_out)
    return written


def _split(total: int, audio: int) -> list[dict[str, object]]:
    """Return a count by modality."""
    return [
        {"modality": _TEXT, "tokenCount": total - audio},
        {"modality": _AUDIO, "tokenCount": audio},
    ]


def _audio(details: list[ModalityCount] | None) -> int:
    if details is None:
        return 0
    return sum(_count(entry.token_count) for entry in details if entry.modality == _AUDIO)


def _count(value: Number) -> int:
    """Return a count of tokens: a whole number, zero when absent, negative or absurd."""
    if value is None or not 0 <= value <= _MOST_TOKENS:
        return 0
    return int(value)
