"""What answers of other providers left in a client's conversation, taken out of bytes that pass.

A client may have talked to another vendor's model before: his conversation then holds signatures of
that vendor's, thoughts that were never signed, ids with state inside, citations we made up. Anthropic
refuses all of them. Where the conversation is translated the decoder deals with it; here it is done
to a body that otherwise passes as it is, and only where a mark of ours is found in it.
"""

import re

import msgspec
from msgspec import Raw, Struct

from adapters.wire.anthropic_messages.carried import read_state
from adapters.wire.anthropic_messages.citations import is_own, read_citation
from adapters.wire.anthropic_messages.encode_messages import opens_with_thought
from adapters.wire.opaque_state import split_id
from adapters.wire.reading import JsonObject
from adapters.wire.turns import Turn
from domain.inference.conversation import Role
from domain.inference.dialect import WireFormat

_MARKS = (b'"twst1_', b"_twid1_")
_NEVER_EMPTY = (b'"signature"', b'"encrypted_index"')
_EMPTY = re.compile(rb'[ \t\n\r]*:[ \t\n\r]*""')
_THOUGHTS = {"thinking": "signature", "redacted_thinking": "data"}
_IDS = {"tool_use": "id", "tool_result": "tool_use_id"}


class _Message(Struct):
    content: str | list[Raw]
    role: str = ""


class _Head(Struct):
    type: str = ""


class _Cited(Struct):
    citations: list[dict[str, object]] | None = None


_LIST = msgspec.json.Decoder(list[Raw])
_MESSAGE = msgspec.json.Decoder(_Message)
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_HEAD = msgspec.json.Decoder(_Head)
_CITED = msgspec.json.Decoder(_Cited)
_TEXT = msgspec.json.Decoder(str)
_ENCODER = msgspec.json.Encoder()


class Cleaned(Struct, frozen=True):
    """The member `messages` without foreign blocks.

    Attributes:
        thoughtless: the turn that is running lost the thoughts it began with, so that Anthropic
            would refuse to think with a budget.
    """

    messages: bytes
    thoughtless: bool


def may_be_foreign(body: bytes) -> bool:
    """Tell whether something in a body looks like another provider's."""
    return any(mark in body for mark in _MARKS) or any(
        _is_empty_somewhere(body, name) for name in _NEVER_EMPTY
    )


def _is_empty_somewhere(body: bytes, name: bytes) -> bool:
    """Search without a pattern: conversations are long, and this is far quicker."""
    at = body.find(name)
    while at >= 0:
        end = at + len(name)
        if _EMPTY.match(body, end):
            return True
        at = body.find(name, end)
    return False


def without_foreign(messages: bytes) -> Cleaned:
    """Return the messages, each block that has nothing foreign byte for byte as it was."""
    kept: list[Raw] = []
    changed = False
    turns: list[Turn] = []
    lost = False
    try:
        for raw in _LIST.decode(messages):
            message = _MESSAGE.decode(raw)
            if isinstance(message.content, str):
                kept.append(raw)
                turns.append(Turn(_role(message), [{"type": "text"}]))
                continue
            blocks = [found for block in message.content if (found := _cleaned(block)) is not None]
            same = blocks == message.content
            changed = changed or not same
            if blocks:
                turns.append(Turn(_role(message), [_head(block) for block in blocks]))
                kept.append(raw if same else _with(raw, blocks))
            lost = lost or len(blocks) < len(message.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Cleaned(messages, thoughtless=False)  # the provider will say what is wrong with it
    if not changed:
        return Cleaned(messages, thoughtless=False)
    return Cleaned(_ENCODER.encode(kept), thoughtless=lost and not opens_with_thought(turns))


def _role(message: _Message) -> Role:
    return Role.ASSISTANT if message.role == "assistant" else Role.USER


def _head(block: Raw) -> JsonObject:
    return {"type": _HEAD.decode(block).type}


def _with(message: Raw, blocks: list[Raw]) -> Raw:
    return Raw(_ENCODER.encode(_MEMBERS.decode(message) | {"content": blocks}))


def _cleaned(block: Raw) -> Raw | None:
    """Return a block as Anthropic takes it, None for one that means nothing to it."""
    if not may_be_foreign(bytes(block)):
        return block
    kind = _HEAD.decode(block).type
    members = _MEMBERS.decode(block)
    if kind in _THOUGHTS:
        state = read_state(_text(members, _THOUGHTS[kind]))
        own = state is not None and state.origin is WireFormat.ANTHROPIC_MESSAGES
        return block if own else None
    if kind in _IDS:
        call_id, _ = split_id(_text(members, _IDS[kind]))
        return Raw(_ENCODER.encode(members | {_IDS[kind]: call_id}))
    if kind == "text":
        given = _CITED.decode(block).citations or []
        own_ones = [raw for raw in given if is_own(read_citation(raw))]
        if len(own_ones) < len(given):
            return Raw(_ENCODER.encode(members | {"citations": own_ones or None}))
    return block


def _text(members: dict[str, Raw], name: str) -> str:
    return _TEXT.decode(members[name]) if name in members else ""
