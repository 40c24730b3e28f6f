"""Byte-level edit of the members the gateway must set in a Responses request."""

import msgspec

from adapters.wire.edit import splice
from adapters.wire.members import Member, MemberFinder
from adapters.wire.openai_responses.foreign_items import may_be_foreign, without_foreign
from domain.errors import InvalidRequest

_GOVERNED = MemberFinder(("model", "max_output_tokens"))
_WITH_INPUT = MemberFinder(("model", "max_output_tokens", "input"))


def edit_request(body: bytes, *, model: str, output_bound: int | None) -> bytes:
    """Return `body` with the top-level `model` replaced and, if given, the output bounded.

    What an answer of another format left in the conversation is taken out of `input`. `body` must be a JSON object with a `model`, as `peek` has found it.

    Raises:
        InvalidRequest: one of these members is given twice or written with escapes.
    """
    foreign = may_be_foreign(body)
    found = (_WITH_INPUT if foreign else _GOVERNED).find(body)
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
    if foreign and (items := found.get("input")) is not None:
        edits.append((items, without_foreign(body[items.start : items.end])))
    return splice(body, [(where, msgspec.json.encode(model) + added), *edits])
