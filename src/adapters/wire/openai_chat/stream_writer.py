"""Writing a streamed answer as chunks of a chat completion.

The first chunk of each choice says who speaks, the last one why it stopped; usage comes in a chunk
of its own if the caller asked for it, and `[DONE]` ends the stream.
https://platform.openai.com/docs/api-reference/chat/streaming
"""

import msgspec

from adapters.wire.custom_tools import custom_names
from adapters.wire.openai_chat.encode_reply import reply_id, tier_of
from adapters.wire.openai_chat.finish import write_finish
from adapters.wire.openai_chat.stream_choice import ChoiceWriter
from adapters.wire.openai_chat.usage_out import write_usage
from application.ports.dialect import ReplyContext, StreamEncoder
from domain.accounting.usage import TokenUsage
from domain.inference.events import (
    BlockDelta,
    BlockEnded,
    BlockStarted,
    CitationAdded,
    Finished,
    LogprobsAdded,
    Started,
    StreamEvent,
    UsageKnown,
)
from domain.inference.response import FinishReason

Json = dict[str, object]

_ENCODER = msgspec.json.Encoder()


class ChatStreamWriter(StreamEncoder):
    """Writes one answer; its choices may mix."""

    def __init__(self, context: ReplyContext) -> None:
        """Nothing is written before the first event."""
        self._context = context
        self._custom = custom_names(context.request)
        self._head = b""
        self._tail = b'],"usage":null}\n\n' if context.include_usage else b"]}\n\n"
        self._choices: dict[int, ChoiceWriter] = {}
        self._usage: TokenUsage | None = None
        self._service_tier: str | None = None

    def encode(self, event: StreamEvent) -> bytes:
        """Return the chunks of `event`.

        Raises:
            UpstreamUnavailable: a candidate ended in an error, which is no end of an answer.
        """
        match event:
            case Started():
                return self._start(event)
            case UsageKnown():
                self._usage = event.usage
                self._service_tier = event.service_tier or self._service_tier
                return b""
            case _:
                opening, choice = self._choice(event.candidate)
                return opening + self._write(event, choice)

    def finish(self) -> bytes:
        """Return the reasons not told yet, the usage if wanted, and `[DONE]`."""
        written = b"" if self._head else self._start(Started())
        for number, choice in self._choices.items():
            if not choice.finished:
                written += self._finish(number, choice, FinishReason.STOP)
        if self._context.include_usage and self._usage is not None:
            written += self._usage_chunk(self._usage)
        return written + b"data: [DONE]\n\n"

    def _write(
        self,
        event: BlockStarted | BlockDelta | CitationAdded | BlockEnded | LogprobsAdded | Finished,
        choice: ChoiceWriter,
    ) -> bytes:
        match event:
            case LogprobsAdded():
                return self._chunk(event.candidate, {}, logprobs=event.logprobs)
            case Finished():
                return self._finish(event.candidate, choice, event.reason)
            case _:
                return choice.take(event)

    def _start(self, event: Started) -> bytes:
        """Return the first chunk of every choice asked for, in order, as clients count them."""
        if self._head:
            return b""
        self._usage = event.usage
        head: Json = {
            "id": reply_id(event.id, self._context),
            "object": "chat.completion.chunk",
            "created": event.created_s or self._context.created_s,
            "model": self._context.model,
        }
        self._head = b"data: " + _ENCODER.encode(head)[:-1] + b',"choices":['
        return b"".join(
            [self._choice(number)[0] for number in range(self._context.request.candidates)]
        )

    def _choice(self, number: int) -> tuple[bytes, ChoiceWriter]:
        """Return the writer of a choice, and the chunk that opens it if it is new."""
        known = self._choices.get(number)
        if known is not None:
            return b"", known
        opening = b"" if self._head else self._start(Started())
        if number in self._choices:
            return opening, self._choices[number]
        writer = ChoiceWriter(
            number,
            self._chunk,
            self._custom,
            legacy=self._context.request.legacy_functions,
        )
        self._choices[number] = writer
        return opening + self._chunk(number, {"role": "assistant"}), writer

    def _finish(self, number: int, choice: ChoiceWriter, reason: FinishReason) -> bytes:
        if choice.finished:
            return b""
        rest = choice.finish()
        word = write_finish(
            reason,
            called=choice.called,
            refused=choice.refused,
            legacy=self._context.request.legacy_functions,
        )
        return rest + self._chunk(number, {}, finish=word)

    def _chunk(
        self,
        number: int,
        delta: Json,
        *,
        finish: str | None = None,
        logprobs: Json | None = None,
    ) -> bytes:
        choice: Json = {
            "index": number,
            "delta": delta,
            "logprobs": logprobs,
            "finish_reason": finish,
        }
        return self._head + _ENCODER.encode(choice) + self._tail

    def _usage_chunk(self, usage: TokenUsage) -> bytes:
        rest: Json = {"usage": write_usage(usage)}
        tier = tier_of(self._service_tier)
        if tier is not None:
            rest["service_tier"] = tier
        return self._head + b"]," + _ENCODER.encode(rest)[1:] + b"\n\n"
