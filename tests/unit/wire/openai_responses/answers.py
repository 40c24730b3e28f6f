"""Answers to be written for Responses clients."""

from typing import Any

from domain.inference.conversation import (
    OpaqueState,
    Part,
)
from domain.inference.dialect import WireFormat
from domain.inference.events import (
    Finished,
    Started,
    StreamEvent,
)
from domain.inference.response import Candidate, FinishReason, InferenceResponse

TEXT_STATE = OpaqueState(origin=WireFormat.GEMINI_GENERATE, data="c2lnbmVk")


def reply(*parts: Part, finish: FinishReason = FinishReason.STOP, **more: Any) -> InferenceResponse:
    members: dict[str, Any] = {"id": "m1", "model": "claude", "usage": None}
    return InferenceResponse(
        candidates=(Candidate(parts=parts, finish=finish),), **(members | more)
    )


def stream(*events: StreamEvent, finish: FinishReason = FinishReason.STOP) -> list[StreamEvent]:
    return [Started(id="m1", model="claude"), *events, Finished(reason=finish)]
