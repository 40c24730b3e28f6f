"""Successes and failures of the recent past, in buckets that slide."""

from dataclasses import dataclass, field

from msgspec import Struct

BUCKETS = 10


class Tally(Struct, frozen=True, gc=False):
    """How many of each."""

    successes: int = 0
    failures: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        """Return both together."""
        return Tally(self.successes + other.successes, self.failures + other.failures)

    @property
    def volume(self) -> int:
        """All outcomes."""
        return self.successes + self.failures

    @property
    def failure_rate(self) -> float:
        """Failed share, 0 to 1; 0 without any outcome."""
        return self.failures / self.volume if self.volume else 0.0


NOTHING = Tally()


@dataclass(slots=True)
class OutcomeWindow:
    """Counts the outcomes of the last `length_ms`, give or take one bucket of a tenth of it.

    A clock that steps back counts into the newest bucket until it has caught up; a step of more
    than the window forgets everything, for nothing tells how old it is.
    """

    length_ms: int
    _buckets: dict[int, list[int]] = field(default_factory=dict[int, list[int]])

    def add(self, now_ms: int, *, failed: bool) -> None:
        """Count one outcome."""
        self._slide(now_ms)
        present = now_ms // self._bucket_ms
        newest = max(self._buckets, default=present)
        bucket = self._buckets.setdefault(max(present, newest), [0, 0])
        bucket[failed] += 1

    def tally(self, now_ms: int) -> Tally:
        """Return what counts at `now_ms`."""
        self._slide(now_ms)
        return Tally(
            sum(bucket[False] for bucket in self._buckets.values()),
            sum(bucket[True] for bucket in self._buckets.values()),
        )

    def clear(self) -> None:
        """Forget everything."""
        self._buckets.clear()

    @property
    def _bucket_ms(self) -> int:
        return max(1, self.length_ms // BUCKETS)

    def _slide(self, now_ms: int) -> None:
        present = now_ms // self._bucket_ms
        gone = [bucket for bucket in self._buckets if abs(present - bucket) >= BUCKETS]
        for bucket in gone:
            del self._buckets[bucket]
