"""Finding and replacing form fields in `multipart/form-data` bodies (RFC 7578, RFC 2046).

Files are neither parsed nor copied more than once: the fields that govern are found in the bytes.
"""

import re

from msgspec import Struct

from adapters.wire.members import Member
from domain.errors import InvalidRequest

_BOUNDARY = re.compile(rb'boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_NAME = re.compile(rb'\bname="([^"]*)"', re.IGNORECASE)
_FILENAME = re.compile(rb"\bfilename\*?=", re.IGNORECASE)
_DISPOSITION = re.compile(rb"^content-disposition:(.*)$", re.IGNORECASE | re.MULTILINE)
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
        InvalidRequest: no boundary, a part without an end or a name, or more than 256 parts.
    """
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise InvalidRequest("The content type of a form must name its boundary.")
    dash = b"--" + (found[1] or found[2])
    at = 0 if body.startswith(dash) else body.find(b"\r\n" + dash) + 2
    if not body.startswith(dash, at):
        raise _broken("its first boundary is missing")
    parts: list[Part] = []
    while True:
        at += len(dash)
        if body.startswith(b"--", at):
            return parts
        start = body.find(b"\r\n", at) + 2
        end = body.find(b"\r\n" + dash, start - 2)
        if start < 2 or end < 0:
            raise _broken("a part has no end")
        if len(parts) == _MOST_PARTS:
            raise _broken(f"it has more than {_MOST_PARTS} parts")
        parts.append(_part(body, start, end))
        at = end + 2


def _part(body: bytes, start: int, end: int) -> Part:
    head_end = body.find(b"\r\n\r\n", start, min(end, start + _LARGEST_HEAD) + 4)
    if head_end < 0:
        raise _broken("a part has no head")
    head = body[start:head_end].replace(b"\r\n", b"\n")
    disposition = _DISPOSITION.search(head)
    name = _NAME.search(disposition[1]) if disposition else None
    if disposition is None or name is None:
        raise _broken("a part has no name")
    return Part(
        name=name[1].decode("utf-8", "replace"),
        is_file=_FILENAME.search(disposition[1]) is not None,
        value=Member(head_end + 4, max(end, head_end + 4)),
    )


def _broken(problem: str) -> InvalidRequest:
    return InvalidRequest(f"The form cannot be read: {problem}.")
