"""Byte-level edit of the members the gateway must set in a Messages request."""

import msgspec

from adapters.wire.edit import splice
from adapters.wire.members import Member, MemberFinder
from domain.errors import InvalidRequest

_GOVERNED = MemberFinder(("model", "max_tokens"))


def edit_request(body: bytes, *, model: str, bound: int | None = None) -> bytes:
    """Return `body` with the top-level `model` replaced and, if given, `max_tokens` set.

    `body` must be a JSON object with a `model`, as `peek` has found it.

    Raises:
        InvalidRequest: one of the two is given twice or written with escapes.
    """
    found = _GOVERNED.find(body)
    where = found.get("model")
    if where is None:
        raise InvalidRequest("The field 'model' is missing.", param="model")
    edits: list[tuple[Member, bytes]] = []
    added = b""
    if bound is not None:
        own = found.get("max_tokens")
        if own is None:
            added = b',"max_tokens":%d' % bound
        else:
            edits.append((own, b"%d" % bound))
    return splice(body, [(where, msgspec.json.encode(model) + added), *edits])
