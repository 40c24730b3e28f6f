"""Carrying one provider's opaque state through a client that speaks another vendor's API.

Clients give some texts back untouched: signatures, encrypted reasoning, ids of tool calls. State of
a foreign format travels inside such a text and is taken out again when the conversation comes back,
so the gateway keeps nothing. A client that alters it harms only his own conversation.

Texts are URL-safe and hold letters, digits, `-` and `_` only, which every vendor's id allows.
"""

import base64
import binascii
import zlib

import msgspec
from msgspec import Struct

from domain.inference.conversation import OpaqueState, ThinkingPart
from domain.inference.dialect import WireFormat

NO_STATE = OpaqueState(origin=WireFormat.OPENAI_CHAT, data="")
"""Stands where a client wants a signature and the provider gave none; of any origin, empty is none.

Clients take a thought without a signature for one they have to give back as their user's text.
"""

_STATE = "twst1_"
_IN_ID = "_twid1_"
_MOST_BYTES = 4 * 1024 * 1024
# Texts shrink to a third or so. A bound keeps a small request from becoming a large one in memory:
# what shrinks more is not made smaller at all.
_MOST_SHRUNK = 8
_UNREADABLE = (ValueError, msgspec.DecodeError, zlib.error, binascii.Error, RecursionError)


class Carried(Struct, frozen=True, array_like=True, omit_defaults=True):
    """What rides on a tool call's id: the thinking before it, and the state of the call itself."""

    thinking: tuple[ThinkingPart, ...] = ()
    state: OpaqueState | None = None


_STATES = msgspec.msgpack.Decoder(OpaqueState)
_CARRIED = msgspec.msgpack.Decoder(Carried)
_ENCODER = msgspec.msgpack.Encoder()


def wrap_state(state: OpaqueState) -> str:
    """Return `state` as a text for a field in which clients return opaque text."""
    return _STATE + _pack(_ENCODER.encode(state))


def unwrap_state(text: str) -> OpaqueState | None:
    """Return the state that `wrap_state` made this text of, or None for any other text."""
    if not text.startswith(_STATE):
        return None
    try:
        return _STATES.decode(_unpack(text.removeprefix(_STATE)))
    except _UNREADABLE:
        return None


def carry_in_id(call_id: str, carried: Carried) -> str:
    """Return an id for the client that holds `carried`; `call_id` itself when there is nothing."""
    if carried.state is None and not carried.thinking:
        return call_id
    return call_id + _IN_ID + _pack(_ENCODER.encode(carried))


def split_id(text: str) -> tuple[str, Carried]:
    """Return the provider's id and what the client's id carries."""
    call_id, mark, packed = text.partition(_IN_ID)
    if not mark:
        return text, Carried()
    try:
        return call_id, _CARRIED.decode(_unpack(packed))
    except _UNREADABLE:
        return text, Carried()


def _pack(data: bytes) -> str:
    packed = zlib.compress(data, 1)
    if len(data) > _MOST_SHRUNK * len(packed):
        packed = zlib.compress(data, 0)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _unpack(text: str) -> bytes:
    packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(packed, min(_MOST_BYTES, _MOST_SHRUNK * len(packed)))
    if not unpacker.eof:
        raise ValueError("more than any state can be")
    return data
