"""Reading a streamed answer of ConverseStream.

Blocks have numbers of the provider's; texts begin without a start, with their first piece. Usage
comes in `metadata`, after `messageStop`; behind it nothing is known to come.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html
"""

from collections.abc import Iterator

import msgspec

from adapters.wire.aws_event_stream import Frame, FrameReader
from adapters.wire.bedrock_converse.errors import failure_in_frame
from adapters.wire.bedrock_converse.frames import decode_payload
from adapters.wire.bedrock_converse.open_blocks import OpenBlocks
from adapters.wire.bedrock_converse.stopping import reason_of, stop_sequence_in
from adapters.wire.bedrock_converse.usage import parse_usage
from adapters.wire.codec import StreamDecoder
from adapters.wire.reading import Members
from adapters.wire.upstream_errors import MessageScrubber
from domain.errors import InvalidRequest, UpstreamFailure, UpstreamProtocolError
from domain.inference.events import Finished, Started, StreamEvent, UsageKnown


class ConverseStreamDecoder(StreamDecoder):
    """Reads one stream."""

    def __init__(self, *, scrubber: MessageScrubber) -> None:
        """`scrubber` makes messages of exceptions presentable."""
        self._scrubber = scrubber
        self._reader = FrameReader()
        self._blocks = OpenBlocks()
        self._failure: UpstreamFailure | None = None
        self._started = False
        self._stopped = False
        self._terminated = False

    @property
    def terminated(self) -> bool:
        """`metadata` was seen after `messageStop`."""
        return self._terminated

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """Return the events that `chunk` completes; see the port for errors."""
        if self._failure is not None:
            raise self._failure
        events: list[StreamEvent] = []
        try:
            for frame in self._reader.feed(chunk):
                events += self._events(frame)
        except UpstreamFailure as failure:
            if not events:
                raise
            self._failure = failure
        return events

    def finish(self) -> list[StreamEvent]:
        """Return nothing: what was complete is out already; see the port for errors."""
        if self._failure is not None:
            raise self._failure
        if self._reader.holding:
            raise UpstreamProtocolError("the stream ended inside an event")
        if not self._stopped:
            raise UpstreamProtocolError("the stream ended without its terminator")
        return []

    def _events(self, frame: Frame) -> Iterator[StreamEvent]:
        if self._terminated:
            return
        if frame.head.kind != "event":
            raise failure_in_frame(frame, self._scrubber)
        event = Members(decode_payload(frame.payload, dict[str, object]), "", [])
        if not self._started:
            self._started = True
            yield Started()
        try:
            yield from self._read(frame.head.name, event)
        except InvalidRequest as error:
            raise UpstreamProtocolError(
                f"not an event of ConverseStream: {error.message}"
            ) from None

    def _read(self, name: str, event: Members) -> Iterator[StreamEvent]:
        if self._stopped and name != "metadata":
            return
        match name:
            case "contentBlockStart":
                yield from self._blocks.start(_number(event), event.members("start"))
            case "contentBlockDelta":
                yield from self._blocks.add(_number(event), event.members("delta"))
            case "contentBlockStop":
                yield from self._blocks.end(_number(event))
            case "messageStop":
                yield from self._blocks.end_all()
                self._stopped = True
                fields = event.any("additionalModelResponseFields")
                yield Finished(
                    reason=reason_of(event.text("stopReason") or ""),
                    stop_sequence=stop_sequence_in(fields),
                )
            case "metadata":
                yield from self._usage(event)
            case _:
                pass  # of the future

    def _usage(self, event: Members) -> Iterator[StreamEvent]:
        self._terminated = self._stopped
        usage = parse_usage(msgspec.Raw(msgspec.json.encode(event.any("usage"))))
        tier = event.members("serviceTier")
        if usage is not None:
            yield UsageKnown(
                usage=usage, service_tier=tier.text("type") if tier is not None else None
            )


def _number(event: Members) -> int:
    return event.integer("contentBlockIndex") or 0
