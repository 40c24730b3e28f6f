"""Writing the conversation: `contents` and `systemInstruction`.

https://ai.google.dev/api/caching#Content. Roles are `user` and `model`, and turns of one role become
one. System texts, wherever they stand, go into the one instruction there is: as turns of the user
they would lose their authority.
"""

from typing import cast

import msgspec
from msgspec import Struct

from adapters.wire.custom_tools import call_arguments
from adapters.wire.gemini_generate.call_ids import is_made_up
from adapters.wire.gemini_generate.media_parts import write_media
from adapters.wire.gemini_generate.signatures import DUMMY
from adapters.wire.gemini_generate.thinking import ModelTraits
from adapters.wire.reading import JsonObject
from domain.errors import InvalidRequest
from domain.inference.conversation import (
    AudioPart,
    DocumentPart,
    ImagePart,
    Media,
    Message,
    OpaqueState,
    Part,
    RefusalPart,
    Role,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    VendorPart,
    VideoPart,
)
from domain.inference.dialect import Dialect, WireFormat
from domain.inference.request import InferenceRequest

_NO_MEDIA = Media()


class Turns(Struct, frozen=True):
    """A conversation in Gemini's form.

    Attributes:
        system: parts of the instruction.
        dropped: canonical names of what was left out, beyond what the table of fates says.
    """

    contents: list[JsonObject]
    system: list[JsonObject]
    dropped: tuple[str, ...]


def write_turns(request: InferenceRequest, model: ModelTraits) -> Turns:
    """Return the conversation of `request`.

    A request of system texts only becomes a turn of the user: there must be one.

    Raises:
        UnsupportedField: media that the provider cannot get at.
        InvalidRequest: there is nothing to be said at all.
    """
    writer = _Writer(request, model)
    for message in request.messages:
        writer.add(message)
    writer.flush()
    if not writer.contents:
        if not writer.system:
            raise InvalidRequest("The conversation is empty.")
        writer.contents.append({"role": "user", "parts": writer.system})
        writer.system = []
    if model.takes_levels:
        _sign_calls(writer.contents)
    return Turns(writer.contents, writer.system, tuple(dict.fromkeys(writer.dropped)))


class _Writer:
    def __init__(self, request: InferenceRequest, model: ModelTraits) -> None:
        self._own = request.source is Dialect.GEMINI_GENERATE
        self._model = model
        calls = [
            part
            for message in request.messages
            for part in message.parts
            if isinstance(part, ToolCallPart)
        ]
        self._names = {call.id: call.name for call in calls}
        self._order = {call.id: place for place, call in enumerate(calls)}
        self._turn: list[Part] = []
        self._role: Role | None = None
        self.contents: list[JsonObject] = []
        self.system: list[JsonObject] = []
        self.dropped: list[str] = []

    def add(self, message: Message) -> None:
        """Take one message; it is written when the role changes."""
        if message.role is Role.SYSTEM:
            self.system += [written for part in message.parts for written in self._write(part)]
            return
        if message.role is not self._role:
            self.flush()
            self._role = message.role
        self._turn += message.parts

    def flush(self) -> None:
        """Write the turn that was taken."""
        parts = [written for part in self._in_order() for written in self._write(part)]
        self._turn.clear()
        role = "model" if self._role is Role.ASSISTANT else "user"
        if parts and self.contents and self.contents[-1]["role"] == role:
            # What was between said nothing that Gemini can be told.
            cast("list[JsonObject]", self.contents[-1]["parts"]).extend(parts)
        elif parts:
            self.contents.append({"role": role, "parts": parts})

    def _in_order(self) -> list[Part]:
        """Return the turn with its results in the order of their calls, which pairs them."""
        results = [part for part in self._turn if isinstance(part, ToolResultPart)]
        last = len(self._order)
        in_order = iter(sorted(results, key=lambda part: self._order.get(part.call_id, last)))
        return [next(in_order) if isinstance(part, ToolResultPart) else part for part in self._turn]

    def _write(self, part: Part) -> list[JsonObject]:
        written: list[JsonObject] = []
        match part:
            case TextPart():
                written = _text(part.text, _signature(part.state))
            case RefusalPart():
                written = _text(part.text, {})
            case ThinkingPart():
                written = self._write_thinking(part)
            case ToolCallPart():
                written = [self._write_call(part)]
            case ToolResultPart():
                written = self._write_result(part)
            case AudioPart() if part.source == _NO_MEDIA:
                written = _text(part.transcript, {})
            case ImagePart() | DocumentPart() | AudioPart() | VideoPart():
                written = [write_media(part)]
            case VendorPart():
                if part.origin is WireFormat.GEMINI_GENERATE:
                    written = [part.raw]
        return written

    def _write_thinking(self, part: ThinkingPart) -> list[JsonObject]:
        """Return the thought, if it is Gemini's: it is asked to believe no one else's."""
        signature = _signature(part.state)
        if signature or (self._own and part.state is None):
            return [{"text": part.text, "thought": True, **signature}]
        if part.text:
            self.dropped.append("thinking.text")
        return []

    def _write_call(self, part: ToolCallPart) -> JsonObject:
        call: JsonObject = {} if is_made_up(part.id) else {"id": part.id}
        call |= {"name": part.name, "args": call_object(call_arguments(part))}
        return {"functionCall": call, **_signature(part.state)}

    def _write_result(self, part: ToolResultPart) -> list[JsonObject]:
        result: JsonObject = {} if is_made_up(part.call_id) else {"id": part.call_id}
        result["name"] = part.name or self._names.get(part.call_id, "unknown")
        result["response"] = _response(part)
        media = [write_media(inner) for inner in part.content if not isinstance(inner, TextPart)]
        if media and self._model.takes_levels:
            result["parts"] = media
            media = []
        # Before Gemini 3 results hold no media; they follow in the same turn.
        return [{"functionResponse": result}, *media]


def call_object(arguments: str) -> JsonObject:
    """Return a call's arguments as the object Gemini wants.

    Arguments that are none, such as those cut off by a limit, are its member `arguments`, as text.
    """
    try:
        parsed: object = msgspec.json.decode(arguments or "{}")
    except (msgspec.DecodeError, RecursionError):
        parsed = None
    return cast("JsonObject", parsed) if isinstance(parsed, dict) else {"arguments": arguments}


def _text(text: str, signature: JsonObject) -> list[JsonObject]:
    """Return a part of text, or none for an empty one that is not there for its signature."""
    return [{"text": text, **signature}] if text or signature else []


def _response(part: ToolResultPart) -> JsonObject:
    """Return the object of a result: its own, or its texts as `output` or `error`."""
    texts = [inner.text for inner in part.content if isinstance(inner, TextPart)]
    meaning = "error" if part.is_error else "output"
    if part.structured and len(texts) == 1:
        try:
            parsed: object = msgspec.json.decode(texts[0])
        except (msgspec.DecodeError, RecursionError):
            return {meaning: texts[0]}
        if not isinstance(parsed, dict):
            return {meaning: parsed}
        found = cast("JsonObject", parsed)
        return {meaning: found} if part.is_error and "error" not in found else found
    if not texts:
        return {meaning: ""} if part.is_error else {}
    return {meaning: texts[0] if len(texts) == 1 else texts}


def _signature(state: OpaqueState | None) -> JsonObject:
    """Return the member for state of Gemini's own; nobody else's means anything to it."""
    if state is None or state.origin is not WireFormat.GEMINI_GENERATE:
        return {}
    return {"thoughtSignature": state.data}


def _sign_calls(contents: list[JsonObject]) -> None:
    """Give the first call of each of the model's turns the documented dummy if it has none.

    Those are calls other models made. Only the first of parallel calls is signed by Gemini itself.
    """
    for content in contents:
        if content["role"] != "model":
            continue
        for part in cast("list[JsonObject]", content["parts"]):
            if "functionCall" in part:
                part.setdefault("thoughtSignature", DUMMY)
                break
