"""One attempt at a route, from leave to make it until its answer has ended."""

from application.ports.clock import Clock
from domain.routing.failures import Failure, understand
from domain.routing.tracker import AttemptLease


class RunningAttempt:
    """Tells the health of the route what becomes of the attempt; always `end` it."""

    __slots__ = ("_answered", "_began", "_clock", "_lease", "_streamed")

    def __init__(self, lease: AttemptLease, clock: Clock, *, streamed: bool) -> None:
        """The attempt begins now. Only streams are measured: a whole answer comes all at once."""
        self._lease = lease
        self._clock = clock
        self._streamed = streamed
        self._began = clock.monotonic()
        self._answered = False

    @property
    def age_ms(self) -> float:
        """Milliseconds since it began."""
        return (self._clock.monotonic() - self._began) * 1000

    def answered(self) -> None:
        """Note that content came; asked with every part of an answer, only the first counts."""
        if not self._answered:
            self._answered = True
            self._lease.answered(self._clock.now_ms(), self.age_ms if self._streamed else None)

    def failed(self, error: BaseException, *, content_started: bool = False) -> tuple[Failure, int]:
        """Note that it failed with `error`.

        Returns:
            What that means, and for how many milliseconds the route cools down.
        """
        failure = understand(error, content_started=content_started)
        return failure, self._lease.failed(failure, self._clock.now_ms())

    def end(self) -> None:
        """Give the place back; safe to call twice."""
        self._lease.end(self._clock.now_ms())
