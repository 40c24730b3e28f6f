"""Scanners for OpenAI Chat Completions replies: what was used, how it ended, what went wrong.

Frames are decoded into the few members of `schemas.openai_chat.Reply`. That costs about a third of
a microsecond for a usual frame, less than telling by byte patterns whether a frame may be skipped,
and does not depend on white space or the order of members.
"""

import msgspec
from msgspec import Raw

from adapters.wire.openai_chat.usage import is_null, parse_usage, read_usage
from adapters.wire.openai_errors import (
    failure_for,
    parse_error,
    status_of,
)
from adapters.wire.scanning import EventScanner, WholeReplyScanner
from adapters.wire.schemas.openai_chat import (
    Choice,
    Content,
    LooseChoice,
    LooseContent,
    LooseReply,
    MaybeRaw,
    Reply,
    ToolCall,
)
from adapters.wire.sse import Event
from adapters.wire.surrogates import without_surrogates
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.provider import ReplySummary
from domain.errors import UpstreamFailure, UpstreamProtocolError, UpstreamUnavailable

_REPLY = msgspec.json.Decoder(Reply)
_LOOSE_REPLY = msgspec.json.Decoder(LooseReply)
_DONE = b"[DONE]"
# Events of other names are extensions: clients of this format do not read them, nor do we.
_PLAIN_NAMES = frozenset({b"", b"message", b"error"})
_NULL_USAGE = b',"usage":null'


class ChatReplyScanner(WholeReplyScanner):
    """Holds a whole (non-streamed) answer until it is known to be one, then hands it on as it came."""

    def __init__(self, *, max_bytes: int, scrubber: MessageScrubber) -> None:
        """`max_bytes` is the largest answer that is relayed."""
        super().__init__(max_bytes)
        self._scrubber = scrubber

    def _read(self, body: bytes) -> bytes:
        """Return the whole answer.

        Raises:
            UpstreamProtocolError: not JSON, or no `choices`.
            UpstreamFailure: an error object instead of an answer.
        """
        reply = _decode(body)
        if not is_null(reply.error):
            raise _failure(reply.error, self._scrubber)
        if not isinstance(reply.choices, list):
            raise UpstreamProtocolError("the answer has no choices")
        for choice in reply.choices:
            _note_choice(self._summary, choice, choice.message)
        _note_reply(self._summary, reply)
        return body


class ChatStreamScanner(EventScanner):
    """Passes stream frames on as they came, whole frames at a time.

    Two things are taken out when usage was asked for on the gateway's own account: the extra frame
    with the usage, and the `"usage":null` that OpenAI then adds to every other frame. The latter
    only where it stands as exactly `,"usage":null` at top level; spelled otherwise, it stays.
    """

    def __init__(self, *, choices: int, strip_usage: bool, scrubber: MessageScrubber) -> None:
        """`choices` is how many completions were asked for (`n`)."""
        super().__init__()
        self._expected = choices
        self._strip = strip_usage
        self._scrubber = scrubber
        self._open: set[int] = set()
        self._finished: set[int] = set()
        self._done = False

    def _check_complete(self) -> None:
        """Some servers leave `[DONE]` out; a cut stream has neither it nor all finish reasons."""
        if not (self._done or (not self._open and len(self._finished) >= self._expected)):
            raise UpstreamProtocolError("the stream ended without its terminator")

    def _pass(self, event: Event) -> bytes:
        """Note what an event tells and return what is to be forwarded of it."""
        data = event.data
        if not data or self._done or event.name not in _PLAIN_NAMES:
            return event.raw
        if data.startswith(b"[") and data.strip() == _DONE:
            self._done = True
            if self._failure is None:
                self._summary.terminated = True
            return event.raw
        reply = _decode(data)
        if not is_null(reply.error):
            if self._summary.content_started:
                raise UpstreamUnavailable(error_class="server_error")
            raise _failure(reply.error, self._scrubber)
        choices = reply.choices
        if isinstance(choices, list):
            for choice in choices:
                self._note_progress(choice)
        _note_reply(self._summary, reply)
        if self._strip and isinstance(reply.usage, Raw):
            extra = not choices and is_null(reply.moderation)
            return _without_usage(event.raw, reply.usage, extra=extra)
        return event.raw

    def _note_progress(self, choice: Choice | LooseChoice) -> None:
        _note_choice(self._summary, choice, choice.delta)
        if choice.finish_reason is None and choice.index in self._open:
            return
        if choice.finish_reason:
            self._finished.add(choice.index)
            self._open.discard(choice.index)
        elif choice.index not in self._finished:
            self._open.add(choice.index)


def _decode(data: bytes) -> Reply | LooseReply:
    """Decode a reply or frame, strictly if that works, loosely if not."""
    try:
        return _REPLY.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Content in other shapes; or half a surrogate pair in an escape, which a server may split
        # over two frames: legal JSON (RFC 8259 section 8.2), but not for the decoder.
        readable = without_surrogates(data)
    try:
        return _LOOSE_REPLY.decode(readable)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamProtocolError("not a chat completion in JSON") from None


def _failure(error: MaybeRaw, scrubber: MessageScrubber) -> UpstreamFailure:
    detail = parse_error(error)
    return failure_for(status_of(detail), detail, scrubber)


def _without_usage(raw: bytes, usage: Raw, *, extra: bool) -> bytes:
    """Return a frame as it would have come had usage not been asked for.

    `extra` says that the frame has nothing to tell but usage.
    """
    if bytes(usage) != b"null":
        return b"" if extra else raw
    # One mention of the name in the frame, and the decoder has seen it at top level: this is it.
    # It stands at the end as a rule, so the search begins there.
    at = raw.rfind(_NULL_USAGE)
    if at >= 0 and raw.find(b'"usage"', 0, at) < 0 and raw.find(b'"usage"', at + 2) < 0:
        return raw[:at] + raw[at + len(_NULL_USAGE) :]
    return raw


def _note_reply(summary: ReplySummary, reply: Reply | LooseReply) -> None:
    if not summary.model and reply.model:
        summary.model = reply.model
    usage = read_usage(reply.usage, reply.x_groq, reply.timings)
    if usage is not None:
        summary.usage = usage


def _note_choice(
    summary: ReplySummary, choice: Choice | LooseChoice, content: Content | LooseContent | None
) -> None:
    if choice.finish_reason and (choice.index == 0 or not summary.finish_reason):
        summary.finish_reason = choice.finish_reason
    if not is_null(choice.usage):
        summary.usage = parse_usage(choice.usage) or summary.usage
    if content is None:
        return
    if isinstance(content, Content):
        characters, started = _measure(content)
    else:
        characters, started = _measure_loosely(content)
    summary.output_characters += characters
    if started:
        summary.content_started = True


def _measure(content: Content) -> tuple[int, bool]:
    """Return the number of generated characters and whether there is any content."""
    characters = len(content.content) if content.content else 0
    if content.refusal:
        characters += len(content.refusal)
    if thought := content.reasoning_content or content.reasoning:
        characters += len(thought)
    if not content.tool_calls and content.function_call is None:
        return characters, characters > 0 or not is_null(content.audio)
    calls = list(content.tool_calls or ())
    if content.function_call is not None:
        calls.append(ToolCall(function=content.function_call))
    for call in calls:
        if call.function is not None:
            characters += len(call.function.name or "") + len(call.function.arguments or "")
        if call.custom is not None:
            characters += len(call.custom.name or "") + len(call.custom.input or "")
    return characters, bool(characters or calls) or not is_null(content.audio)


def _measure_loosely(content: LooseContent) -> tuple[int, bool]:
    """Count bytes of JSON instead of characters: an upper bound, for estimates."""
    values = (
        content.content,
        content.refusal,
        content.reasoning_content,
        content.reasoning,
        content.tool_calls,
        content.function_call,
    )
    characters = sum(
        len(memoryview(value))
        for value in values
        if isinstance(value, Raw) and bytes(value) not in (b"null", b'""', b"[]")
    )
    return characters, characters > 0 or not is_null(content.audio)
