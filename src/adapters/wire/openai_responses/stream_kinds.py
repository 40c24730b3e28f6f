"""The kinds of stream events that are understood.

https://platform.openai.com/docs/api-reference/responses-streaming. All others are passed over:
new ones appear every few months.
"""

STARTS = frozenset({"response.created", "response.in_progress", "response.queued"})
ENDS = frozenset({"response.completed", "response.incomplete"})
FAILED = "response.failed"
ERROR = "error"
ANNOTATION = "response.output_text.annotation.added"

ITEM = "response.output_item"
PART = "response.content_part"
OUTPUT_TEXT = "response.output_text"
REFUSAL = "response.refusal"
SUMMARY = "response.reasoning_summary_text"
REASONING = "response.reasoning_text"
INPUTS = frozenset({"response.function_call_arguments", "response.custom_tool_call_input"})

_WHOLE = STARTS | ENDS | {"", FAILED, ERROR, ANNOTATION}
_STEMS = INPUTS | {ITEM, PART, OUTPUT_TEXT, REFUSAL, SUMMARY, REASONING}


def is_known(kind: str) -> bool:
    """Tell whether an event of this kind must be readable."""
    return kind in _WHOLE or kind.rpartition(".")[0] in _STEMS
