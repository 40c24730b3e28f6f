"""Opaque state in Anthropic's blocks: its own as it is, other vendors' wrapped.

`signature` of a thinking block and `data` of a redacted one hold Anthropic's own state, or another
vendor's in the wrapping of `opaque_state`. State that another vendor put on a text or a call has no
field here: a redacted block right after that part carries it, marked so that it is put back there.
"""

from msgspec import structs

from adapters.wire.opaque_state import NO_STATE, unwrap_state, wrap_state
from domain.inference.conversation import OpaqueState
from domain.inference.dialect import WireFormat

_OF_PREVIOUS = "previous:"


def read_state(text: str) -> OpaqueState | None:
    """Return the state in a `signature` or `data`; None when there is none in it."""
    if not text:
        return None
    state = unwrap_state(text) or OpaqueState(origin=WireFormat.ANTHROPIC_MESSAGES, data=text)
    return state if state.data or state.id else None


def write_state(state: OpaqueState | None) -> str:
    """Return the `signature` or `data` for a client; empty when there is no state."""
    if state is None:
        return ""
    return state.data if state.origin is WireFormat.ANTHROPIC_MESSAGES else wrap_state(state)


def write_signature(state: OpaqueState | None) -> str:
    """Return the `signature` of a thought for a client; never empty."""
    return write_state(state or NO_STATE)


def write_state_of_previous(state: OpaqueState) -> str:
    """Return the `data` of a redacted block that carries the state of the part before it."""
    return wrap_state(structs.replace(state, id=_OF_PREVIOUS + state.id))


def state_of_previous(state: OpaqueState | None) -> OpaqueState | None:
    """Return the state that belongs to the part before, or None for what is a part's own."""
    if state is None or not state.id.startswith(_OF_PREVIOUS):
        return None
    return structs.replace(state, id=state.id.removeprefix(_OF_PREVIOUS))
