"""Token usage by kind. The kinds are disjoint, so their sum is what the provider billed.

Wires differ in what includes what (OpenAI: `reasoning_tokens` are part of `completion_tokens` and
`cached_tokens` part of `prompt_tokens`; Anthropic: cache counts come on top of `input_tokens`).
Each wire codec takes its provider's numbers apart into these kinds.
"""

from enum import StrEnum

from msgspec import Struct


class UsageSource(StrEnum):
    """Where the numbers come from."""

    PROVIDER = "provider"
    ESTIMATED = "estimated"
    NONE = "none"


class TokenUsage(Struct, frozen=True, kw_only=True, gc=False):
    """Raw tokens by kind, each zero or more.

    Attributes:
        input_uncached: text input billed at the full input price.
        cache_read: input served from the provider's prompt cache.
        cache_write_5m: input written to a short-lived prompt cache.
        cache_write_1h: input written to a one-hour prompt cache.
        audio_in: audio input.
        output: generated text, without reasoning and audio.
        reasoning: generated hidden reasoning.
        audio_out: generated audio.
    """

    input_uncached: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    audio_in: int = 0
    output: int = 0
    reasoning: int = 0
    audio_out: int = 0

    def __post_init__(self) -> None:
        """Reject negative counts: a provider's number that cannot be is not accounted."""
        if (
            min(
                self.input_uncached,
                self.cache_read,
                self.cache_write_5m,
                self.cache_write_1h,
                self.audio_in,
                self.output,
                self.reasoning,
                self.audio_out,
            )
            < 0
        ):
            raise ValueError("token counts cannot be negative")

    def by_kind(self) -> dict[str, int]:
        """Return kind -> tokens, in a fixed order, zeros included."""
        return {kind: getattr(self, kind) for kind in KINDS}

    @property
    def input_total(self) -> int:
        """All input tokens."""
        return (
            self.input_uncached
            + self.cache_read
            + self.cache_write_5m
            + self.cache_write_1h
            + self.audio_in
        )

    @property
    def output_total(self) -> int:
        """All generated tokens."""
        return self.output + self.reasoning + self.audio_out

    @property
    def total(self) -> int:
        """All tokens."""
        return self.input_total + self.output_total

    def beyond(self, charged: "TokenUsage") -> "TokenUsage":
        """Return what is left of this use when `charged`, a guess of it, has been paid for.

        Input is set off against input and output against output, whatever the kinds: a guess
        does not know them.
        """
        rest: dict[str, int] = {}
        for kinds, paid in (
            (INPUT_KINDS, charged.input_total),
            (OUTPUT_KINDS, charged.output_total),
        ):
            left = paid
            for kind in kinds:
                used = getattr(self, kind)
                rest[kind] = max(0, used - left)
                left = max(0, left - used)
        return TokenUsage(**rest)


INPUT_KINDS = ("input_uncached", "cache_read", "cache_write_5m", "cache_write_1h", "audio_in")
OUTPUT_KINDS = ("output", "reasoning", "audio_out")
KINDS = INPUT_KINDS + OUTPUT_KINDS
