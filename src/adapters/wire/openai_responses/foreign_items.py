"""Taking out of a conversation what another format left in it, before its bytes go to the vendor.

A conversation may move from one provider to another between two turns. Reasoning of another format
and what rides on ids of calls were made here, for clients to return; the vendor could not verify
the one and refuses the length of the other. All other items keep their bytes.
"""

import msgspec
from msgspec import Raw, Struct

from adapters.wire.opaque_state import split_id
from adapters.wire.openai_responses.thoughts import is_foreign

_ITEMS = msgspec.json.Decoder(list[Raw])
_OBJECT = msgspec.json.Decoder(dict[str, object])
_ENCODER = msgspec.json.Encoder()
_MARKS = (b'"twst1_', b"_twid1_")


class _Item(Struct):
    encrypted_content: str | None = None
    call_id: str | None = None


_ITEM = msgspec.json.Decoder(_Item)


def may_be_foreign(body: bytes) -> bool:
    """Tell, at the price of a search, whether anything has to be taken out."""
    return any(mark in body for mark in _MARKS)


def without_foreign(items: bytes) -> bytes:
    """Return the JSON value `items` (`input` of a request) without it."""
    try:
        given = [bytes(raw) for raw in _ITEMS.decode(items)]
    except (msgspec.DecodeError, RecursionError):
        return items  # one text; or not what the vendor takes, which it says better itself
    kept = [item for raw in given if (item := _without(raw)) is not None]
    return items if kept == given else b"[" + b",".join(kept) + b"]"


def _without(raw: bytes) -> bytes | None:
    """Return an item as it may go out; None for one that may not."""
    if not may_be_foreign(raw):
        return raw
    try:
        item = _ITEM.decode(raw)
    except msgspec.ValidationError:
        return raw
    if item.encrypted_content is not None and is_foreign(item.encrypted_content):
        return None
    call_id, _ = split_id(item.call_id or "")
    if item.call_id is None or call_id == item.call_id:
        return raw
    return _ENCODER.encode(_OBJECT.decode(raw) | {"call_id": call_id})
