"""How a route stands at one moment, as far as choosing depends on it."""

from enum import StrEnum

from msgspec import Struct


class CircuitState(StrEnum):
    """States of a circuit breaker. `gauge` is the value of `circuit_breaker_state{route}`."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"

    @property
    def gauge(self) -> int:
        """0 closed, 1 half-open, 2 open: the worse, the higher."""
        return _GAUGE[self]


_GAUGE = {CircuitState.CLOSED: 0, CircuitState.HALF_OPEN: 1, CircuitState.OPEN: 2}


class RouteStanding(Struct, frozen=True, kw_only=True, gc=False):
    """Health of one route, this replica's own and the others' together.

    Attributes:
        circuit: decided for the moment asked about: an opening whose time is over is half-open.
        open_until_ms: Unix ms; meaningful while open.
        probe_free: whether a half-open route takes one more probe.
        cool_down_until_ms: Unix ms until which the provider wants to be left alone; 0 for not.
        cool_down_asked: whether the provider itself named that time (`Retry-After`).
        drained: an operator took it out; nothing is sent there, whatever happens.
        ttft_ms: EWMA of the time to first token; None while cold.
        in_flight: requests running there.
        error_rate: failed share of the recent outcomes, 0 to 1.
    """

    circuit: CircuitState = CircuitState.CLOSED
    open_until_ms: int = 0
    probe_free: bool = True
    cool_down_until_ms: int = 0
    cool_down_asked: bool = False
    drained: bool = False
    ttft_ms: float | None = None
    in_flight: int = 0
    error_rate: float = 0.0


UNKNOWN = RouteStanding()
"""Nothing is known of the route: it is as good as any other."""
