"""The `response` object of answers that were made by a provider of another format.

https://platform.openai.com/docs/api-reference/responses/object. Beside the answer it repeats the
request. Nothing is stored by us, so `store` is false whatever was asked.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from adapters.wire.openai_responses.encode_request import format_of, instructions_of
from adapters.wire.openai_responses.naming import names_of
from adapters.wire.openai_responses.tools import write_choice, write_tools
from adapters.wire.openai_responses.usage import write_usage
from adapters.wire.reading import JsonObject
from application.ports.dialect import ReplyContext
from domain.accounting.usage import TokenUsage
from domain.inference.request import InferenceRequest
from domain.inference.response import FinishReason

Status = Literal["in_progress", "completed", "incomplete", "failed"]

_INCOMPLETE = {
    FinishReason.LENGTH: "max_output_tokens",
    FinishReason.CONTEXT_WINDOW: "max_output_tokens",
    FinishReason.CONTENT_FILTER: "content_filter",
}
_FAILED = {
    FinishReason.ERROR: "The model provider ended the answer with an error.",
    FinishReason.MALFORMED_TOOL_CALL: "The model made a tool call that cannot be read.",
}


class Ending(Struct, frozen=True):
    """How an answer ended: its status, and why it is incomplete or failed."""

    status: Status = "in_progress"
    incomplete: str | None = None
    error: str | None = None


def ending_of(finish: FinishReason, *, refused: bool) -> Ending:
    """Return how an answer ended. `refused` says that it holds the model's own refusal."""
    if finish in _FAILED:
        return Ending("failed", None, _FAILED[finish])
    reason = _INCOMPLETE.get(finish)
    if finish is FinishReason.REFUSAL and not refused:
        reason = "content_filter"  # stopped by the provider, which leaves no text of a refusal
    return Ending("incomplete", reason) if reason is not None else Ending("completed")


class ResponseObject:
    """Builds the object of one answer, at any time of its making."""

    def __init__(self, context: ReplyContext) -> None:
        """What it repeats of the request is worked out once."""
        self._context = context
        self._repeated = _repeated(context.request)

    def at(
        self,
        ending: Ending,
        *,
        identifier: str,
        created_s: int,
        output: Sequence[JsonObject] = (),
        usage: TokenUsage | None = None,
        service_tier: str | None = None,
    ) -> JsonObject:
        """Return the object; `identifier` begins with `resp_`."""
        return {
            "id": identifier,
            "object": "response",
            "created_at": created_s,
            "status": ending.status,
            "background": False,
            "error": None
            if ending.error is None
            else {"code": "server_error", "message": ending.error},
            "incomplete_details": None
            if ending.incomplete is None
            else {"reason": ending.incomplete},
            **self._repeated,
            "model": self._context.model,
            "output": list(output),
            "service_tier": service_tier or self._context.request.service_tier or "default",
            "usage": None if usage is None else write_usage(usage),
        }


def _repeated(request: InferenceRequest) -> JsonObject:
    reasoning = request.reasoning
    sampling = request.sampling
    text: JsonObject = {"format": {"type": "text"}}
    if request.response_format is not None:
        text["format"] = format_of(request.response_format)
    if request.verbosity is not None:
        text["verbosity"] = request.verbosity
    choice = request.tool_choice
    instructions, _ = instructions_of(request.messages)
    return {
        "instructions": instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": request.extensions.get("max_tool_calls"),
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": request.previous_response_id,
        "prompt_cache_key": request.cache_key,
        "reasoning": {
            "effort": reasoning.effort.value if reasoning and reasoning.effort else None,
            "summary": reasoning.summary if reasoning else None,
        },
        "safety_identifier": request.end_user,
        "store": False,
        "temperature": 1.0 if sampling.temperature is None else sampling.temperature,
        "text": text,
        "tool_choice": "auto" if choice is None else write_choice(choice, names_of(request)),
        "tools": write_tools(request.tools, loose=True),
        "top_logprobs": sampling.top_logprobs or 0,
        "top_p": 1.0 if sampling.top_p is None else sampling.top_p,
        "truncation": "disabled",
        "user": request.extensions.get("user"),
        "metadata": request.metadata,
    }
