"""Images and sounds in a Chat Completions request: how many, and how much of the body they are.

Counted in the bytes of `messages`, in linear time and without building objects. In valid JSON a
quoted name followed by a colon is a key: inside a string its quotes would be escaped.
"""

import re

from msgspec import Raw

from adapters.wire.schemas.openai_chat import MaybeRaw
from domain.inference.head import Media

_NONE = Media()
_IMAGE = re.compile(rb'"image_url"[ \t\n\r]*:')
_INLINE_IMAGE = re.compile(rb'"(?:image_)?url"[ \t\n\r]*:[ \t\n\r]*"data:image\\?/([^"]*)"')
_INLINE_AUDIO = re.compile(
    rb'"input_audio"[ \t\n\r]*:[ \t\n\r]*\{[ \t\n\r]*'
    rb'(?:"format"[ \t\n\r]*:[ \t\n\r]*"[^"]{0,16}"[ \t\n\r]*,[ \t\n\r]*)?'
    rb'"data"[ \t\n\r]*:[ \t\n\r]*"([^"]*)"'
)
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
    if b"image_url" not in text and b"input_audio" not in text:
        return _NONE
    inline = [hit.end(1) - hit.start(1) for hit in _INLINE_IMAGE.finditer(text)]
    images = sum(1 for _ in _IMAGE.finditer(text))
    return Media(
        images=max(images, len(inline)),
        image_bytes=sum(inline),
        audio_bytes=sum(hit.end(1) - hit.start(1) for hit in _INLINE_AUDIO.finditer(text)),
    )


def _letter(escape: re.Match[bytes]) -> bytes:
    letter = bytes.fromhex(escape[1].decode())
    return b"\\" + letter if letter == b"\\" else letter
