"""Sliding windows in 60 buckets (limits.md section 2): the specification of the ring in Lua.

Time is cut into buckets of `window / 60`. At any instant the sum covers the current, partial
bucket and the 60 before it, so it covers every rolling interval of the window's length; the price
is at most one bucket, 1/60 of the window, of conservatism.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from domain.limits.amounts import MAX_COUNT

BUCKETS = 60
SLOTS = BUCKETS + 1


class Window(StrEnum):
    """The window lengths there are."""

    MINUTE = "1m"
    FIVE_MINUTES = "5m"
    HOUR = "1h"
    FIVE_HOURS = "5h"
    DAY = "1d"
    WEEK = "1w"

    @property
    def length_ms(self) -> int:
        """Length in milliseconds."""
        return _LENGTH_MS[self]

    @property
    def bucket_ms(self) -> int:
        """Length of one bucket in milliseconds; every window divides evenly."""
        return _LENGTH_MS[self] // BUCKETS


_MINUTE_MS = 60_000
_LENGTH_MS = {
    Window.MINUTE: _MINUTE_MS,
    Window.FIVE_MINUTES: 5 * _MINUTE_MS,
    Window.HOUR: 60 * _MINUTE_MS,
    Window.FIVE_HOURS: 300 * _MINUTE_MS,
    Window.DAY: 1_440 * _MINUTE_MS,
    Window.WEEK: 10_080 * _MINUTE_MS,
}


@dataclass(slots=True)
class Ring:
    """One counter: amounts by bucket with a running sum.

    `head` is the newest bucket that was charged (None: never). Only buckets in
    `head - 60 .. head` are kept, and `total` is their sum. A clock that steps back charges into
    `head` until it has caught up; a step of more than a window moves everything into the present
    bucket, so that nothing is forgotten early and nothing is held longer than one more window.
    """

    bucket_ms: int
    head: int | None = None
    total: int = 0
    buckets: dict[int, int] = field(default_factory=dict[int, int])

    def used(self, now_ms: int) -> int:
        """Return the sum that counts at `now_ms`."""
        return self._seen_from(now_ms).total

    def wait_ms(self, now_ms: int, amount: int, limit: int) -> int | None:
        """Return how long until `amount` more fits under `limit`, 0 if it does now.

        None when it never will, because `amount` alone is over the limit.
        """
        if amount > limit:
            return None
        seen = self._seen_from(now_ms)
        excess = seen.total + amount - limit
        if excess <= 0:
            return 0
        for bucket in sorted(seen.buckets):
            excess -= seen.buckets[bucket]
            if excess <= 0:
                return (bucket + SLOTS) * self.bucket_ms - now_ms
        raise AssertionError("the running sum is the sum of the buckets")

    def reset_ms(self, now_ms: int) -> int:
        """Return how long until nothing counts any more, if nothing is added (an upper bound)."""
        seen = self._seen_from(now_ms)
        if not seen.total:
            return 0
        assert self.head is not None
        return (self.head + SLOTS) * self.bucket_ms - now_ms

    def add(self, now_ms: int, amount: int) -> None:
        """Count `amount` now; saturates at `MAX_COUNT`."""
        if not amount:
            return
        seen = self._seen_from(now_ms)
        assert seen.head is not None
        self._become(seen)
        self._put(seen.head, amount)

    def refund(self, charged_at_ms: int, amount: int) -> None:
        """Take `amount` back from the bucket of `charged_at_ms`, if it is still in the ring.

        Never takes more than that bucket holds: after a clock step the rest stays counted.
        """
        bucket = charged_at_ms // self.bucket_ms
        if self.head is None or not self.head - BUCKETS <= bucket <= self.head:
            return
        taken = min(amount, self.buckets.get(bucket, 0))
        self.buckets[bucket] = self.buckets.get(bucket, 0) - taken
        self.total -= taken

    def backdate(self, now_ms: int, occurred_ms: int, amount: int) -> None:
        """Count `amount` at a past instant, if that still lies in the window of `now_ms`."""
        present = now_ms // self.bucket_ms
        bucket = min(occurred_ms // self.bucket_ms, present)
        if not amount or bucket < present - BUCKETS:
            return
        if self.head is None or bucket > self.head:
            self.add(bucket * self.bucket_ms, amount)
        elif bucket < self.head - BUCKETS:
            self.add(now_ms, amount)
        else:
            self._put(bucket, amount)

    def _put(self, bucket: int, amount: int) -> None:
        amount = min(amount, MAX_COUNT - self.total)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + amount
        self.total += amount

    def _become(self, other: "Ring") -> None:
        self.head, self.total, self.buckets = other.head, other.total, other.buckets

    def _seen_from(self, now_ms: int) -> "Ring":
        """Return the ring as it stands at `now_ms`, its head at the bucket to charge."""
        present = now_ms // self.bucket_ms
        if self.head is None:
            return Ring(self.bucket_ms, present)
        if present < self.head - BUCKETS:
            # Kept at once, also when the request is rejected: or every look would start the wait
            # anew until the clock has caught up.
            self.head, self.buckets = present, {present: self.total}
        head = max(self.head, present)
        kept = {bucket: n for bucket, n in self.buckets.items() if bucket >= head - BUCKETS and n}
        return Ring(self.bucket_ms, head, sum(kept.values()), kept)
