"""Byte-level edit of the one member the gateway must set in a Converse request."""

from adapters.wire.edit import splice
from adapters.wire.members import Member, MemberFinder

_CONFIG = MemberFinder(("inferenceConfig",))
_BOUND = MemberFinder(("maxTokens",))


def edit_request(body: bytes, bound: int | None) -> bytes:
    """Return `body`, a JSON object, with `inferenceConfig.maxTokens` set to `bound` if not None.

    Raises:
        InvalidRequest: one of these members is given twice or written with escapes.
    """
    if bound is None:
        return body
    own = b'"maxTokens":%d' % bound
    place = _CONFIG.find(body).get("inferenceConfig")
    if place is None:
        return _with_first_member(body, b'"inferenceConfig":{' + own + b"}")
    config = body[place.start : place.end]
    if not config.startswith(b"{"):  # null
        return splice(body, [(place, b"{" + own + b"}")])
    value = _BOUND.find(config).get("maxTokens")
    if value is None:
        return splice(body, [(place, _with_first_member(config, own))])
    within = Member(place.start + value.start, place.start + value.end)
    return splice(body, [(within, b"%d" % bound)])


def _with_first_member(document: bytes, member: bytes) -> bytes:
    """Return a JSON object with one more member, before the others."""
    at = document.index(b"{") + 1
    rest = document[at:]
    separator = b"" if rest.lstrip().startswith(b"}") else b","
    return document[:at] + member + separator + rest
