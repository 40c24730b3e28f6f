"""Images and sounds in a Converse request: how many, and how much of the body they are.

Counted in the bytes of `messages`, in linear time and without building objects. In valid JSON a
quoted name followed by a colon is a key: inside a string its quotes would be escaped.
"""

import re

from msgspec import Raw

from adapters.wire.governing import MaybeRaw
from domain.inference.head import Media

_NONE = Media()
_SPACE = rb"[ \t\n\r]*"
_IMAGE = re.compile(rb'"image"' + _SPACE + rb":" + _SPACE + rb"\{")


def _inline(kind: bytes) -> re.Pattern[bytes]:
    """Return a pattern for the base64 text of a block, whether `format` comes first or last."""
    text = rb'"%b" : \{ (?:"format" : "[^"]{0,16}" , )?"source" : \{ "bytes" : "([^"]*)"' % kind
    return re.compile(text.replace(b" ", _SPACE))


_INLINE_IMAGE = _inline(b"image")
_INLINE_AUDIO = _inline(b"audio")
_SPELLED_LETTER = re.compile(rb"\\u00([4-7][0-9a-fA-F])")


def media_of(messages: MaybeRaw) -> Media:
    r"""Return what media `messages`, a JSON value, has.

    A name spelled with `\u` escapes counts as its letters, so that no image goes uncounted.
    """
    if not isinstance(messages, Raw):
        return _NONE
    text = bytes(memoryview(messages))
    if b"\\u00" in text:
        text = _SPELLED_LETTER.sub(_letter, text)
    if b'"image"' not in text and b'"audio"' not in text:
        return _NONE
    return Media(
        images=sum(1 for _ in _IMAGE.finditer(text)),
        image_bytes=sum(hit.end(1) - hit.start(1) for hit in _INLINE_IMAGE.finditer(text)),
        audio_bytes=sum(hit.end(1) - hit.start(1) for hit in _INLINE_AUDIO.finditer(text)),
    )


def _letter(escape: re.Match[bytes]) -> bytes:
    letter = bytes.fromhex(escape[1].decode())
    return b"\\" + letter if letter == b"\\" else letter
