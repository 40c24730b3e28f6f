"""Output items of a provider as parts of an answer.

https://platform.openai.com/docs/api-reference/responses/object: `output`. Items of tools that the
vendor runs, and of those whose calls have a shape of their own, are kept whole.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

from adapters.wire.openai_responses.content import citation_of
from adapters.wire.openai_responses.naming import flat_name
from adapters.wire.openai_responses.reading_json import decode
from adapters.wire.openai_responses.thoughts import SEPARATOR
from adapters.wire.schemas.openai_responses import (
    CallItem,
    ItemKind,
    MessageItem,
    OutputPart,
    ReasoningItem,
    ThoughtText,
)
from domain.inference.conversation import (
    OpaqueState,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    VendorPart,
)
from domain.inference.dialect import WireFormat
from domain.inference.response import FinishReason

CALLS = frozenset({"function_call", "custom_tool_call"})

_KIND = msgspec.json.Decoder(ItemKind)
_MESSAGE = msgspec.json.Decoder(MessageItem)
_REASONING = msgspec.json.Decoder(ReasoningItem)
_CALL = msgspec.json.Decoder(CallItem)
_OBJECT = msgspec.json.Decoder(dict[str, object])
_STATUS_REASONS = {
    "max_output_tokens": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
}


class Said(Struct, frozen=True):
    """What one item says."""

    parts: tuple[Part, ...] = ()
    logprobs: tuple[dict[str, object], ...] = ()


def read_item(raw: Raw, place: int) -> Said:
    """Return the parts of the item at `place`.

    Raises:
        UpstreamProtocolError: not what its type says.
    """
    kind = decode(_KIND, raw).type
    if kind == "message":
        return _message(decode(_MESSAGE, raw))
    if kind == "reasoning":
        thought = thought_of(decode(_REASONING, raw))
        return Said((thought,) if thought.text or thought.state is not None else ())
    if kind in CALLS:
        return Said((call_of(decode(_CALL, raw), place, custom=kind == "custom_tool_call"),))
    return Said((vendor_of(raw, kind),))


def read_kind(raw: Raw) -> str:
    """Return the type of an item."""
    return decode(_KIND, raw).type


def read_message(raw: Raw) -> MessageItem:
    """Return a message."""
    return decode(_MESSAGE, raw)


def read_reasoning(raw: Raw) -> ReasoningItem:
    """Return a reasoning item."""
    return decode(_REASONING, raw)


def read_call(raw: Raw) -> CallItem:
    """Return a call."""
    return decode(_CALL, raw)


def thought_of(item: ReasoningItem) -> ThinkingPart:
    """Return the thinking of an item; it may have neither text nor state."""
    text = _joined(item.summary) or _joined(item.content)
    return ThinkingPart(text=text, state=state_of(item))


def state_of(item: ReasoningItem) -> OpaqueState | None:
    """Return the encrypted reasoning, if the provider gave it away."""
    if not item.encrypted_content:
        return None
    return OpaqueState(
        origin=WireFormat.OPENAI_RESPONSES, data=item.encrypted_content, id=item.id or ""
    )


def call_of(item: CallItem, place: int, *, custom: bool) -> ToolCallPart:
    """Return the call of an item; one without any id is named by its place."""
    text = (item.input if custom else item.arguments) or ""
    return ToolCallPart(
        id=item.call_id or item.id or f"call_{place}",
        name=flat_name(item.name, item.namespace or ""),
        arguments=text if custom or text.strip() else "{}",
        custom=custom,
    )


def vendor_of(raw: Raw, kind: str) -> VendorPart:
    """Return an item kept whole."""
    return VendorPart(origin=WireFormat.OPENAI_RESPONSES, kind=kind, raw=decode(_OBJECT, raw))


def part_of(part: OutputPart) -> TextPart | RefusalPart | None:
    """Return a part of a message; None for one that is empty or of a kind unknown so far."""
    if part.type == "refusal" or (part.refusal is not None and part.text is None):
        return RefusalPart(text=part.refusal or "")
    if not part.text:
        return None
    return TextPart(
        text=part.text, citations=tuple(citation_of(each) for each in part.annotations or ())
    )


def finish_of(status: str | None, reason: str | None, parts: Sequence[Part]) -> FinishReason:
    """Return why an answer that came to an end did so."""
    if status == "incomplete":
        return _STATUS_REASONS.get(reason or "", FinishReason.LENGTH)
    if any(isinstance(part, ToolCallPart) for part in parts):
        return FinishReason.TOOL_CALLS
    if any(isinstance(part, RefusalPart) for part in parts):
        return FinishReason.REFUSAL
    return FinishReason.STOP


def _message(item: MessageItem) -> Said:
    parts = [read for part in item.content or () if (read := part_of(part)) is not None]
    logprobs = [each for part in item.content or () for each in part.logprobs or ()]
    return Said(tuple(parts), tuple(logprobs))


def _joined(texts: Sequence[ThoughtText] | None) -> str:
    return SEPARATOR.join(each.text for each in texts or () if each.text)
