"""Moving average of the time to first token of a route."""

import math
from dataclasses import dataclass

TIME_CONSTANT_MS = 30_000
"""After this long without a sample, a new one counts for about two thirds."""
LEAST_WEIGHT = 0.1
"""A new sample always counts for at least this much, however close it follows."""
COLD_AFTER_MS = 300_000
"""Without a sample for so long, what is known of a route is no longer believed."""
MOST_SAMPLES = 1_000.0


@dataclass(slots=True)
class LatencyAverage:
    """Exponentially weighted moving average (EWMA) over samples at irregular times.

    Feed it streamed answers only: the first byte of a whole answer comes when all is generated.
    `samples` says how much the average rests on, in samples that fade with time; it is what
    averages of several replicas are weighed by.
    """

    value_ms: float = 0.0
    samples: float = 0.0
    at_ms: int = 0

    def add(self, ttft_ms: float, now_ms: int) -> None:
        """Take a sample in milliseconds; one that is not a time is ignored."""
        if not (math.isfinite(ttft_ms) and ttft_ms >= 0):
            return
        if self.is_cold(now_ms):
            self.value_ms, self.samples, self.at_ms = ttft_ms, 1.0, now_ms
            return
        faded = math.exp(-max(0, now_ms - self.at_ms) / TIME_CONSTANT_MS)
        self.value_ms += max(LEAST_WEIGHT, 1 - faded) * (ttft_ms - self.value_ms)
        self.samples = min(MOST_SAMPLES, self.samples * faded + 1)
        self.at_ms = max(self.at_ms, now_ms)

    def is_cold(self, now_ms: int) -> bool:
        """Tell whether nothing recent is known."""
        return not self.samples or abs(now_ms - self.at_ms) > COLD_AFTER_MS

    def at(self, now_ms: int) -> float | None:
        """Return the average in milliseconds, None while cold."""
        return None if self.is_cold(now_ms) else self.value_ms
