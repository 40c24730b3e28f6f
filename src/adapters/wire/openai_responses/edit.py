"""Byte-level edit of the members the gateway must set in a Responses request."""

import msgspec

from adapters.wire.edit import splice
from adapters.wire.members import Member, MemberFinder
from domain.errors import InvalidRequest

_GOVERNED = MemberFinder(("model", "max_output_tokens"))


def edit_request(body: bytes, *, model: str, output_bound: int | None) -> bytes:
    """Return `body` with the top-level `model` replaced and, if given, the output bounded.

    `body` must be a JSON object with a `model`, as `peek` has found it.

    Raises:
        InvalidRequest: one of these members is given twice or written with escapes.
    """
    found = _GOVERNED.find(body)
    where = found.get("model")
    if where is None:
        raise InvalidRequest("The field 'model' is missing.", param="model")
    edits: list[tuple[Member, bytes]] = []
    added = b""
    if output_bound is not None:
        bound = found.get("max_output_tokens")
        if bound is None:
            added = b',"max_output_tokens":%d' % output_bound
        else:
            edits.append((bound, b"%d" % output_bound))
    return splice(body, [(where, msgspec.json.encode(model) + added), *edits])
