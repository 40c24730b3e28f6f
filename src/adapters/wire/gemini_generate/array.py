"""Streams without `alt=sse`: one JSON array whose elements are the chunks."""

from adapters.wire.gemini_generate.scanners import chunk_data
from adapters.wire.sse import LARGEST_EVENT, Event, EventSplitter
from application.ports.provider import ReplyScanner, ReplySummary


class ArrayOutput:
    """One array on its way to a client: `[{…}`, then `,` and the next for each, then `]`."""

    def __init__(self) -> None:
        """Nothing has been sent."""
        self._opened = False

    def element(self, chunk: bytes) -> bytes:
        """Return `chunk`, a JSON object, as the next element."""
        before = b"\n,\n" if self._opened else b"["
        self._opened = True
        return before + chunk

    def end(self) -> bytes:
        """Return what ends the array."""
        return b"\n]\n" if self._opened else b"[]\n"


class ArrayRelay(ReplyScanner):
    """Turns the server-sent events that another scanner lets pass into elements of an array.

    The chunks themselves keep their bytes. Events without a chunk (comments) are left out.
    """

    def __init__(self, inner: ReplyScanner, output: ArrayOutput) -> None:
        """`inner` reads the provider's answer; `output` is the array it goes to."""
        self._inner = inner
        self._output = output
        self._splitter = EventSplitter(LARGEST_EVENT)

    @property
    def summary(self) -> ReplySummary:
        """What the inner scanner has learnt."""
        return self._inner.summary

    def feed(self, chunk: bytes) -> bytes:
        """Return the elements that `chunk` completes; raises what the inner scanner raises."""
        return self._elements(self._inner.feed(chunk))

    def finish(self) -> bytes:
        """Return the end of the array; raises what the inner scanner raises."""
        elements = self._elements(self._inner.finish())
        rest = self._splitter.finish()
        if rest is not None:
            elements += self._element(rest)
        return elements + self._output.end()

    def _elements(self, events: bytes) -> bytes:
        return b"".join([self._element(event) for event in self._splitter.feed(events)])

    def _element(self, event: Event) -> bytes:
        data = chunk_data(event)
        return b"" if data is None else self._output.element(data)
