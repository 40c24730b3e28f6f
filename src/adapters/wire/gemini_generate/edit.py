"""Byte-level edit of the members the gateway must set in a generateContent request.

A conversation that another provider has taken part in comes back with that provider's state in its
signatures (`signatures`). Gemini would refuse those, so they are replaced as well.
"""

import re

import msgspec

from adapters.wire.edit import splice
from adapters.wire.gemini_generate.signatures import DUMMY, OURS, read_signature
from adapters.wire.gemini_generate.spelling import SpelledFinder
from adapters.wire.members import Member
from domain.inference.dialect import WireFormat

_GOVERNED = SpelledFinder(("model", "generationConfig", "generateContentRequest"))
_BOUND = SpelledFinder(("maxOutputTokens",))
_OURS = OURS.encode()
_SIGNATURE = re.compile(
    rb'("thought(?:S|_s)ignature"[ \t\n\r]*:[ \t\n\r]*")(' + _OURS + rb'[A-Za-z0-9+/_=-]*)"'
)


def edit_request(body: bytes, *, model: str, output_bound: int | None) -> bytes:
    """Return `body`, a JSON object, with the bound of generated tokens set.

    A body that repeats the URL's model gets the provider's name of it instead. Signatures of our
    making become what they held of Gemini's own, or the documented dummy.

    Raises:
        InvalidRequest: one of these members is given twice or written with escapes.
    """
    found = _GOVERNED.find(body)
    edits: list[tuple[Member, bytes]] = []
    named = found.get("model")
    if named is not None:
        edits.append((named, _resource(model)))
    inner = found.get("generateContentRequest")
    if inner is not None and body.startswith(b"{", inner.start):
        request = body[inner.start : inner.end]
        edits.append((inner, edit_request(request, model=model, output_bound=None)))
    if output_bound is not None:
        config = found.get("generationConfig")
        if config is None:
            edits.append(
                _addition(body, b'"generationConfig":{"maxOutputTokens":%d}' % output_bound)
            )
        else:
            edits.append((config, _bounded(body[config.start : config.end], output_bound)))
    edited = splice(body, edits) if edits else body
    return _SIGNATURE.sub(_unwrapped, edited) if _OURS in edited else edited


def _unwrapped(hit: re.Match[bytes]) -> bytes:
    state = read_signature(hit[2].decode()).state
    own = state is not None and state.origin is WireFormat.GEMINI_GENERATE
    text = msgspec.json.encode(state.data if state is not None and own else DUMMY)
    return hit[1] + text[1:]


def _resource(model: str) -> bytes:
    """Return a model as a resource; tuned models are one already."""
    return msgspec.json.encode(model if "/" in model else f"models/{model}")


def _bounded(config: bytes, bound: int) -> bytes:
    """Return the JSON value `config` (an object or null) with the bound in it."""
    if not config.startswith(b"{"):
        return b'{"maxOutputTokens":%d}' % bound
    own = _BOUND.find(config).get("maxOutputTokens")
    if own is not None:
        return splice(config, [(own, b"%d" % bound)])
    return splice(config, [_addition(config, b'"maxOutputTokens":%d' % bound)])


def _addition(document: bytes, member: bytes) -> tuple[Member, bytes]:
    """Return the edit that makes `member` the first one of the object `document`."""
    start = document.index(b"{") + 1
    empty = document[start:].lstrip().startswith(b"}")
    return Member(start, start), member if empty else member + b","
