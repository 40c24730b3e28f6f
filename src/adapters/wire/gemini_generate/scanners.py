"""Scanners for generateContent replies: what was used, how it ended, what went wrong.

A stream has no terminator. Its end is the end of the connection, and whether it was complete is told
by a finish reason for every candidate. Seeing those does not end the stream: some models give one
with every chunk, and usage may come later.
"""

import msgspec
from msgspec import Raw

from adapters.wire.gemini_generate.errors import (
    failure_for,
    parse_error,
    parse_error_body,
    status_of,
)
from adapters.wire.gemini_generate.usage import parse_usage
from adapters.wire.scanning import EventScanner, WholeReplyScanner
from adapters.wire.schemas.gemini_generate import MaybeRaw, Reply, ReplyCandidate, ReplyPart
from adapters.wire.sse import Event
from adapters.wire.surrogates import without_surrogates
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.provider import ReplySummary
from domain.errors import UpstreamFailure, UpstreamProtocolError, UpstreamUnavailable

_REPLY = msgspec.json.Decoder(Reply)


class GenerateReplyScanner(WholeReplyScanner):
    """Holds a whole (non-streamed) answer until it is known to be one, then hands it on as it came.

    Answers of countTokens are answers too.
    """

    def __init__(self, *, max_bytes: int, scrubber: MessageScrubber) -> None:
        """`max_bytes` is the largest answer that is relayed."""
        super().__init__(max_bytes)
        self._scrubber = scrubber

    def _read(self, body: bytes) -> bytes:
        """Return the whole answer.

        Raises:
            UpstreamProtocolError: not JSON, or neither candidates nor a reason for having none.
            UpstreamFailure: an error object instead of an answer.
        """
        reply = decode_chunk(body)
        if not is_null(reply.error):
            raise reported_failure(reply.error, self._scrubber)
        known = (reply.candidates, reply.prompt_feedback, reply.total_tokens)
        if all(member is None for member in known) and is_null(reply.usage_metadata):
            raise UpstreamProtocolError("the answer has no candidates")
        note_reply(self._summary, reply)
        return body


class GenerateStreamScanner(EventScanner):
    """Passes chunks of a stream on as they came, whole events at a time."""

    def __init__(self, *, candidates: int, scrubber: MessageScrubber) -> None:
        """`candidates` is how many were asked for."""
        super().__init__()
        self._scrubber = scrubber
        self._ending = Ending(candidates)

    def _pass(self, event: Event) -> bytes:
        self._observe(event)
        return event.raw

    def _check_complete(self) -> None:
        if not self._ending.complete:
            raise UpstreamProtocolError("the stream ended without a finish reason")
        self._summary.terminated = True

    def _observe(self, event: Event) -> None:
        data = chunk_data(event)
        if data is None:
            return
        reply = decode_chunk(data)
        if not is_null(reply.error):
            if self._summary.content_started:
                raise UpstreamUnavailable(error_class="server_error")
            raise reported_failure(reply.error, self._scrubber)
        self._ending.note(reply)
        note_reply(self._summary, reply)


class Ending:
    """Tells whether a stream was complete when it ended."""

    def __init__(self, candidates: int) -> None:
        """`candidates` is how many were asked for; the provider may well give fewer."""
        self._expected = candidates
        self._open: set[int] = set()
        self._finished: set[int] = set()
        self._blocked = False

    @property
    def complete(self) -> bool:
        """Whether every candidate has its finish reason, or the prompt was blocked.

        Candidates that never showed are not missed: a filter may keep them back.
        """
        return not self._open and (bool(self._finished) or self._blocked)

    def note(self, reply: Reply) -> None:
        """Take in one chunk."""
        for candidate in reply.candidates or ():
            index = candidate.index or 0
            if candidate.finish_reason:
                self._finished.add(index)
                self._open.discard(index)
            elif index not in self._finished:
                self._open.add(index)
        if reply.prompt_feedback is not None and reply.prompt_feedback.block_reason:
            self._blocked = True


def chunk_data(event: Event) -> bytes | None:
    """Return the JSON of an event, or None when it has none.

    Google's servers may write an error into a running stream without `data:` before it.
    """
    if event.data is not None:
        return event.data or None
    bare = event.raw.strip()
    return bare if bare.startswith((b"{", b"[")) else None


def decode_chunk(data: bytes) -> Reply:
    """Return a whole answer or one chunk.

    Raises:
        UpstreamProtocolError: not JSON, or not of this format.
    """
    if data.lstrip().startswith(b"["):
        found = parse_error_body(data)
        if found is None:
            raise UpstreamProtocolError("an array where an answer should be")
        return Reply(error=Raw(msgspec.json.encode(found)))
    try:
        return _REPLY.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        readable = without_surrogates(data)
    try:
        return _REPLY.decode(readable)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamProtocolError("not an answer of generateContent in JSON") from None


def reported_failure(error: MaybeRaw, scrubber: MessageScrubber) -> UpstreamFailure:
    """Return the failure for an error object inside a 200 answer."""
    detail = parse_error(error)
    return failure_for(status_of(detail), detail, scrubber)


def is_null(value: MaybeRaw) -> bool:
    """Tell whether a member is absent or null."""
    return not isinstance(value, Raw) or bytes(value) == b"null"


def note_reply(summary: ReplySummary, reply: Reply) -> None:
    """Take what an answer or chunk tells into `summary`."""
    if reply.candidates:
        for candidate in reply.candidates:
            _note_candidate(summary, candidate)
    feedback = reply.prompt_feedback
    if feedback is not None and feedback.block_reason and not summary.finish_reason:
        summary.finish_reason = feedback.block_reason
    if not summary.model and reply.model_version:
        summary.model = reply.model_version
    if isinstance(reply.usage_metadata, Raw):
        summary.usage = parse_usage(reply.usage_metadata) or summary.usage


def _note_candidate(summary: ReplySummary, candidate: ReplyCandidate) -> None:
    if candidate.finish_reason and (not candidate.index or not summary.finish_reason):
        summary.finish_reason = candidate.finish_reason
    content = candidate.content
    if content is None or not content.parts:
        return
    for part in content.parts:
        characters = _characters(part)
        if characters:
            summary.output_characters += characters
            summary.content_started = True


def _characters(part: ReplyPart) -> int:
    """Return how much a part is: characters of text and arguments, one for anything else."""
    if part.text:
        return len(part.text)
    if part.function_call is not None:
        call = part.function_call
        size = len(memoryview(call.args)) if isinstance(call.args, Raw) else 2
        return len(call.name or "") + size
    others = (
        part.inline_data,
        part.file_data,
        part.executable_code,
        part.code_execution_result,
        part.tool_call,
        part.tool_response,
    )
    return 1 if any(not is_null(value) for value in others) else 0
