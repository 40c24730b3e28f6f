"""What the readers of server-sent events do alike, whatever the events say."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from adapters.wire.codec import StreamDecoder
from adapters.wire.sse import LARGEST_EVENT, Event, EventSplitter
from domain.errors import UpstreamFailure, UpstreamProtocolError
from domain.inference.events import StreamEvent


class EventDecoder(StreamDecoder, ABC):
    """Reads one streamed answer event by event."""

    def __init__(self) -> None:
        """One decoder serves one answer."""
        self._splitter = EventSplitter(LARGEST_EVENT)
        self._failure: UpstreamFailure | None = None

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """Return the events that `chunk` completes; see `StreamDecoder`."""
        if self._failure is not None:
            raise self._failure
        events: list[StreamEvent] = []
        try:
            for event in self._splitter.feed(chunk):
                events += self._read(event)
        except UpstreamFailure as failure:
            if not events:
                raise
            self._failure = failure
        return events

    def _last(self) -> list[StreamEvent]:
        """Return what a last event says that lacks its empty line.

        Raises:
            UpstreamFailure: an error that came before, or in it.
            UpstreamProtocolError: the stream ended inside it.
        """
        if self._failure is not None:
            raise self._failure
        rest = self._splitter.finish()
        if rest is None:
            return []
        try:
            return list(self._read(rest))
        except UpstreamProtocolError:
            raise UpstreamProtocolError("the stream ended inside an event") from None

    @abstractmethod
    def _read(self, event: Event) -> Iterable[StreamEvent]:
        """Return what one event says; raises like `feed`."""
        ...
