"""Decoding answers and stream events, strictly if that works, loosely if not."""

import re

import msgspec
from msgspec import Raw

from adapters.wire.governing import MaybeRaw
from adapters.wire.schemas.anthropic_messages import LooseFrame, LooseReply, Reply, StreamFrame
from domain.errors import UpstreamProtocolError

KNOWN_EVENTS = frozenset(
    {
        b"",
        b"message",
        b"message_start",
        b"content_block_start",
        b"content_block_delta",
        b"content_block_stop",
        b"message_delta",
        b"message_stop",
        b"ping",
        b"error",
    }
)
"""Names of events we read; others are additions that pass unseen."""

_REPLY = msgspec.json.Decoder(Reply)
_FRAME = msgspec.json.Decoder(StreamFrame)
_LOOSE_REPLY = msgspec.json.Decoder(LooseReply)
_LOOSE_FRAME = msgspec.json.Decoder(LooseFrame)
_SURROGATE = re.compile(
    rb"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode_frame(data: bytes) -> StreamFrame | LooseFrame:
    """Return the data of one event.

    Raises:
        UpstreamProtocolError: not a JSON object.
    """
    try:
        return _FRAME.decode(data)
    except _UNREADABLE:
        readable = mend_surrogates(data)
    try:
        return _FRAME.decode(readable)
    except _UNREADABLE:
        pass
    try:
        return _LOOSE_FRAME.decode(readable)
    except _UNREADABLE:
        raise UpstreamProtocolError("not a stream event in JSON") from None


def decode_reply(body: bytes) -> Reply | LooseReply:
    """Return a whole answer, or what stands in its place.

    Raises:
        UpstreamProtocolError: not a JSON object.
    """
    try:
        return _REPLY.decode(body)
    except _UNREADABLE:
        readable = mend_surrogates(body)
    try:
        return _REPLY.decode(readable)
    except _UNREADABLE:
        pass
    try:
        return _LOOSE_REPLY.decode(readable)
    except _UNREADABLE:
        raise UpstreamProtocolError("not a message in JSON") from None


def mend_surrogates(text: bytes) -> bytes:
    r"""Return JSON in which halves of surrogate pairs in `\u` escapes are U+FFFD.

    Alone they are legal JSON (RFC 8259 section 8.2), but not for the decoder; a server may split a
    pair over two events.
    """
    return _SURROGATE.sub(lambda hit: hit[1] or b"\\ufffd", text)


def is_null(value: MaybeRaw) -> bool:
    """Tell whether a member is absent or null."""
    return not isinstance(value, Raw) or bytes(value) == b"null"
