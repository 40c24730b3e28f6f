"""Byte-level edit of the members the gateway must set in a request it forwards.

Everything else keeps its bytes: white space, order of keys, unknown fields, spelling of numbers.
"""

import msgspec

from adapters.wire.members import Member, MemberFinder
from domain.errors import InvalidRequest

_GOVERNED = MemberFinder(("model", "stream_options"))
_STREAM_OPTIONS = MemberFinder(("include_usage",))
_ASK_FOR_USAGE = b'"include_usage":true'


def edit_request(body: bytes, *, model: str, ask_for_usage: bool) -> bytes:
    """Return `body` with the top-level `model` replaced and, if wanted, usage asked for.

    `body` must be a JSON object with a `model`, as `peek` has found it. `ask_for_usage` sets
    `stream_options.include_usage` to true, keeping the other stream options.

    Raises:
        InvalidRequest: one of these members is given twice or written with escapes.
    """
    found = _GOVERNED.find(body)
    where = found.get("model")
    if where is None:
        raise InvalidRequest("The field 'model' is missing.", param="model")
    edits = [(where, msgspec.json.encode(model))]
    if ask_for_usage:
        options = found.get("stream_options")
        if options is None:
            value = edits[0][1] + b',"stream_options":{' + _ASK_FOR_USAGE + b"}"
            edits = [(where, value)]
        else:
            edits.append((options, _with_usage(body[options.start : options.end])))
    return _splice(body, edits)


def _with_usage(options: bytes) -> bytes:
    """Return the JSON value `options` (an object or null) with `include_usage` true."""
    if not options.startswith(b"{"):
        return b"{" + _ASK_FOR_USAGE + b"}"
    own = _STREAM_OPTIONS.find(options).get("include_usage")
    if own is not None:
        return _splice(options, [(own, b"true")])
    rest = options[1:]
    separator = b"" if rest.lstrip().startswith(b"}") else b","
    return b"{" + _ASK_FOR_USAGE + separator + rest


def _splice(document: bytes, edits: list[tuple[Member, bytes]]) -> bytes:
    """Return `document` with each place replaced by its new value."""
    pieces: list[bytes] = []
    at = 0
    for place, value in sorted(edits, key=lambda edit: edit[0].start):
        pieces += (document[at : place.start], value)
        at = place.end
    pieces.append(document[at:])
    return b"".join(pieces)
