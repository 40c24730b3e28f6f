"""Time, randomness and identifiers, so that use cases can be run at any moment with any dice."""

from abc import abstractmethod
from typing import Protocol


class Clock(Protocol):
    """Wall time for records and expiry, monotonic time for durations."""

    @abstractmethod
    def now_ms(self) -> int:
        """Return Unix time in milliseconds."""
        ...

    @abstractmethod
    def monotonic(self) -> float:
        """Return seconds of a clock that never goes back."""
        ...


class IdGenerator(Protocol):
    """Time-ordered unique identifiers."""

    @abstractmethod
    def new_id(self) -> str:
        """Return a fresh UUIDv7 (RFC 9562) as text."""
        ...


class Randomness(Protocol):
    """Cryptographically strong randomness."""

    @abstractmethod
    def token_bytes(self, count: int) -> bytes:
        """Return `count` unpredictable bytes."""
        ...

    @abstractmethod
    def roll(self) -> float:
        """Return a number in [0, 1) for routing and jitter."""
        ...
