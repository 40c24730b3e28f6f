"""When to stop asking a limit store that does not answer (limits.md section 7)."""

from dataclasses import dataclass

FAILURES_TO_OPEN = 3


@dataclass(slots=True)
class OutageBreaker:
    """Open after a few failures in a row; from then on nobody waits for the store.

    It is closed again by a probe in the background, never by a request: a request that probed would
    pay the timeout.
    """

    failures: int = 0

    @property
    def is_open(self) -> bool:
        """Whether the store is to be left alone."""
        return self.failures >= FAILURES_TO_OPEN

    def failed(self) -> bool:
        """Note a failure; True when this one opened the breaker."""
        self.failures += 1
        return self.failures == FAILURES_TO_OPEN

    def succeeded(self) -> bool:
        """Note an answer; True when this closed the breaker."""
        was_open = self.is_open
        self.failures = 0
        return was_open
