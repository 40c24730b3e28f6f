"""A clock that moves when the test says so."""

from application.ports.clock import Clock, Randomness


class ManualClock(Clock):
    """Both kinds of time advance together."""

    def __init__(self, now_ms: int = 1_760_000_000_000) -> None:
        """Start at `now_ms` Unix milliseconds."""
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Return Unix milliseconds."""
        return self._now_ms

    def monotonic(self) -> float:
        """Return seconds."""
        return self._now_ms / 1000

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now_ms += round(seconds * 1000)


class EvenRandomness(Randomness):
    """Dice that always show the same, for jitter."""

    def token_bytes(self, count: int) -> bytes:
        """Return zeros: never for secrets."""
        return bytes(count)

    def roll(self) -> float:
        """Return the middle."""
        return 0.5
