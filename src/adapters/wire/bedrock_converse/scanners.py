"""Scanners for Converse replies: what was used, how it ended, what went wrong."""

from adapters.wire.aws_event_stream import Frame, FrameReader
from adapters.wire.bedrock_converse.errors import failure_in_frame
from adapters.wire.bedrock_converse.frames import decode_payload
from adapters.wire.bedrock_converse.usage import parse_usage
from adapters.wire.scanning import WholeReplyScanner
from adapters.wire.schemas.bedrock_converse import (
    Delta,
    DeltaEvent,
    MetadataEvent,
    Reply,
    StartEvent,
    StopEvent,
)
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.provider import ReplyScanner, ReplySummary
from domain.errors import UpstreamFailure, UpstreamProtocolError, UpstreamUnavailable


class ConverseReplyScanner(WholeReplyScanner):
    """Holds a whole (non-streamed) answer until it is known to be one, then hands it on as it came."""

    def _read(self, body: bytes) -> bytes:
        """Return the whole answer.

        Raises:
            UpstreamProtocolError: not JSON, or no message in it.
        """
        reply = decode_payload(body, Reply)
        if reply.output is None or reply.output.message is None:
            raise UpstreamProtocolError("the answer has no message")
        summary = self._summary
        summary.finish_reason = reply.stop_reason or ""
        summary.usage = parse_usage(reply.usage)
        # Bytes of JSON instead of characters: an upper bound, for estimates.
        content = reply.output.message.content or ()
        summary.output_characters = sum(len(memoryview(block)) for block in content if block)
        summary.content_started = bool(content)
        return body


class ConverseStreamScanner(ReplyScanner):
    """Passes frames on as they came, whole frames at a time."""

    def __init__(self, *, scrubber: MessageScrubber) -> None:
        """`scrubber` makes messages of exceptions presentable."""
        self._scrubber = scrubber
        self._reader = FrameReader()
        self._summary = ReplySummary()
        self._stopped = False
        self._failure: UpstreamFailure | None = None

    @property
    def summary(self) -> ReplySummary:
        """What the frames so far have told."""
        return self._summary

    def feed(self, chunk: bytes) -> bytes:
        """Return the frames `chunk` completes.

        Content that came in the same chunk before an error is returned first; the error is raised
        by the next call.

        Raises:
            UpstreamFailure: an exception frame. Before content it is classified like an error
                status, after content it is `UpstreamUnavailable`.
            UpstreamProtocolError: no frame, a wrong checksum, a payload that is not JSON, or a
                frame larger than 16 MiB.
        """
        if self._failure is not None:
            raise self._failure
        whole = not self._reader.holding
        kept: list[bytes] = []
        try:
            for frame in self._reader.feed(chunk):
                self._observe(frame)
                kept.append(frame.raw)
        except UpstreamFailure as failure:
            if not (kept and self._summary.content_started):
                raise
            self._failure = failure
            return b"".join(kept)
        if whole and not self._reader.holding:
            return chunk
        return b"".join(kept)

    def finish(self) -> bytes:
        """Return nothing: every whole frame is out already.

        Raises:
            UpstreamProtocolError: the stream ended inside a frame, or before `messageStop`.
        """
        if self._failure is not None:
            raise self._failure
        if self._reader.holding:
            raise UpstreamProtocolError("the stream ended inside an event")
        if not self._stopped:
            raise UpstreamProtocolError("the stream ended without its terminator")
        return b""

    def _observe(self, frame: Frame) -> None:
        summary = self._summary
        if frame.head.kind != "event":
            if summary.content_started:
                raise UpstreamUnavailable(error_class="server_error")
            raise failure_in_frame(frame, self._scrubber)
        match frame.head.name:
            case "contentBlockDelta":
                summary.content_started = True
                delta = decode_payload(frame.payload, DeltaEvent).delta
                summary.output_characters += _characters(delta) if delta is not None else 0
            case "contentBlockStart":
                start = decode_payload(frame.payload, StartEvent).start
                if start is not None and start.tool_use is not None:
                    summary.content_started = True
                    summary.output_characters += len(start.tool_use.name)
            case "messageStop":
                self._stopped = True
                summary.finish_reason = decode_payload(frame.payload, StopEvent).stop_reason
            case "metadata":
                usage = parse_usage(decode_payload(frame.payload, MetadataEvent).usage)
                summary.usage = usage or summary.usage
                # Nothing is known to follow the metadata of an answer that has ended.
                summary.terminated = self._stopped
            case _:
                pass


def _characters(delta: Delta) -> int:
    thought = delta.reasoning_content
    return (
        len(delta.text or "")
        + len((delta.tool_use and delta.tool_use.input) or "")
        + len((thought and (thought.text or thought.redacted_content)) or "")
    )
