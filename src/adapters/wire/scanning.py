"""What all scanners do alike: holding a whole answer, and passing events of a stream on."""

from abc import ABC, abstractmethod

from adapters.wire.sse import LARGEST_EVENT, Event, EventSplitter
from application.ports.provider import ReplyScanner, ReplySummary
from domain.errors import UpstreamFailure, UpstreamProtocolError


class WholeReplyScanner(ReplyScanner, ABC):
    """Holds a whole (non-streamed) answer until it is known to be one.

    Nothing is forwarded earlier, so that a broken answer can still become a proper error status.
    """

    def __init__(self, max_bytes: int) -> None:
        """`max_bytes` is the largest answer that is relayed."""
        self._limit = max_bytes
        self._parts: list[bytes] = []
        self._size = 0
        self._summary = ReplySummary()

    @property
    def summary(self) -> ReplySummary:
        """Filled in by `finish`."""
        return self._summary

    def feed(self, chunk: bytes) -> bytes:
        """Hold `chunk`.

        Raises:
            UpstreamProtocolError: the answer is larger than the bound.
        """
        self._size += len(chunk)
        if self._size > self._limit:
            self._parts.clear()
            raise UpstreamProtocolError(f"the answer is larger than {self._limit} bytes")
        self._parts.append(chunk)
        return b""

    def finish(self) -> bytes:
        """Return what to forward of the whole answer.

        Raises:
            UpstreamProtocolError: not what the format says.
            UpstreamFailure: an error object instead of an answer.
        """
        return self._read(b"".join(self._parts))

    @abstractmethod
    def _read(self, body: bytes) -> bytes:
        """Fill in the summary and return what to forward; raises like `finish`."""
        ...


class EventScanner(ReplyScanner, ABC):
    """Passes server-sent events on as they came, whole events at a time."""

    def __init__(self) -> None:
        """One scanner serves one answer."""
        self._splitter = EventSplitter(LARGEST_EVENT)
        self._summary = ReplySummary()
        self._failure: UpstreamFailure | None = None

    @property
    def summary(self) -> ReplySummary:
        """What the events so far have told."""
        return self._summary

    def feed(self, chunk: bytes) -> bytes:
        """Return the events `chunk` completes.

        Content that came in the same chunk before an error is returned first; the error is raised
        by the next call.

        Raises:
            UpstreamFailure: an error event. Before content it is classified like an error status,
                after content it is `UpstreamUnavailable`.
            UpstreamProtocolError: an event that is not JSON, or larger than 16 MiB.
        """
        if self._failure is not None:
            raise self._failure
        whole = not self._splitter.holding
        kept: list[bytes] = []
        untouched = True
        for event in self._splitter.feed(chunk):
            try:
                passed = self._pass(event)
            except UpstreamFailure as failure:
                if not (kept and self._summary.content_started):
                    raise
                self._failure = failure
                return b"".join(kept)
            untouched = untouched and passed is event.raw
            if passed:
                kept.append(passed)
        if whole and untouched and not self._splitter.holding:
            return chunk
        return b"".join(kept)

    def finish(self) -> bytes:
        """Return a last event that lacks its empty line.

        Raises:
            UpstreamProtocolError: the stream ended inside an event, or before it was complete.
        """
        if self._failure is not None:
            raise self._failure
        rest = self._splitter.finish()
        last = b""
        if rest is not None:
            try:
                last = self._pass(rest)
            except UpstreamProtocolError:
                raise UpstreamProtocolError("the stream ended inside an event") from None
        self._check_complete()
        return last

    @abstractmethod
    def _pass(self, event: Event) -> bytes:
        """Note what an event tells and return what to forward of it: mostly `event.raw` itself."""
        ...

    def _check_complete(self) -> None:
        """Raise `UpstreamProtocolError` unless the stream may end here."""
        if not self._summary.terminated:
            raise UpstreamProtocolError("the stream ended without its terminator")
