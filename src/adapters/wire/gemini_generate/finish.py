"""Why a candidate ended, in Gemini's words and in canonical ones.

https://ai.google.dev/api/generate-content#FinishReason
"""

from collections.abc import Mapping

from domain.inference.response import FinishReason

_READ: Mapping[str, FinishReason] = {
    "STOP": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    "SAFETY": FinishReason.CONTENT_FILTER,
    "RECITATION": FinishReason.CONTENT_FILTER,
    "BLOCKLIST": FinishReason.CONTENT_FILTER,
    "PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
    "SPII": FinishReason.CONTENT_FILTER,
    "MODEL_ARMOR": FinishReason.CONTENT_FILTER,
    "IMAGE_SAFETY": FinishReason.CONTENT_FILTER,
    "IMAGE_PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
    "IMAGE_RECITATION": FinishReason.CONTENT_FILTER,
    "MALFORMED_FUNCTION_CALL": FinishReason.MALFORMED_TOOL_CALL,
    "UNEXPECTED_TOOL_CALL": FinishReason.MALFORMED_TOOL_CALL,
    "TOO_MANY_TOOL_CALLS": FinishReason.MALFORMED_TOOL_CALL,
    "CONTINUATION": FinishReason.PAUSE,
}
_WRITTEN: Mapping[FinishReason, str] = {
    FinishReason.STOP: "STOP",
    FinishReason.STOP_SEQUENCE: "STOP",
    FinishReason.TOOL_CALLS: "STOP",
    FinishReason.LENGTH: "MAX_TOKENS",
    FinishReason.CONTEXT_WINDOW: "MAX_TOKENS",
    FinishReason.CONTENT_FILTER: "SAFETY",
    FinishReason.REFUSAL: "SAFETY",
    FinishReason.PAUSE: "OTHER",
    FinishReason.MALFORMED_TOOL_CALL: "MALFORMED_FUNCTION_CALL",
    FinishReason.ERROR: "OTHER",
}


def read_finish(word: str, *, with_calls: bool) -> FinishReason:
    """Return the canonical reason; a word that is not known, `OTHER` among them, is an error.

    Gemini has no word of its own for an answer that calls functions.
    """
    reason = _READ.get(word, FinishReason.ERROR)
    return FinishReason.TOOL_CALLS if with_calls and reason is FinishReason.STOP else reason


def write_finish(reason: FinishReason) -> str:
    """Return Gemini's word."""
    return _WRITTEN[reason]
