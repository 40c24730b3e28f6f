"""Stop reasons, both ways: https://docs.claude.com/en/api/handling-stop-reasons."""

from domain.errors import UpstreamUnavailable
from domain.inference.response import FinishReason

_READ = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP_SEQUENCE,
    "max_tokens": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "pause_turn": FinishReason.PAUSE,
    "compaction": FinishReason.PAUSE,
    "refusal": FinishReason.REFUSAL,
    "model_context_window_exceeded": FinishReason.CONTEXT_WINDOW,
}
_WRITTEN = {
    FinishReason.STOP: "end_turn",
    FinishReason.STOP_SEQUENCE: "stop_sequence",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.PAUSE: "pause_turn",
    FinishReason.CONTENT_FILTER: "refusal",
    FinishReason.REFUSAL: "refusal",
    FinishReason.CONTEXT_WINDOW: "model_context_window_exceeded",
}


def read_stop_reason(reason: str | None, *, called: bool) -> FinishReason:
    """Return why the model stopped; a reason nobody knows yet is an end like any other.

    `called` says whether the answer has calls of tools: servers that speak this format do not
    always give a reason.
    """
    ended = FinishReason.TOOL_CALLS if called else FinishReason.STOP
    return _READ.get(reason or "", ended)


def write_stop_reason(finish: FinishReason, *, called: bool) -> str:
    """Return `stop_reason`. A client runs tools only if it is `tool_use`, whatever a provider says.

    Raises:
        UpstreamUnavailable: the answer is broken, for which the dialect has no stop reason.
    """
    if called and finish in {FinishReason.STOP, FinishReason.MALFORMED_TOOL_CALL}:
        finish = FinishReason.TOOL_CALLS
    written = _WRITTEN.get(finish)
    if written is None:
        raise UpstreamUnavailable(error_class="server_error")
    return written
