"""The demo provider's answers as bytes of the Chat Completions format."""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import UNSET, Struct, UnsetType

from adapters.providers.demo_answer import DemoAnswer
from adapters.wire.sse import write_event

_ENCODER = msgspec.json.Encoder()
_ARGUMENTS_PIECE = 24


class _Function(Struct, omit_defaults=True):
    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET


class _ToolCall(Struct):
    function: _Function
    index: int | UnsetType = UNSET
    id: str | UnsetType = UNSET
    type: str | UnsetType = UNSET


class _Content(Struct):
    """A message or a delta."""

    role: str | UnsetType = UNSET
    content: str | UnsetType | None = UNSET
    refusal: UnsetType | None = UNSET
    tool_calls: list[_ToolCall] | UnsetType = UNSET


class _Choice(Struct, kw_only=True):
    index: int
    message: _Content | UnsetType = UNSET
    delta: _Content | UnsetType = UNSET
    logprobs: None = None
    finish_reason: str | None = None


class _PromptDetails(Struct):
    cached_tokens: int = 0
    audio_tokens: int = 0


class _CompletionDetails(Struct):
    reasoning_tokens: int = 0
    audio_tokens: int = 0
    accepted_prediction_tokens: int = 0
    rejected_prediction_tokens: int = 0


class _Usage(Struct):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: _PromptDetails
    completion_tokens_details: _CompletionDetails


class _Envelope(Struct, kw_only=True):
    id: str
    object: str
    created: int
    model: str
    system_fingerprint: str
    choices: list[_Choice]
    usage: _Usage | None


class DemoWire:
    """Writes the frames of one request."""

    def __init__(self, *, reply_id: str, created: int, model: str, prompt_tokens: int) -> None:
        """`created` is Unix time in seconds."""
        self._id = reply_id
        self._created = created
        self._model = model
        self._prompt_tokens = prompt_tokens

    def whole(self, answers: Sequence[DemoAnswer]) -> bytes:
        """Return a `chat.completion`."""
        choices = [
            _Choice(
                index=index,
                message=_Content(
                    role="assistant",
                    content=None if given.calls else "".join(given.words),
                    refusal=None,
                    tool_calls=[
                        _ToolCall(_Function(call.name, call.arguments), id=call.id, type="function")
                        for call in given.calls
                    ]
                    or UNSET,
                ),
                finish_reason=given.finish_reason,
            )
            for index, given in enumerate(answers)
        ]
        return self._encode("chat.completion", choices, self._usage(answers))

    def stream(self, answers: Sequence[DemoAnswer]) -> Iterator[bytes]:
        """Yield the events of a stream, usage always included; choices take turns."""
        running = [self._choice_events(index, given) for index, given in enumerate(answers)]
        while running:
            still: list[Iterator[bytes]] = []
            for events in running:
                event = next(events, None)
                if event is not None:
                    yield event
                    still.append(events)
            running = still
        yield write_event(self._encode("chat.completion.chunk", [], self._usage(answers)))
        yield write_event(b"[DONE]")

    def _choice_events(self, index: int, given: DemoAnswer) -> Iterator[bytes]:
        opening = _Content(role="assistant", content=None if given.calls else "", refusal=None)
        yield self._event(index, opening)
        for word in given.words:
            yield self._event(index, _Content(content=word))
        for position, call in enumerate(given.calls):
            begun = _ToolCall(_Function(call.name, ""), index=position, id=call.id, type="function")
            yield self._event(index, _Content(tool_calls=[begun]))
            for start in range(0, len(call.arguments), _ARGUMENTS_PIECE):
                piece = _Function(arguments=call.arguments[start : start + _ARGUMENTS_PIECE])
                yield self._event(index, _Content(tool_calls=[_ToolCall(piece, index=position)]))
        yield self._event(index, _Content(), given.finish_reason)

    def _event(self, index: int, delta: _Content, finish_reason: str | None = None) -> bytes:
        choice = _Choice(index=index, delta=delta, finish_reason=finish_reason)
        return write_event(self._encode("chat.completion.chunk", [choice], None))

    def _encode(self, kind: str, choices: list[_Choice], usage: _Usage | None) -> bytes:
        return _ENCODER.encode(
            _Envelope(
                id=self._id,
                object=kind,
                created=self._created,
                model=self._model,
                system_fingerprint="fp_demo",
                choices=choices,
                usage=usage,
            )
        )

    def _usage(self, answers: Sequence[DemoAnswer]) -> _Usage:
        completion = sum(given.tokens for given in answers)
        return _Usage(
            prompt_tokens=self._prompt_tokens,
            completion_tokens=completion,
            total_tokens=self._prompt_tokens + completion,
            prompt_tokens_details=_PromptDetails(),
            completion_tokens_details=_CompletionDetails(),
        )
