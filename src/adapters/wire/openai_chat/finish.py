"""Why a model stopped, as Chat Completions says it."""

from domain.errors import UpstreamUnavailable
from domain.inference.response import FinishReason

_REASONS = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
    "max_tokens": FinishReason.LENGTH,
    "model_length": FinishReason.CONTEXT_WINDOW,  # Mistral
    "model_context_window_exceeded": FinishReason.CONTEXT_WINDOW,  # Zhipu
    "sensitive": FinishReason.CONTENT_FILTER,  # Zhipu
    "stop_sequence": FinishReason.STOP_SEQUENCE,  # TGI
}
# A server's way of saying that the answer is not complete through a fault of its own.
_FAULTS = frozenset({"error", "abort", "network_error", "insufficient_system_resource"})

_WORDS = {
    FinishReason.STOP: "stop",
    FinishReason.STOP_SEQUENCE: "stop",
    FinishReason.TOOL_CALLS: "tool_calls",
    FinishReason.CONTENT_FILTER: "content_filter",
    FinishReason.LENGTH: "length",
    # The answer is not complete, and this is the only word that says so.
    FinishReason.PAUSE: "length",
    FinishReason.CONTEXT_WINDOW: "length",
    FinishReason.MALFORMED_TOOL_CALL: "length",
}


def read_finish(
    word: str | None, stop_reason: str | int | None, *, called: bool, refused: bool
) -> tuple[FinishReason, str | None]:
    """Return the reason and the stop sequence that a choice ends with.

    `called` and `refused` say what it holds: a call that was forced by name ends with `stop`, and
    so does a refusal. An unknown word is a stop like any other.

    Raises:
        UpstreamUnavailable: the word means a fault of the server.
    """
    if word in _FAULTS:
        raise UpstreamUnavailable(error_class="server_error")
    reason = _REASONS.get(word or "stop", FinishReason.STOP)
    if reason in (FinishReason.STOP, FinishReason.STOP_SEQUENCE, FinishReason.TOOL_CALLS):
        if called:
            return FinishReason.TOOL_CALLS, None
        if refused:
            return FinishReason.REFUSAL, None
        if isinstance(stop_reason, str) and stop_reason:
            return FinishReason.STOP_SEQUENCE, stop_reason
    return reason, None


def write_finish(reason: FinishReason, *, called: bool, refused: bool, legacy: bool) -> str:
    """Return the word for a reason; `legacy` for the caller's that know `function_call` only.

    Raises:
        UpstreamUnavailable: the provider failed; that is no way to end an answer.
    """
    if reason is FinishReason.ERROR:
        raise UpstreamUnavailable(error_class="server_error")
    if reason is FinishReason.REFUSAL:
        # With words it is an answer that refuses; without any, the provider withheld it.
        return "stop" if refused else "content_filter"
    if called and reason in (FinishReason.STOP, FinishReason.STOP_SEQUENCE):
        reason = FinishReason.TOOL_CALLS
    if legacy and reason is FinishReason.TOOL_CALLS:
        return "function_call"
    return _WORDS[reason]
