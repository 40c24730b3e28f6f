"""Opaque state in reasoning blocks: Bedrock's own as it is, other vendors' wrapped.

`signature` of a reasoning text and `redactedContent` (bytes, in JSON base64) hold Bedrock's own
state, or another vendor's in the wrapping of `opaque_state`. State that another vendor put on a text
or a call has no field here: a reasoning block of nothing but a signature, right after that part,
carries it, marked so that it is put back there. Signatures without text are what clients know from
models that do not show their thoughts.
"""

import base64
import binascii

from adapters.wire.opaque_state import NO_STATE, unwrap_state, wrap_state
from domain.inference.conversation import OpaqueState
from domain.inference.dialect import WireFormat

OWN = WireFormat.BEDROCK_CONVERSE
_OF_PREVIOUS = "previous:"


def read_signature(text: str) -> OpaqueState | None:
    """Return the state in a `signature`; None when there is none in it."""
    if not text:
        return None
    state = unwrap_state(text) or OpaqueState(origin=OWN, data=text)
    return state if state.data else None


def write_signature(state: OpaqueState | None) -> str:
    """Return the `signature` of a thought for a client; never empty."""
    state = state or NO_STATE
    return state.data if state.origin is OWN else wrap_state(state)


def read_signature_of_previous(text: str) -> OpaqueState | None:
    """Return the state of the part before, or None for a `signature` that is a thought's own."""
    if not text.startswith(_OF_PREVIOUS):
        return None
    return unwrap_state(text.removeprefix(_OF_PREVIOUS))


def write_signature_of_previous(state: OpaqueState) -> str:
    """Return the `signature` that carries the state of the part before its block."""
    return _OF_PREVIOUS + wrap_state(state)


def read_redacted(content: str) -> OpaqueState:
    """Return the state in a `redactedContent`, given as base64."""
    try:
        foreign = unwrap_state(base64.b64decode(content, validate=True).decode("ascii"))
    except (binascii.Error, ValueError):
        foreign = None  # the vendor's own bytes
    return foreign or OpaqueState(origin=OWN, data=content)


def write_redacted(state: OpaqueState) -> str:
    """Return the `redactedContent`, in base64, for a client."""
    if state.origin is OWN:
        return state.data
    return base64.b64encode(wrap_state(state).encode()).decode()
