"""Usage as Chat Completions writes it: wholes that include their parts."""

from adapters.wire.schemas.openai_chat_replies import (
    CompletionDetailsOut,
    PromptDetailsOut,
    UsageOut,
)
from domain.accounting.usage import TokenUsage


def write_usage(usage: TokenUsage) -> UsageOut:
    """Return `usage`; what was read back from it is the same but for the lifetimes of caches."""
    return UsageOut(
        prompt_tokens=usage.input_total,
        completion_tokens=usage.output_total,
        total_tokens=usage.total,
        prompt_tokens_details=PromptDetailsOut(
            cached_tokens=usage.cache_read,
            audio_tokens=usage.audio_in,
            cache_write_tokens=usage.cache_write_5m + usage.cache_write_1h,
        ),
        completion_tokens_details=CompletionDetailsOut(
            reasoning_tokens=usage.reasoning,
            audio_tokens=usage.audio_out,
        ),
    )
