"""What answers of other providers left in a client's conversation, taken out of bytes that pass.

A client may have talked to another vendor's model before: his conversation then holds reasoning
whose signature is that vendor's state in our wrapping, and Bedrock refuses it. Where the
conversation is translated the decoder deals with it; here it is done to a body that otherwise
passes as it is, and only where a mark of ours is found in it.
"""

import msgspec
from msgspec import Raw, Struct

from adapters.wire.bedrock_converse.carried import OWN, read_redacted, read_signature_of_previous
from adapters.wire.edit import splice
from adapters.wire.members import MemberFinder
from adapters.wire.opaque_state import unwrap_state

# The second is the first in base64, as redacted content has it.
_MARKS = (b"twst1_", b"dHdzdDFf")
_CONVERSATION = MemberFinder(("messages",))


class _Text(Struct):
    signature: str = ""


class _Reasoning(Struct, rename="camel"):
    reasoning_text: _Text | None = None
    redacted_content: str | None = None


class _Block(Struct, rename="camel"):
    reasoning_content: _Reasoning | None = None


class _Message(Struct):
    content: list[Raw]


_LIST = msgspec.json.Decoder(list[Raw])
_MESSAGE = msgspec.json.Decoder(_Message)
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_BLOCK = msgspec.json.Decoder(_Block)
_ENCODER = msgspec.json.Encoder()


def without_foreign(body: bytes) -> bytes:
    """Return `body`, a JSON object, without other vendors' reasoning; all else byte for byte.

    Raises:
        InvalidRequest: `messages` is given twice or written with escapes.
    """
    if not any(mark in body for mark in _MARKS):
        return body
    place = _CONVERSATION.find(body).get("messages")
    if place is None:
        return body
    try:
        messages = _LIST.decode(body[place.start : place.end])
        cleaned = [found for each in messages if (found := _cleaned(each)) is not None]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body  # the provider will say what is wrong with it
    if cleaned == messages:
        return body
    return splice(body, [(place, _ENCODER.encode(cleaned))])


def _cleaned(message: Raw) -> Raw | None:
    """Return a message as Bedrock takes it, None for one of which nothing is left."""
    content = _MESSAGE.decode(message).content
    kept = [block for block in content if not _is_foreign(block)]
    if len(kept) == len(content):
        return message
    return Raw(_ENCODER.encode(_MEMBERS.decode(message) | {"content": kept})) if kept else None


def _is_foreign(block: Raw) -> bool:
    if not any(mark in bytes(block) for mark in _MARKS):
        return False
    reasoning = _BLOCK.decode(block).reasoning_content
    if reasoning is None:
        return False
    if reasoning.redacted_content is not None:
        return read_redacted(reasoning.redacted_content).origin is not OWN
    signature = reasoning.reasoning_text.signature if reasoning.reasoning_text else ""
    return (unwrap_state(signature) or read_signature_of_previous(signature)) is not None
