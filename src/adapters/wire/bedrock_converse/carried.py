"""Opaque state in reasoning blocks: Bedrock's own as it is, other vendors' wrapped.

`signature` of a reasoning text and `redactedContent` hold Bedrock's own state, or another vendor's
in the wrapping of `opaque_state`. Clients keep reasoning without text only when it is redacted, so
that is what carries a foreign state without text; likewise the state that another vendor put on a
text or a call, right after it. `redactedContent` is bytes, in JSON base64; ours begin with a word on
what they belong to.
"""

import base64
import binascii
from enum import StrEnum

from msgspec import Struct

from adapters.wire.opaque_state import unwrap_state, wrap_state
from domain.inference.conversation import OpaqueState
from domain.inference.dialect import WireFormat

OWN = WireFormat.BEDROCK_CONVERSE


class Owner(StrEnum):
    """What a state in `redactedContent` belongs to."""

    REDACTED = "redacted"
    THOUGHT = "thought"
    PREVIOUS = "previous"
    """The text or call before it."""


class Redacted(Struct, frozen=True):
    """The state of a `redactedContent`."""

    state: OpaqueState
    owner: Owner = Owner.REDACTED


def read_signature(text: str) -> OpaqueState | None:
    """Return the state in a `signature`; None when it is empty."""
    if not text:
        return None
    return unwrap_state(text) or OpaqueState(origin=OWN, data=text)


def write_signature(state: OpaqueState) -> str:
    """Return the `signature` for a client."""
    return state.data if state.origin is OWN else wrap_state(state)


def read_redacted(content: str) -> Redacted:
    """Return the state in a `redactedContent`, given as base64."""
    try:
        owner, _, wrapped = base64.b64decode(content, validate=True).decode("ascii").partition(":")
        foreign = unwrap_state(wrapped)
        if foreign is not None:
            return Redacted(foreign, Owner(owner))
    except (binascii.Error, ValueError):
        pass  # the vendor's own bytes
    return Redacted(OpaqueState(origin=OWN, data=content))


def write_redacted(state: OpaqueState, owner: Owner) -> str:
    """Return the `redactedContent`, in base64, for a client."""
    if state.origin is OWN and owner is Owner.REDACTED:
        return state.data
    return base64.b64encode(f"{owner}:{wrap_state(state)}".encode()).decode()
