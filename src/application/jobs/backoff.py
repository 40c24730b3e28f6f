"""How long to wait before the next try."""


class Backoff:
    """Exponential, bounded, with jitter, so that many processes do not come back at once."""

    def __init__(self, *, first_s: float, longest_s: float) -> None:
        """The n-th delay lies between half and all of `first_s * 2**n`, at most `longest_s`."""
        self._first_s = first_s
        self._longest_s = longest_s
        self._failures = 0

    @property
    def failing(self) -> bool:
        """Whether the last try failed."""
        return self._failures > 0

    @property
    def failures(self) -> int:
        """How many tries in a row have failed."""
        return self._failures

    def reset(self) -> None:
        """Note a success."""
        self._failures = 0

    def next_delay(self, roll: float) -> float:
        """Note a failure and return the seconds to wait; `roll` is in [0, 1)."""
        # The exponent is bounded so that a long outage cannot overflow the float.
        ceiling = min(self._longest_s, self._first_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return ceiling * (0.5 + roll / 2)
