"""Byte-level edit of the members the gateway must set in a Chat Completions request."""

import re

import msgspec
from msgspec import Struct

from adapters.wire.edit import splice
from adapters.wire.members import Member, MemberFinder
from adapters.wire.opaque_state import split_id
from domain.errors import InvalidRequest

OUTPUT_BOUNDS = ("max_completion_tokens", "max_tokens")
"""Names of the bound of generated tokens: OpenAI's today, and the one every server knows."""

_GOVERNED = MemberFinder(("model", "stream_options", *OUTPUT_BOUNDS))
_STREAM_OPTIONS = MemberFinder(("include_usage",))
_ASK_FOR_USAGE = b'"include_usage":true'
_LUGGAGE = b"_twid1_"
# Quotes without a backslash: a key and a whole text, never something said within one.
_ID_WITH_LUGGAGE = re.compile(
    rb'((?<!\\)"(?:tool_call_)?id"[ \t\n\r]*:[ \t\n\r]*")([^"\\]*_twid1_[A-Za-z0-9_-]+)"'
)


class OutputBound(Struct, frozen=True):
    """A bound to write into a request: which of `OUTPUT_BOUNDS`, and how many tokens."""

    name: str
    tokens: int


def edit_request(
    body: bytes, *, model: str, ask_for_usage: bool, bound: OutputBound | None = None
) -> bytes:
    """Return `body` with the top-level `model` replaced and, if wanted, usage asked for.

    `body` must be a JSON object with a `model`, as `peek` has found it. `ask_for_usage` sets
    `stream_options.include_usage` to true, keeping the other stream options. `bound` is set as the
    bound of generated tokens; the other name of it, should it be there, becomes null.

    Ids of calls that carry state of another vendor, from an earlier part of the conversation, become
    what they were: no provider of this format could read it, and OpenAI takes short ids only.

    Raises:
        InvalidRequest: one of these members is given twice or written with escapes.
    """
    found = _GOVERNED.find(body)
    where = found.get("model")
    if where is None:
        raise InvalidRequest("The field 'model' is missing.", param="model")
    edits: list[tuple[Member, bytes]] = []
    added = b""
    if ask_for_usage:
        options = found.get("stream_options")
        if options is None:
            added += b',"stream_options":{' + _ASK_FOR_USAGE + b"}"
        else:
            edits.append((options, _with_usage(body[options.start : options.end])))
    if bound is not None:
        if bound.name not in found:
            added += b',"%b":%d' % (bound.name.encode(), bound.tokens)
        edits += (
            (found[name], b"%d" % bound.tokens if name == bound.name else b"null")
            for name in OUTPUT_BOUNDS
            if name in found
        )
    edited = splice(body, [(where, msgspec.json.encode(model) + added), *edits])
    return _without_luggage(edited) if _LUGGAGE in body else edited


def _without_luggage(body: bytes) -> bytes:
    return _ID_WITH_LUGGAGE.sub(lambda hit: hit[1] + _plain_id(hit[2]) + b'"', body)


def _plain_id(text: bytes) -> bytes:
    return split_id(text.decode())[0].encode()


def _with_usage(options: bytes) -> bytes:
    """Return the JSON value `options` (an object or null) with `include_usage` true."""
    if not options.startswith(b"{"):
        return b"{" + _ASK_FOR_USAGE + b"}"
    own = _STREAM_OPTIONS.find(options).get("include_usage")
    if own is not None:
        return splice(options, [(own, b"true")])
    rest = options[1:]
    separator = b"" if rest.lstrip().startswith(b"}") else b","
    return b"{" + _ASK_FOR_USAGE + separator + rest
