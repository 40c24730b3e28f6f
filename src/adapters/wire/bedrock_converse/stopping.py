"""Why a model stopped, in Bedrock's words and in everybody's.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from typing import cast

from adapters.wire.reading import JsonObject
from domain.inference.request import InferenceRequest
from domain.inference.response import FinishReason

STOP_SEQUENCE_PATH = "/stop_sequence"
"""Where Claude's own answer says which sequence it was, for `additionalModelResponseFieldPaths`."""

_REASONS = {
    "end_turn": FinishReason.STOP,
    "tool_use": FinishReason.TOOL_CALLS,
    "max_tokens": FinishReason.LENGTH,
    "stop_sequence": FinishReason.STOP_SEQUENCE,
    "guardrail_intervened": FinishReason.CONTENT_FILTER,
    "content_filtered": FinishReason.CONTENT_FILTER,
    "malformed_model_output": FinishReason.ERROR,
    "malformed_tool_use": FinishReason.MALFORMED_TOOL_CALL,
    "model_context_window_exceeded": FinishReason.CONTEXT_WINDOW,
    # Not in the list, and known from Claude's own answers.
    "refusal": FinishReason.REFUSAL,
    "pause_turn": FinishReason.PAUSE,
}
_WORDS = {
    FinishReason.STOP: "end_turn",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.STOP_SEQUENCE: "stop_sequence",
    FinishReason.CONTENT_FILTER: "content_filtered",
    FinishReason.REFUSAL: "content_filtered",
    FinishReason.PAUSE: "end_turn",
    FinishReason.CONTEXT_WINDOW: "model_context_window_exceeded",
    FinishReason.MALFORMED_TOOL_CALL: "malformed_tool_use",
    FinishReason.ERROR: "malformed_model_output",
}
_ASKED = "additionalModelResponseFieldPaths"


def reason_of(word: str) -> FinishReason:
    """Return the reason; a word that is not known is a plain end."""
    return _REASONS.get(word, FinishReason.STOP)


def word_for(reason: FinishReason, *, calls: bool) -> str:
    """Return the `stopReason`; `calls` says that the answer calls tools, which clients go by."""
    if calls and reason is FinishReason.STOP:
        return "tool_use"
    return _WORDS[reason]


def asked_for(request: InferenceRequest, stop_sequence: str | None) -> JsonObject | None:
    """Return `additionalModelResponseFields`, if the caller asked which sequence it was."""
    paths = request.extensions.get(_ASKED)
    if not isinstance(paths, list) or STOP_SEQUENCE_PATH not in paths:
        return None
    return {"stop_sequence": stop_sequence}


def stop_sequence_in(fields: object) -> str | None:
    """Return the sequence that `additionalModelResponseFields` tell."""
    members = cast("JsonObject", fields) if isinstance(fields, dict) else {}
    found = members.get("stop_sequence")
    return found if isinstance(found, str) else None
