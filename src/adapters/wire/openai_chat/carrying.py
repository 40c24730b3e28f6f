"""What rides on the ids of tool calls towards a client: this dialect has no other place for state.

Signed thoughts before a call, and the signature of the call itself, come back with the id of the
call and are taken out again by `decode_messages`.
"""

from adapters.wire.opaque_state import Carried, carry_in_id
from domain.inference.conversation import OpaqueState, ThinkingPart


class Luggage:
    """Thoughts that wait for the next call."""

    def __init__(self) -> None:
        """Nothing waits."""
        self._thoughts: list[ThinkingPart] = []

    def add(self, part: ThinkingPart) -> None:
        """Keep a thought, if its provider wants it back."""
        if part.state is not None:
            self._thoughts.append(part)

    def ticket(self, call_id: str, state: OpaqueState | None) -> str:
        """Return the id for the client, which holds all that waits and the call's own state."""
        carried = Carried(thinking=tuple(self._thoughts), state=state)
        self._thoughts = []
        return carry_in_id(call_id, carried)
