"""Reading a whole Chat Completions answer."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from adapters.wire.data_urls import read_url
from adapters.wire.openai_chat.call_ids import made_id
from adapters.wire.openai_chat.citations import read_annotation
from adapters.wire.openai_chat.finish import read_finish
from adapters.wire.openai_chat.reasoning import PART, own_state, read_thinking
from adapters.wire.openai_chat.signatures import read_signature
from adapters.wire.openai_chat.usage import is_null, parse_usage, read_usage
from adapters.wire.openai_errors import failure_for, parse_error, status_of
from adapters.wire.schemas.openai_chat_replies import (
    CallPiece,
    ContentPiece,
    FunctionPiece,
    ImagePiece,
    Said,
    WholeChoice,
    WholeReply,
)
from adapters.wire.surrogates import without_surrogates
from adapters.wire.upstream_errors import MessageScrubber
from domain.accounting.usage import TokenUsage
from domain.errors import UpstreamFailure, UpstreamProtocolError
from domain.inference.conversation import (
    AudioPart,
    Citation,
    ImagePart,
    Media,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from domain.inference.response import Candidate, InferenceResponse

_T = TypeVar("_T")
_REPLY = msgspec.json.Decoder(WholeReply)
_ENCODER = msgspec.json.Encoder()


def decode_reply(body: bytes, scrubber: MessageScrubber) -> InferenceResponse:
    """Return a whole answer.

    Raises:
        UpstreamFailure, UpstreamProtocolError: as `WireCodec.decode_reply`.
    """
    reply = parse_frame(body)
    if not is_null(reply.error):
        raise failure_in(reply, scrubber)
    if not reply.choices:
        raise UpstreamProtocolError("the answer has no choices")
    reply_id = text_of(reply.id)
    choices = sorted(reply.choices, key=lambda choice: choice.index)
    return InferenceResponse(
        id=reply_id,
        model=reply.model or "",
        created_s=seconds_of(reply),
        candidates=tuple(_candidate(choice, reply_id) for choice in choices),
        usage=usage_in(reply),
        service_tier=reply.service_tier,
    )


def parse_frame(data: bytes) -> WholeReply:
    """Return an answer or frame as it stands.

    Raises:
        UpstreamProtocolError: not JSON, or a member of the wrong type.
    """
    return _parsed(data, _REPLY.decode)


def failure_in(reply: WholeReply, scrubber: MessageScrubber) -> UpstreamFailure:
    """Return what the `error` of an answer means."""
    detail = parse_error(reply.error)
    return failure_for(status_of(detail), detail, scrubber)


def usage_in(reply: WholeReply) -> TokenUsage | None:
    """Return the usage in an answer or frame, wherever this server puts it."""
    usage = read_usage(reply.usage, reply.x_groq, reply.timings)
    for choice in reply.choices or ():
        if not is_null(choice.usage):
            usage = parse_usage(choice.usage) or usage
    return usage


def seconds_of(reply: WholeReply) -> int:
    """Return when the answer was made; 0 when that is not told."""
    return int(reply.created) if reply.created is not None and reply.created > 0 else 0


def text_of(value: str | int | None) -> str:
    """Return an id, which some servers give as a number; empty for none."""
    return "" if value is None else str(value)


def arguments_of(function: FunctionPiece) -> str:
    """Return arguments as text."""
    given = function.arguments
    if given is None or isinstance(given, str):
        return given or ""
    return _ENCODER.encode(given).decode()


def image_of(piece: ImagePiece) -> ImagePart | None:
    """Return a generated image; None when its data URL cannot be read."""
    media = read_url(piece.image_url.url)
    return ImagePart(source=media) if media is not None else None


def thought_in(piece: ContentPiece) -> str:
    """Return the thought that an entry of `content` holds."""
    if isinstance(piece.thinking, str):
        return piece.thinking
    return "".join(inner.text or "" for inner in piece.thinking or ())


def _parsed(data: bytes, decode: Callable[[bytes], _T]) -> _T:
    try:
        return decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        readable = without_surrogates(data)
    try:
        return decode(readable)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamProtocolError("not a chat completion in JSON") from None


def _candidate(choice: WholeChoice, reply_id: str) -> Candidate:
    said = choice.message
    if said is None:
        raise UpstreamProtocolError("a choice has no message")
    calls = _calls(said, choice.index, reply_id)
    reason, sequence = read_finish(
        choice.finish_reason,
        choice.stop_reason,
        called=bool(calls),
        refused=bool(said.refusal),
    )
    return Candidate(
        parts=(*_texts(said), *_media(said), *calls),
        finish=reason,
        stop_sequence=sequence,
        logprobs=choice.logprobs,
    )


def _texts(said: Said) -> list[Part]:
    parts: list[Part] = []
    thought = read_thinking(said.reasoning_content, said.reasoning, said.reasoning_details or ())
    if thought is not None:
        parts.append(thought)
    if isinstance(said.content, list):
        parts += _listed(said.content)
    elif said.content:
        found = (read_annotation(each, before=0) for each in said.annotations or ())
        citations: tuple[Citation, ...] = tuple(each for each in found if each is not None)
        parts.append(TextPart(text=said.content, citations=citations))
    if said.refusal:
        parts.append(RefusalPart(text=said.refusal))
    return parts


def _listed(pieces: list[ContentPiece]) -> list[Part]:
    parts: list[Part] = []
    for piece in pieces:
        thought = thought_in(piece)
        if thought:
            parts.append(ThinkingPart(text=thought, state=own_state(PART, ())))
        if piece.text:
            parts.append(TextPart(text=piece.text))
    return parts


def _media(said: Said) -> list[Part]:
    parts: list[Part] = []
    if said.audio is not None:
        parts.append(
            AudioPart(
                source=Media(data=said.audio.data or ""),
                transcript=said.audio.transcript or "",
                id=said.audio.id or "",
            )
        )
    images = (image_of(piece) for piece in said.images or ())
    return [*parts, *(image for image in images if image is not None)]


def _calls(said: Said, candidate: int, reply_id: str) -> list[ToolCallPart]:
    pieces = list(said.tool_calls or ())
    if said.function_call is not None:
        pieces.append(CallPiece(function=said.function_call))
    return [_call(piece, candidate, number, reply_id) for number, piece in enumerate(pieces)]


def _call(piece: CallPiece, candidate: int, number: int, reply_id: str) -> ToolCallPart:
    custom = piece.custom is not None
    name = piece.custom.name if piece.custom is not None else None
    if piece.function is not None:
        name = piece.function.name
    if not name:
        raise UpstreamProtocolError("a tool call without a name")
    arguments = piece.custom.input or "" if piece.custom is not None else ""
    if piece.function is not None:
        arguments = arguments_of(piece.function) or "{}"
    return ToolCallPart(
        id=text_of(piece.id) or made_id(reply_id, candidate, number, name),
        name=name,
        arguments=arguments,
        custom=custom and piece.function is None,
        state=read_signature(piece.extra_content),
    )
