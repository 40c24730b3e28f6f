"""The clock of the operating system."""

import time

from application.ports.clock import Clock


class SystemClock(Clock):
    """Wall time may jump with NTP; durations are taken from the monotonic clock."""

    def now_ms(self) -> int:
        """Return Unix time in milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return seconds of the monotonic clock."""
        return time.monotonic()
