"""Reading a streamed Chat Completions answer, split at any byte, into canonical events."""

from adapters.wire.decoding import EventDecoder
from adapters.wire.openai_chat.decode_reply import (
    failure_in,
    parse_frame,
    seconds_of,
    text_of,
    usage_in,
)
from adapters.wire.openai_chat.stream_candidate import CandidateReader
from adapters.wire.openai_chat.usage import is_null
from adapters.wire.schemas.openai_chat_replies import WholeReply
from adapters.wire.sse import Event
from adapters.wire.upstream_errors import MessageScrubber
from domain.accounting.usage import TokenUsage
from domain.errors import UpstreamProtocolError, UpstreamUnavailable
from domain.inference.events import BlockStarted, Started, StreamEvent, UsageKnown

_DONE = b"[DONE]"
_PLAIN_NAMES = frozenset({b"", b"message", b"error"})


class ChatStreamDecoder(EventDecoder):
    """Reads frames; what ends the choices comes with the terminator, usage after it."""

    def __init__(self, *, choices: int, scrubber: MessageScrubber) -> None:
        """`choices` is how many completions were asked for (`n`)."""
        super().__init__()
        self._expected = choices
        self._scrubber = scrubber
        self._candidates: dict[int, CandidateReader] = {}
        self._started: Started | None = None
        self._usage: TokenUsage | None = None
        self._service_tier: str | None = None
        self._content_started = False
        self._terminated = False

    @property
    def terminated(self) -> bool:
        """`[DONE]` was seen."""
        return self._terminated

    def finish(self) -> list[StreamEvent]:
        """Return the events due at the end of a stream without `[DONE]`, as some servers leave it.

        Raises:
            UpstreamProtocolError: nor did every choice say why it stopped: the stream was cut.
        """
        if self._failure is not None:
            raise self._failure
        if self._terminated:
            return []
        events = self._last()
        if self._terminated:
            return events
        finished = [reader.finished for reader in self._candidates.values()]
        if len(finished) < self._expected or not all(finished):
            raise UpstreamProtocolError("the stream ended without its terminator")
        return events + self._ends()

    def _read(self, event: Event) -> list[StreamEvent]:
        data = event.data
        if not data or self._terminated or event.name not in _PLAIN_NAMES:
            return []
        if data.startswith(b"[") and data.strip() == _DONE:
            ends = self._ends()
            self._terminated = True
            return ends
        reply = parse_frame(data)
        if not is_null(reply.error):
            if self._content_started:
                raise UpstreamUnavailable(error_class="server_error")
            raise failure_in(reply, self._scrubber)
        self._usage = usage_in(reply) or self._usage
        self._service_tier = reply.service_tier or self._service_tier
        return self._choices(reply) if reply.choices else []

    def _choices(self, reply: WholeReply) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        if self._started is None:
            self._started = Started(
                id=text_of(reply.id), model=reply.model or "", created_s=seconds_of(reply)
            )
            events.append(self._started)
        for choice in reply.choices or ():
            reader = self._candidates.get(choice.index)
            if reader is None:
                reader = CandidateReader(choice.index, self._started.id)
                self._candidates[choice.index] = reader
            read = reader.read(choice)
            if not self._content_started:
                self._content_started = any(isinstance(each, BlockStarted) for each in read)
            events += read
        return events

    def _ends(self) -> list[StreamEvent]:
        if self._started is None:
            raise UpstreamProtocolError("the stream has no choices")
        events: list[StreamEvent] = []
        for number in sorted(self._candidates):
            events += self._candidates[number].finish()
        if self._usage is not None:
            events.append(UsageKnown(usage=self._usage, service_tier=self._service_tier))
        return events
