"""Finding and replacing form fields in `multipart/form-data` bodies (RFC 7578, RFC 2046).

Files are neither parsed nor copied more than once: the fields that govern are found in the bytes.

The provider reads the same bytes with another parser. Whatever one parser may take for a field and
another not is refused, so that nobody can show us one model and the provider another.
"""

import re

from msgspec import Struct

from adapters.wire.members import Member
from domain.errors import InvalidRequest

_BOUNDARY = re.compile(rb'boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
# Browsers, and the libraries that follow them, take a backslash for itself; others take it and the
# quote after it for a quote. A percent sign is an escape to some.
_DISPOSITION = re.compile(
    rb"""(?xi) form-data
    (?: [ ]*;[ ]* (?: name="(?P<name>[^"\\%]*)"
                    | (?P<file>filename) = (?: "(?:[^"\\] | \\[^"])*" | [!#$&'*+.^_`|~0-9a-z-]+ )
                    | (?P<extended>filename\*) = [^;"\\]+ ) )*
    [ ]*"""
)
_FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ \t]*([^\r\n\0]*)")
_PADDING = b" \t"
_MOST_PARTS = 256
_LARGEST_HEAD = 8 * 1024


class Part(Struct, frozen=True):
    """One part of a form.

    Attributes:
        name: the field's name.
        is_file: it has a file name.
        value: where its content stands in the body.
    """

    name: str
    is_file: bool
    value: Member


def is_form(content_type: bytes) -> bool:
    """Tell whether a content type is that of a form with files."""
    return content_type.partition(b";")[0].strip().lower() == b"multipart/form-data"


def form_parts(body: bytes, content_type: bytes) -> list[Part]:
    """Return the parts of a form in their order.

    Raises:
        InvalidRequest: no boundary, or not one; a part without an end or a name; more than 256
            parts; anything that parsers differ about.
    """
    found = _BOUNDARY.findall(content_type)
    if len(found) != 1 or content_type.lower().count(b"boundary") != 1:
        raise InvalidRequest("The content type of a form must name its boundary, once.")
    dash = b"--" + (found[0][0] or found[0][1])
    at = 2 if body.startswith(b"\r\n") else 0
    if not body.startswith(dash, at):
        raise _broken("it does not begin with its boundary")
    parts: list[Part] = []
    while True:
        at += len(dash)
        if body.startswith(b"--", at):
            if body.count(dash) != len(parts) + 1:
                raise _broken("its boundary stands where none can be")
            return parts
        start = body.find(b"\r\n", at) + 2
        end = body.find(b"\r\n" + dash, start - 2)
        if start < 2 or end < 0 or body[at : start - 2].strip(_PADDING):
            raise _broken("a part has no end")
        if len(parts) == _MOST_PARTS:
            raise _broken(f"it has more than {_MOST_PARTS} parts")
        parts.append(_part(body, start, end))
        at = end + 2


def _part(body: bytes, start: int, end: int) -> Part:
    head_end = body.find(b"\r\n\r\n", start, min(end, start + _LARGEST_HEAD) + 4)
    if head_end < 0:
        raise _broken("a part has no head")
    dispositions: list[bytes] = []
    for line in body[start:head_end].split(b"\r\n"):
        field = _FIELD.fullmatch(line)
        if field is None:
            raise _broken("a part's head has a malformed line")
        if line[:20].lower() == b"content-disposition:":
            dispositions.append(field[1])
    found = _DISPOSITION.fullmatch(dispositions[0]) if len(dispositions) == 1 else None
    if found is None or found["name"] is None or _names(dispositions[0]) != 1:
        raise _broken("a part has no name, or not one that is plain")
    return Part(
        name=found["name"].decode("utf-8", "replace"),
        is_file=found["file"] is not None or found["extended"] is not None,
        value=Member(head_end + 4, max(end, head_end + 4)),
    )


def _names(disposition: bytes) -> int:
    """Return how often a name is given, be it within a file's name."""
    return len(re.findall(rb"(?i)(?:^|[; ])name[ ]*\*?[ ]*=", disposition))


def _broken(problem: str) -> InvalidRequest:
    return InvalidRequest(f"The form cannot be read: {problem}.")
