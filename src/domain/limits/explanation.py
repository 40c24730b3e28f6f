"""What the limits say about a request: the tightest rule for headers, every rule for people."""

from collections.abc import Sequence

from msgspec import Struct

from domain.limits.entries import Entry, WindowEntry
from domain.limits.policy import Binding, Source
from domain.limits.reservations import Reading, Usage
from domain.limits.rules import Metric


class ExplainedLimit(Struct, frozen=True, kw_only=True):
    """One limit that applies: where it comes from and how it stands."""

    entry: Entry
    source: Source
    reading: Reading


class Explanation(Struct, frozen=True, kw_only=True):
    """The verdict on a request that was not made.

    Attributes:
        rejected_by: label of the first limit that would reject it, or None.
        retry_after_ms: as in `Rejected`.
        rebuilding: budgets are being restored after the store was wiped.
    """

    rejected_by: str | None
    retry_after_ms: int | None
    rebuilding: bool
    limits: tuple[ExplainedLimit, ...]


def explain(binding: Binding, usage: Usage) -> Explanation:
    """Join what binds a request with how its counters stand."""
    offending = usage.offending
    return Explanation(
        rejected_by=None if offending is None else binding.entries[offending].label,
        retry_after_ms=usage.retry_after_ms,
        rebuilding=usage.rebuilding,
        limits=tuple(
            ExplainedLimit(entry=entry, source=source, reading=reading)
            for entry, source, reading in zip(
                binding.entries, binding.sources, usage.readings, strict=True
            )
        ),
    )


def tightest(
    entries: Sequence[Entry], readings: Sequence[Reading], metric: Metric
) -> Reading | None:
    """Return the enforced window of `metric` with the least left, for the rate-limit headers.

    Of equals the one that takes longest to reset. None when no such window binds the request.
    """
    candidates = [
        reading
        for entry, reading in zip(entries, readings, strict=True)
        if isinstance(entry, WindowEntry) and entry.metric is metric and not entry.shadow
    ]
    return min(candidates, key=lambda each: (each.remaining, -each.reset_ms), default=None)
