"""Images in a Messages request: how many, and how much of the body they are.

Counted in the bytes of `messages`, in linear time and without building objects. In valid JSON a
quoted name followed by a colon is a key: inside a string its quotes would be escaped. Documents
count as text: nothing short of reading them tells how many pages they have.
"""

import re

from msgspec import Raw

from adapters.wire.governing import MaybeRaw
from domain.inference.head import Media

_NONE = Media()
_IMAGE = re.compile(rb'"type"[ \t\n\r]*:[ \t\n\r]*"image"')
_DATA = re.compile(rb'"data"[ \t\n\r]*:[ \t\n\r]*"([^"]*)"')
_IMAGE_TYPE = re.compile(rb'"media_type"[ \t\n\r]*:[ \t\n\r]*"image\\?/')
_SPELLED_LETTER = re.compile(rb"\\u00([4-7][0-9a-fA-F])")
# The members beside `data` in a source are short; what is further away belongs to another object.
_NEARBY = 256


def media_of(messages: MaybeRaw) -> Media:
    r"""Return what media `messages`, a JSON value, has.

    A name spelled with `\u` escapes counts as its letters, so that no image goes uncounted.
    """
    if not isinstance(messages, Raw):
        return _NONE
    text = bytes(memoryview(messages))
    if b"\\u00" in text:
        text = _SPELLED_LETTER.sub(_letter, text)
    if b'"image' not in text:
        return _NONE
    inline = [
        hit.end(1) - hit.start(1) for hit in _DATA.finditer(text) if _is_image(text, hit.span())
    ]
    images = sum(1 for _ in _IMAGE.finditer(text))
    return Media(images=max(images, len(inline)), image_bytes=sum(inline))


def _is_image(text: bytes, span: tuple[int, int]) -> bool:
    """Tell whether the object with this `data` member says that it is an image."""
    start, end = span
    before = text[max(0, start - _NEARBY) : start].rpartition(b"{")[2]
    after = text[end : end + _NEARBY].partition(b"}")[0]
    return _IMAGE_TYPE.search(before) is not None or _IMAGE_TYPE.search(after) is not None


def _letter(escape: re.Match[bytes]) -> bytes:
    letter = bytes.fromhex(escape[1].decode())
    return b"\\" + letter if letter == b"\\" else letter
