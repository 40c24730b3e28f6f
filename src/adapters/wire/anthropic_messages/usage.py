"""Anthropic's `usage`, taken apart into the disjoint kinds of `TokenUsage`.

`input_tokens` is what came after the last cache marker: tokens read from and written to the prompt
cache come on top of it (https://docs.claude.com/en/docs/build-with-claude/prompt-caching). What was
written is `cache_creation_input_tokens`, of which `cache_creation` tells the times to live; without
that split it counts as the five-minute kind, the default. `output_tokens` is everything generated,
thinking included; `output_tokens_details.thinking_tokens` says how much of it was thinking, where a
model reports it.

A stream gives usage twice: `message_start` knows the input, `message_delta` the totals at the end,
input again included or left out. They are cumulative, so a later count replaces an earlier one.

Runs of other models on the request's behalf, and the summing up of a context (`compaction`), are
billed and not in the totals: they stand in `iterations` only.
"""

import msgspec
from msgspec import Raw, Struct, structs

from adapters.wire.governing import MaybeRaw
from adapters.wire.schemas.anthropic_messages import CacheCreation, Iteration, Number, Usage
from domain.accounting.usage import TokenUsage

_USAGE = msgspec.json.Decoder(Usage)
# Above this a count is no count; it would only overflow counters further on.
_MOST_TOKENS = 2**40
_WRITTEN_TIERS = {"default": "standard", "priority": "priority", "batch": "batch"}
_ON_TOP = frozenset({"compaction", "advisor_message"})


class UsageTally(Struct):
    """Usage as reported so far in one answer."""

    reported: Usage | None = None

    def note(self, value: MaybeRaw) -> None:
        """Take a `usage` member in; what is not one is ignored."""
        if not isinstance(value, Raw):
            return
        try:
            latest = _USAGE.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if self.reported is None:
            self.reported = latest
            return
        known = {name: given for name, given in structs.asdict(latest).items() if given is not None}
        self.reported = structs.replace(self.reported, **known)

    @property
    def usage(self) -> TokenUsage | None:
        """The kinds, or None while no count was reported."""
        found = self.reported
        if found is None or (found.input_tokens is None and found.output_tokens is None):
            return None
        return _kinds(found)

    @property
    def service_tier(self) -> str | None:
        """The tier that served the request, if told; `default` is the canonical `standard`."""
        tier = self.reported.service_tier if self.reported else None
        return "default" if tier == "standard" else tier


def _kinds(found: Usage) -> TokenUsage:
    more = [each for each in found.iterations or () if each.type in _ON_TOP]
    writes = [_cache_writes(each.cache_creation_input_tokens, each.cache_creation) for each in more]
    writes.append(_cache_writes(found.cache_creation_input_tokens, found.cache_creation))
    details = found.output_tokens_details
    output = _count(found.output_tokens)
    reasoning = min(_count(details.thinking_tokens if details else None), output)
    return TokenUsage(
        input_uncached=_sum("input_tokens", found, more),
        cache_read=_sum("cache_read_input_tokens", found, more),
        cache_write_5m=sum(short for short, _ in writes),
        cache_write_1h=sum(long for _, long in writes),
        output=_sum("output_tokens", found, more) - reasoning,
        reasoning=reasoning,
    )


def _sum(name: str, found: Usage, more: list[Iteration]) -> int:
    return sum(_count(getattr(each, name)) for each in (found, *more))


def _cache_writes(total: Number, split: CacheCreation | None) -> tuple[int, int]:
    """Return the tokens written for five minutes and for an hour."""
    if split is None:
        return _count(total), 0
    short = _count(split.ephemeral_5m_input_tokens)
    long = _count(split.ephemeral_1h_input_tokens)
    if total is None:
        return short, long
    # The total is the newer number where the two differ: `message_delta` has no split.
    long = min(long, _count(total))
    return _count(total) - long, long


def _count(value: Number) -> int:
    """Return a count of tokens: a whole number, zero when absent, negative or absurd."""
    if value is None or not 0 <= value <= _MOST_TOKENS:
        return 0
    return int(value)


def write_usage(usage: TokenUsage | None, service_tier: str | None = None) -> dict[str, object]:
    """Return the `usage` of an answer; every count is there, as clients add them up."""
    found = usage or TokenUsage()
    written: dict[str, object] = {
        "input_tokens": found.input_uncached + found.audio_in,
        "cache_creation_input_tokens": found.cache_write_5m + found.cache_write_1h,
        "cache_read_input_tokens": found.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": found.cache_write_5m,
            "ephemeral_1h_input_tokens": found.cache_write_1h,
        },
        "output_tokens": found.output_total,
    }
    if found.reasoning:
        written["output_tokens_details"] = {"thinking_tokens": found.reasoning}
    tier = _WRITTEN_TIERS.get(service_tier or "")
    if tier is not None:
        written["service_tier"] = tier
    return written
