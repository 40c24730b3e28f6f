"""Reasoning items, and the state of other formats that travels in them.

`encrypted_content` of a reasoning item is what clients of this format return untouched. It holds
the vendor's own encrypted reasoning as it is, and state of another format wrapped. Some things of
other formats need a word on what they belong to, which the wrapped state has as its `id`:

* redacted thinking, which is nothing but state (Anthropic, Bedrock);
* a signature on a text (Gemini), in a reasoning item of its own after the text;
* a signature on a call that came too late for the call's id, likewise;
* nothing: thinking without state (Chat Completions) has an empty one, so that its item can be told
  from the vendor's own, which must not be sent without.

Both `summary` and `content` (https://platform.openai.com/docs/api-reference/responses/object) may
be shown; thinking of other formats is written as a summary, which every client shows.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import structs

from adapters.wire.opaque_state import NO_STATE, unwrap_state, wrap_state
from domain.inference.conversation import (
    OpaqueState,
    Part,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from domain.inference.dialect import WireFormat

Owner = Literal["", "redacted", "text", "call", "nothing"]

OWN = WireFormat.OPENAI_RESPONSES
SEPARATOR = "\n\n"
"""Between the parts of a summary, when they become one text."""
# No model makes more calls at once; a bound keeps the search short in turns made up to be long.
_FURTHEST = 256


def is_foreign(encrypted: str) -> bool:
    """Tell whether `encrypted_content` was made here and means nothing to the vendor."""
    return unwrap_state(encrypted) is not None


def sealed(state: OpaqueState, owner: Owner = "") -> str:
    """Return the `encrypted_content` for `state`."""
    if state.origin is OWN:
        return state.data
    return wrap_state(structs.replace(state, id=owner))


def reasoning_item(
    part: ThinkingPart, identifier: str, owner: Owner | None = None
) -> dict[str, object]:
    """Return the item for `part`.

    `identifier` is used for state of other formats; `owner` says what the state belongs to, if not
    to this thinking.
    """
    state = part.state or NO_STATE
    identifier = (state.id if state.origin is OWN else "") or identifier
    item: dict[str, object] = {"id": identifier} if identifier else {}
    return item | {
        "type": "reasoning",
        "summary": summary_of(part.text),
        "encrypted_content": sealed(state, owner or _owner_of(part)),
    }


def _owner_of(part: ThinkingPart) -> Owner:
    if part.state is None:
        return "nothing"
    return "redacted" if part.redacted else ""


def summary_of(text: str) -> list[dict[str, object]]:
    """Return the `summary` for a thought."""
    return [{"type": "summary_text", "text": text}] if text else []


def place_thought(
    parts: list[Part],
    *,
    summary: Sequence[str],
    content: Sequence[str],
    encrypted: str,
    identifier: str,
) -> None:
    """Add what a reasoning item says to `parts`, the turn so far.

    Without text and state there is nothing to add. The summary is preferred to the raw content.
    """
    text = SEPARATOR.join(summary) or SEPARATOR.join(content)
    state = _opened(encrypted, identifier) if encrypted else None
    if state is None or state.origin is OWN:
        if text or state is not None:
            parts.append(ThinkingPart(text=text, state=state))
        return
    owner, state = state.id, structs.replace(state, id="")
    if owner == "text":
        _sign_text(parts, state)
    elif owner == "call":
        _sign_call(parts, state)
    elif owner == "nothing":
        parts += [ThinkingPart(text=text)] if text else []
    else:
        parts.append(ThinkingPart(text=text, state=state, redacted=owner == "redacted"))


def _opened(encrypted: str, identifier: str) -> OpaqueState:
    foreign = unwrap_state(encrypted)
    return foreign or OpaqueState(origin=OWN, data=encrypted, id=identifier)


def _sign_text(parts: list[Part], state: OpaqueState) -> None:
    if parts and isinstance(last := parts[-1], TextPart) and last.state is None:
        parts[-1] = structs.replace(last, state=state)
    else:
        parts.append(TextPart(text="", state=state))


def _sign_call(parts: list[Part], state: OpaqueState) -> None:
    for index in range(len(parts) - 1, max(-1, len(parts) - 1 - _FURTHEST), -1):
        part = parts[index]
        if isinstance(part, ToolCallPart) and part.state is None:
            parts[index] = structs.replace(part, state=state)
            return
