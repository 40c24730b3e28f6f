"""Reading usage and errors out of relayed answers that are no conversations."""

import msgspec
from msgspec import UNSET, Raw, Struct

from adapters.wire.governing import MaybeRaw
from adapters.wire.openai_chat.usage import is_null, parse_usage
from adapters.wire.openai_errors import failure_for, parse_error, status_of
from adapters.wire.openai_responses.usage import parse_usage as parse_kept_usage
from adapters.wire.scanning import WholeReplyScanner
from adapters.wire.sse import LARGEST_EVENT, Event, EventSplitter
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.provider import ReplyScanner, ReplySummary
from domain.accounting.usage import TokenUsage
from domain.errors import UpstreamProtocolError

_DONE = b"[DONE]"
_NO_TOKENS = TokenUsage()


class _InputDetails(Struct, frozen=True):
    """`input_tokens_details` of images and transcriptions."""

    text_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _IoUsage(Struct, frozen=True):
    """`usage` of images, speech and transcriptions; the last by tokens or by seconds."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_token_details: _InputDetails | None = None


class _Reply(Struct, frozen=True):
    """Members of an answer or event that are looked at."""

    type: str | None = None
    usage: MaybeRaw = UNSET
    error: MaybeRaw = UNSET
    response: MaybeRaw = UNSET


class _Kept(Struct, frozen=True):
    """A kept answer, as events carry it."""

    usage: MaybeRaw = UNSET


_REPLY = msgspec.json.Decoder(_Reply)
_IO_USAGE = msgspec.json.Decoder(_IoUsage)
_KEPT = msgspec.json.Decoder(_Kept)


class JsonRelayScanner(WholeReplyScanner):
    """Holds a whole JSON answer until it is known to be one, then hands it on as it came."""

    def __init__(self, *, max_bytes: int, scrubber: MessageScrubber, free: bool = False) -> None:
        """`free` says that the operation bills no tokens (counting them)."""
        super().__init__(max_bytes)
        self._scrubber = scrubber
        self._free = free
        self._summary.usage = _NO_TOKENS if free else None

    def _read(self, body: bytes) -> bytes:
        """Return the whole answer.

        Raises:
            UpstreamProtocolError: not a JSON object.
            UpstreamFailure: an error object instead of an answer.
        """
        try:
            reply = _REPLY.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UpstreamProtocolError(f"the answer is not what it should be: {error}") from None
        if not is_null(reply.error):
            found = parse_error(reply.error)
            raise failure_for(status_of(found), found, self._scrubber)
        if self._free:
            self._summary.kept_usage = parse_kept_usage(reply.usage)
        else:
            self._summary.usage = _usage(reply.usage)
        self._summary.content_started = True
        return body


class BytesRelayScanner(ReplyScanner):
    """Passes bytes on that are not looked into: sounds, subtitles, plain text."""

    def __init__(self) -> None:
        """Nothing is known of such an answer but that it came."""
        self._summary = ReplySummary()

    @property
    def summary(self) -> ReplySummary:
        """Whether anything came."""
        return self._summary

    def feed(self, chunk: bytes) -> bytes:
        """Return `chunk`."""
        self._summary.content_started = True
        return chunk

    def finish(self) -> bytes:
        """Return nothing: HTTP tells whether the answer is whole."""
        return b""


class EventRelayScanner(ReplyScanner):
    """Passes events on as they come, and reads usage and errors out of them."""

    def __init__(self, *, scrubber: MessageScrubber, free: bool = False) -> None:
        """`free` says that the operation bills no tokens (replaying an answer)."""
        self._scrubber = scrubber
        self._splitter = EventSplitter(LARGEST_EVENT)
        self._summary = ReplySummary(usage=_NO_TOKENS if free else None)
        self._free = free

    @property
    def summary(self) -> ReplySummary:
        """What the events so far have told."""
        return self._summary

    def feed(self, chunk: bytes) -> bytes:
        """Return `chunk`, unless an event in it tells of an error.

        Raises:
            UpstreamFailure: an error event.
        """
        for event in self._splitter.feed(chunk):
            self._observe(event)
        return chunk

    def finish(self) -> bytes:
        """Return nothing more; these streams end with the answer, some with `[DONE]`.

        Raises:
            UpstreamProtocolError: the stream ended inside an event.
        """
        rest = self._splitter.finish()
        if rest is not None and rest.data is not None:
            raise UpstreamProtocolError("the stream ended inside an event")
        return b""

    def _observe(self, event: Event) -> None:
        if event.data is None:
            return
        if event.data == _DONE:
            self._summary.terminated = True
            return
        try:
            reply = _REPLY.decode(event.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise UpstreamProtocolError("an event is not JSON") from None
        if not is_null(reply.error):
            found = parse_error(reply.error)
            raise failure_for(status_of(found), found, self._scrubber)
        self._summary.content_started = True
        if self._free:
            self._summary.kept_usage = _usage_within(reply.response) or self._summary.kept_usage
        elif (usage := _usage(reply.usage)) is not None:
            self._summary.usage = usage


def _usage_within(response: MaybeRaw) -> TokenUsage | None:
    """Return the usage of the kept answer that an event carries, None when it tells none."""
    if not isinstance(response, Raw):
        return None
    try:
        return parse_kept_usage(_KEPT.decode(response).usage)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _usage(value: MaybeRaw) -> TokenUsage | None:
    """Return the kinds of a `usage` object in either of OpenAI's spellings."""
    if is_null(value) or not isinstance(value, Raw):
        return None
    try:
        given = _IO_USAGE.decode(value)
    except msgspec.DecodeError:
        return None
    if given.input_tokens is None and given.output_tokens is None:
        return parse_usage(value)
    total = max(0, given.input_tokens or 0)
    details = given.input_token_details or _InputDetails()
    audio = min(max(0, details.audio_tokens or 0), total)
    return TokenUsage(
        input_uncached=total - audio, audio_in=audio, output=max(0, given.output_tokens or 0)
    )
