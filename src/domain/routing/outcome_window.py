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
    _total: list[int] = field(default_factory=lambda: [0, 0])
    _slid_to: int | None = None

    def add(self, now_ms: int, *, failed: bool) -> None:
        """Count one outcome."""
        present = self._slide(now_ms)
        newest = max(self._buckets, default=present)
        self._buckets.setdefault(max(present, newest), [0, 0])[failed] += 1
        self._total[failed] += 1

    def take_back_success(self, now_ms: int) -> None:
        """Uncount one success, of the newest bucket that has any; nothing if none is left."""
        self._slide(now_ms)
        for bucket in sorted(self._buckets, reverse=True):
            if self._buckets[bucket][False]:
                self._buckets[bucket][False] -= 1
                self._total[False] -= 1
                return

    def tally(self, now_ms: int) -> Tally:
        """Return what counts at `now_ms`."""
        self._slide(now_ms)
        return Tally(self._total[False], self._total[True])

    def clear(self) -> None:
        """Forget everything."""
        self._buckets.clear()
        self._total = [0, 0]

    def _slide(self, now_ms: int) -> int:
        """Drop what no longer counts and return the present bucket."""
        present = now_ms // max(1, self.length_ms // BUCKETS)
        if present != self._slid_to:  # asked with every request, and mostly nothing has changed
            self._slid_to = present
            for bucket in [old for old in self._buckets if abs(present - old) >= BUCKETS]:
                successes, failures = self._buckets.pop(bucket)
                self._total[False] -= successes
                self._total[True] -= failures
        return present
