"""Scanners for Responses replies: what was used, how it ended, what went wrong.

Every event is forwarded exactly as it came. The stream ends with `response.completed`,
`response.incomplete` or `response.failed`; there is no `[DONE]`.
"""

import msgspec
from msgspec import Raw

from adapters.wire.openai_chat.usage import is_null
from adapters.wire.openai_responses.errors import failure_of_frame, failure_of_reply
from adapters.wire.openai_responses.reading_json import decode
from adapters.wire.openai_responses.stream_kinds import ENDS, ERROR, FAILED, is_known
from adapters.wire.openai_responses.usage import parse_usage
from adapters.wire.scanning import EventScanner, WholeReplyScanner
from adapters.wire.schemas.openai_responses import ContentPart, Frame, Item, ItemKind, Reply
from adapters.wire.sse import Event
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.provider import ReplySummary
from domain.errors import UpstreamFailure, UpstreamProtocolError, UpstreamUnavailable

_REPLY = msgspec.json.Decoder(Reply)
_FRAME = msgspec.json.Decoder(Frame)
_KIND = msgspec.json.Decoder(ItemKind)
_TEXT = msgspec.json.Decoder(str)
_PARTS = msgspec.json.Decoder(list[ContentPart])
_DELTA = ".delta"
_AUDIO = "response.audio.delta"
# An item of these kinds is empty when it is added; any other is a call, which is content.
_EMPTY_WHEN_ADDED = frozenset({"message", "reasoning"})


class ResponsesReplyScanner(WholeReplyScanner):
    """Holds a whole (non-streamed) answer until it is known to be one, then hands it on as it came."""

    def __init__(self, *, max_bytes: int, scrubber: MessageScrubber) -> None:
        """`max_bytes` is the largest answer that is relayed."""
        super().__init__(max_bytes)
        self._scrubber = scrubber

    def _read(self, body: bytes) -> bytes:
        """Return the whole answer. One that runs in the background may have no output yet.

        Raises:
            UpstreamProtocolError: not JSON, or no `output`.
            UpstreamFailure: an error object, or a response of status `failed`.
        """
        reply = decode(_REPLY, body)
        if reply.status == "failed" or not is_null(reply.error):
            raise failure_of_reply(reply, self._scrubber)
        if not isinstance(reply.output, list):
            raise UpstreamProtocolError("the answer has no output")
        for item in reply.output:
            self._summary.content_started = True
            self._summary.output_characters += _characters(item)
        _note_reply(self._summary, reply)
        return body


class ResponsesStreamScanner(EventScanner):
    """Passes stream events on as they came, whole events at a time."""

    def __init__(self, *, scrubber: MessageScrubber) -> None:
        """One scanner serves one answer."""
        super().__init__()
        self._scrubber = scrubber

    def _pass(self, event: Event) -> bytes:
        self._observe(event)
        return event.raw

    def _observe(self, event: Event) -> None:
        """Note what an event tells."""
        data = event.data
        summary = self._summary
        if not data or summary.terminated or data.startswith(b"["):  # `[DONE]` of other servers
            return
        try:
            frame = decode(_FRAME, data)
        except UpstreamProtocolError:
            # Kinds unknown so far may have the same members in other shapes.
            if is_known(decode(_KIND, data).type):
                raise
            return
        kind = frame.type or event.name.decode("latin-1")
        if kind.endswith(_DELTA):
            if isinstance(frame.delta, Raw):
                summary.content_started = True
                summary.output_characters += 0 if kind == _AUDIO else _delta_size(frame.delta)
        elif frame.item is not None:
            self._note_item(frame.item, done=kind.endswith(".done"))
        elif frame.response is not None:
            self._note_response(kind, frame.response)
        elif kind == ERROR or (not kind and not is_null(frame.error)):
            raise self._late(failure_of_frame(frame, self._scrubber))

    def _note_item(self, item: Item, *, done: bool) -> None:
        if done or item.type not in _EMPTY_WHEN_ADDED:
            self._summary.content_started = True
        if not done:
            self._summary.output_characters += len(item.name or "")

    def _note_response(self, kind: str, reply: Reply) -> None:
        if kind == FAILED:
            raise self._late(failure_of_reply(reply, self._scrubber))
        _note_reply(self._summary, reply)
        if kind in ENDS:
            self._summary.terminated = True

    def _late(self, failure: UpstreamFailure) -> UpstreamFailure:
        """Return the failure as it counts now: after content only the stream is to blame."""
        if self._summary.content_started:
            return UpstreamUnavailable(error_class="server_error")
        return failure


def _note_reply(summary: ReplySummary, reply: Reply) -> None:
    if not summary.model and reply.model:
        summary.model = reply.model
    if reply.id and reply.store is not False:
        summary.reply_id = reply.id
    summary.usage = parse_usage(reply.usage) or summary.usage
    if reply.status in {"completed", "incomplete", "cancelled"}:
        details = reply.incomplete_details
        summary.finish_reason = (details.reason if details else None) or reply.status


def _delta_size(delta: Raw) -> int:
    """Return the characters of a delta; of an odd one the bytes, which are no fewer."""
    try:
        return len(_TEXT.decode(delta))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return len(memoryview(delta))


def _characters(item: Item) -> int:
    """Return the number of generated characters of a whole item."""
    count = len(item.name or "")
    for value in (item.arguments, item.input):
        if not is_null(value):
            assert isinstance(value, Raw)
            count += _delta_size(value)
    for value in (item.content, item.summary):
        count += _parts_size(value)
    return count


def _parts_size(value: object) -> int:
    if not isinstance(value, Raw) or bytes(value) == b"null":
        return 0
    try:
        parts = _PARTS.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return len(memoryview(value))
    return sum(len(part.text or "") + len(part.refusal or "") for part in parts)
