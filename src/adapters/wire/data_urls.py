"""`data:` URLs (RFC 2397) with base64, in which OpenAI's APIs carry media."""

import re

from domain.inference.conversation import Media

_DATA_URL = re.compile(r"data:([^,;]*)((?:;[^,;]*)*),", re.IGNORECASE)
_UNKNOWN = "application/octet-stream"


def read_url(url: str) -> Media | None:
    """Return the media of a URL: its bytes for a `data:` URL, itself for any other.

    None for a `data:` URL that is not base64.
    """
    if url[:5].lower() != "data:":
        return Media(url=url)
    head = _DATA_URL.match(url)
    if head is None or not head[2].lower().endswith(";base64"):
        return None
    return Media(media_type=head[1].lower(), data=url[head.end() :])


def write_url(media: Media) -> str | None:
    """Return the URL of media given as bytes or URL; None for a file."""
    if media.data is not None:
        return f"data:{media.media_type or _UNKNOWN};base64,{media.data}"
    return media.url
