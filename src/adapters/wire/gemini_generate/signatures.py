"""`thoughtSignature`: Gemini's own state, and the way other providers' state takes past its clients.

Its clients give a signature back with the part it came with, and are free to leave thoughts away
(https://ai.google.dev/gemini-api/docs/thought-signatures). So what another provider needs to have
back, thinking and all, travels in the signature of the part that follows it. The field is `bytes`
in protobuf: clients may decode and encode it again, so what goes in is base64 of our own text.
"""

import base64
import binascii

from adapters.wire.opaque_state import Carried, carry_in_id, split_id, unwrap_state
from domain.inference.conversation import OpaqueState, ThinkingPart
from domain.inference.dialect import WireFormat

DUMMY = "skip_thought_signature_validator"
"""Documented for calls that Gemini did not make; Gemini 3 refuses a current call without any.

https://ai.google.dev/gemini-api/docs/thought-signatures#faqs, and for Vertex AI
https://cloud.google.com/vertex-ai/generative-ai/docs/thought-signatures
"""

_PROBE = Carried(state=OpaqueState(origin=WireFormat.GEMINI_GENERATE, data=""))
OURS = base64.b64encode(carry_in_id("", _PROBE)[:6].encode()).decode()
"""What every signature of our making begins with, in either alphabet of base64."""


def write_signature(thinking: tuple[ThinkingPart, ...], state: OpaqueState | None) -> str | None:
    """Return the signature of a part for a client, or None when it needs none.

    `thinking` came before the part and has state of its own; `state` is the part's. Gemini's own
    state stays as it is, unless it is not base64, which clients would not read.
    """
    if not thinking:
        if state is None:
            return None
        if state.origin is WireFormat.GEMINI_GENERATE and _is_base64(state.data):
            return state.data
    return base64.b64encode(carry_in_id("", Carried(thinking, state)).encode()).decode()


def read_signature(text: str) -> Carried:
    """Return the thinking that travelled in a signature, if any, and the state of its part."""
    wrapped = unwrap_state(text)
    if wrapped is not None:
        return Carried(state=wrapped)
    if text.startswith(OURS):
        rest, carried = split_id(_decoded(text))
        if not rest:
            return carried
    return Carried(state=OpaqueState(origin=WireFormat.GEMINI_GENERATE, data=text))


def _is_base64(text: str) -> bool:
    """Tell whether the text is what one gets by encoding what it decodes to, in either alphabet."""
    standard = text.replace("-", "+").replace("_", "/")
    try:
        return base64.b64encode(base64.b64decode(standard)).decode() == standard
    except (ValueError, binascii.Error):
        return False


def _decoded(text: str) -> str:
    padded = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(padded + "=" * (-len(padded) % 4)).decode("ascii")
    except (ValueError, binascii.Error):
        return text
