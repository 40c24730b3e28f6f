"""The blocks of a streamed answer as they are read: what is open, and what was said of it so far.

Canonical blocks are numbered in the order they start. The vendor's events name a place in the
output and, for parts of messages, a place in the item.
"""

from typing import Literal

from msgspec import Struct

from domain.inference.conversation import Citation, OpaqueState, VendorPart
from domain.inference.events import (
    BlockDelta,
    BlockEnded,
    BlockStarted,
    CitationAdded,
    StreamEvent,
)

Place = tuple[int, int]
"""Where a block is: `output_index` and `content_index`; -1 for what is a whole item."""

Kind = Literal["text", "thinking", "tool_call", "refusal"]


class _Block(Struct):
    index: int
    kind: Kind


class Blocks:
    """Turns what is said of places into canonical events, in an order that is always valid."""

    def __init__(self) -> None:
        """One serves one answer."""
        self._open: dict[Place, _Block] = {}
        self._heard: set[Place] = set()
        self._cited: set[Place] = set()
        self._next = 0

    @property
    def any(self) -> bool:
        """Whether anything was started so far."""
        return self._next > 0

    def is_open(self, place: Place) -> bool:
        """Tell whether the block at `place` is open."""
        return place in self._open

    def heard(self, place: Place) -> bool:
        """Tell whether anything was said at `place`, in a block that is open or ended."""
        return place in self._heard

    def cited(self, place: Place) -> bool:
        """Tell whether the text at `place` has got citations."""
        return place in self._cited

    def start(
        self, place: Place, kind: Kind, *, call_id: str = "", name: str = "", custom: bool = False
    ) -> list[StreamEvent]:
        """Start a block, unless the place has one.

        Whatever else is open ends, but for calls: their arguments may still come.
        """
        if place in self._open:
            return []
        events: list[StreamEvent] = []
        for other, block in list(self._open.items()):
            if block.kind != "tool_call":
                events += self.end(other)
        self._open[place] = _Block(self._next, kind)
        events.append(
            BlockStarted(index=self._next, kind=kind, id=call_id, name=name, custom=custom)
        )
        self._next += 1
        return events

    def add(self, place: Place, kind: Kind, text: str) -> list[StreamEvent]:
        """Add text to a block, which is started if it is not open."""
        if not text:
            return []
        events = self.start(place, kind)
        block = self._open[place]
        self._heard.add(place)
        events.append(BlockDelta(index=block.index, text=text))
        return events

    def cite(self, place: Place, citation: Citation) -> list[StreamEvent]:
        """Add a citation to an open text."""
        block = self._open.get(place)
        if block is None or block.kind != "text":
            return []
        self._cited.add(place)
        return [CitationAdded(index=block.index, citation=citation)]

    def end(self, place: Place, state: OpaqueState | None = None) -> list[StreamEvent]:
        """End the block at `place`, if it is open."""
        block = self._open.pop(place, None)
        return [] if block is None else [BlockEnded(index=block.index, state=state)]

    def end_item(self, output_index: int) -> list[StreamEvent]:
        """End whatever is open of an item."""
        return [
            event
            for place in list(self._open)
            if place[0] == output_index
            for event in self.end(place)
        ]

    def end_all(self) -> list[StreamEvent]:
        """End whatever is open."""
        return [event for place in list(self._open) for event in self.end(place)]

    def whole(self, vendor: VendorPart) -> list[StreamEvent]:
        """Return a block that is complete with its start."""
        events = [
            event
            for place, block in list(self._open.items())
            if block.kind != "tool_call"
            for event in self.end(place)
        ]
        events += [
            BlockStarted(index=self._next, kind="vendor", vendor=vendor),
            BlockEnded(index=self._next),
        ]
        self._next += 1
        return events
