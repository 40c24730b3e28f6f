"""A model's answer, independent of the API it came by."""

from enum import StrEnum

from msgspec import Struct

from domain.accounting.usage import TokenUsage
from domain.inference.conversation import Part


class FinishReason(StrEnum):
    """Why the model stopped."""

    STOP = "stop"
    STOP_SEQUENCE = "stop_sequence"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    PAUSE = "pause"
    """The provider interrupted a long turn of its own tools; send the answer back to go on."""
    CONTEXT_WINDOW = "context_window"
    MALFORMED_TOOL_CALL = "malformed_tool_call"
    ERROR = "error"


class Candidate(Struct, frozen=True, kw_only=True):
    """One answer.

    Attributes:
        stop_sequence: which of the caller's sequences ended it, when the provider says so.
        logprobs: OpenAI's `logprobs` object (its `content` and `refusal` lists), if asked for.
    """

    parts: tuple[Part, ...]
    finish: FinishReason
    stop_sequence: str | None = None
    logprobs: dict[str, object] | None = None


class InferenceResponse(Struct, frozen=True, kw_only=True):
    """A whole answer.

    Attributes:
        id: the provider's id of the answer; empty when it gave none.
        model: the model as the provider names it; empty when it gave none.
        created_s: Unix seconds, 0 when the provider did not say.
        usage: None when the provider reported none.
        service_tier: as served, if told.
    """

    id: str
    model: str
    candidates: tuple[Candidate, ...]
    usage: TokenUsage | None
    created_s: int = 0
    service_tier: str | None = None
