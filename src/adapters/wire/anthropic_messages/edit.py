"""Byte-level edit of the members the gateway must set in a Messages request."""

import msgspec
from msgspec import Raw, Struct

from adapters.wire.anthropic_messages.foreign_blocks import may_be_foreign, without_foreign
from adapters.wire.edit import splice
from adapters.wire.members import Member, MemberFinder
from domain.errors import InvalidRequest

_GOVERNED = MemberFinder(("model", "max_tokens"))
_CONVERSATION = MemberFinder(("messages", "thinking"))


class _Thinking(Struct):
    type: Raw = Raw(b'""')


_THINKING = msgspec.json.Decoder(_Thinking | None)


def edit_request(body: bytes, *, model: str, bound: int | None = None) -> bytes:
    """Return `body` with the top-level `model` replaced and, if given, `max_tokens` set.

    What answers of other providers left in the conversation is taken out, and thinking with a
    budget is turned off where a running turn lost its thoughts that way. `body` must be a JSON
    object with a `model`, as `peek` has found it.

    Raises:
        InvalidRequest: one of these members is given twice or written with escapes.
    """
    found = _GOVERNED.find(body)
    where = found.get("model")
    if where is None:
        raise InvalidRequest("The field 'model' is missing.", param="model")
    edits: list[tuple[Member, bytes]] = []
    added = b""
    if bound is not None:
        own = found.get("max_tokens")
        if own is None:
            added = b',"max_tokens":%d' % bound
        else:
            edits.append((own, b"%d" % bound))
    if may_be_foreign(body):
        edits += _without_foreign(body)
    return splice(body, [(where, msgspec.json.encode(model) + added), *edits])


def _without_foreign(body: bytes) -> list[tuple[Member, bytes]]:
    found = _CONVERSATION.find(body)
    messages = found.get("messages")
    if messages is None:
        return []
    cleaned = without_foreign(body[messages.start : messages.end])
    edits = [(messages, cleaned.messages)]
    thinking = found.get("thinking")
    if cleaned.thoughtless and thinking is not None:
        value = body[thinking.start : thinking.end]
        if _has_budget(value):
            edits.append((thinking, b'{"type":"disabled"}'))
    return edits


def _has_budget(thinking: bytes) -> bool:
    try:
        members = _THINKING.decode(thinking)
    except msgspec.DecodeError:
        return False
    return members is not None and bytes(members.type) == b'"enabled"'
