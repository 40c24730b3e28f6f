"""Thought signatures on calls of tools, as Gemini's OpenAI-compatible endpoint gives them.

They stand in `extra_content.google.thought_signature` of a call and are to be given back there:
https://ai.google.dev/gemini-api/docs/thought-signatures#openai
"""

from typing import cast

from domain.inference.conversation import OpaqueState
from domain.inference.dialect import WireFormat


def read_signature(extra_content: object) -> OpaqueState | None:
    """Return the signature in a call's `extra_content`, if there is one."""
    google = _member(extra_content, "google")
    signature = _member(google, "thought_signature")
    if not isinstance(signature, str) or not signature:
        return None
    return OpaqueState(origin=WireFormat.GEMINI_GENERATE, data=signature)


def write_signature(state: OpaqueState | None) -> dict[str, object]:
    """Return the members of a call that give Gemini's signature back; none for other state."""
    if state is None or state.origin is not WireFormat.GEMINI_GENERATE:
        return {}
    return {"extra_content": {"google": {"thought_signature": state.data}}}


def _member(value: object, name: str) -> object:
    return cast("dict[str, object]", value).get(name) if isinstance(value, dict) else None
