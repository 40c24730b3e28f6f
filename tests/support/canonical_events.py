"""Hypothesis strategies for streamed answers: valid sequences of canonical events."""

from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from domain.inference.conversation import (
    AudioPart,
    ImagePart,
    OpaqueState,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    VendorPart,
)
from domain.inference.events import (
    BlockDelta,
    BlockEnded,
    BlockStarted,
    CitationAdded,
    Finished,
    LogprobsAdded,
    Started,
    StreamEvent,
    UsageKnown,
)
from domain.inference.response import Candidate, InferenceResponse
from tests.support.canonical import replies
from tests.support.reach import Reach

_T = TypeVar("_T")


@st.composite
def event_sequences(
    draw: DrawFn, reach: Reach, *, interleaved: bool = True, whole: bool = False
) -> list[StreamEvent]:
    """Return the events of an answer within `reach`, its texts cut into deltas anywhere.

    Candidates mix; `interleaved` lets parallel calls of one candidate mix as well. `whole` gives
    every text as one delta. Usage may come with the start, at the end, or never; every block that
    has text has at least one delta, every call too.
    """
    return draw(events_of(draw(replies(reach)), interleaved=interleaved, whole=whole))


@st.composite
def events_of(
    draw: DrawFn, reply: InferenceResponse, *, interleaved: bool = True, whole: bool = False
) -> list[StreamEvent]:
    """Return a sequence of events that adds up to `reply`."""
    lanes = [
        draw(_candidate(candidate, number, interleaved=interleaved, whole=whole))
        for number, candidate in enumerate(reply.candidates)
    ]
    events: list[StreamEvent] = [Started(id=reply.id, model=reply.model, created_s=reply.created_s)]
    events += draw(_mixed(lanes))
    if reply.usage is not None:
        events.append(UsageKnown(usage=reply.usage, service_tier=reply.service_tier))
    return events


@st.composite
def _mixed(draw: DrawFn, lanes: list[list[_T]]) -> list[_T]:
    """Return what is in all lanes, each in its order."""
    left = [list(lane) for lane in lanes if lane]
    mixed: list[_T] = []
    while left:
        lane = draw(st.sampled_from(left)) if len(left) > 1 else left[0]
        mixed.append(lane.pop(0))
        left = [each for each in left if each]
    return mixed


@st.composite
def _candidate(
    draw: DrawFn, candidate: Candidate, number: int, *, interleaved: bool, whole: bool
) -> list[StreamEvent]:
    events: list[StreamEvent] = []
    calls: list[list[StreamEvent]] = []
    for index, part in enumerate(candidate.parts):
        block = draw(_block(part, index, number, whole=whole))
        if interleaved and isinstance(part, ToolCallPart):
            calls.append(block)
            continue
        events += _in_turn(draw, calls) + block
        calls = []
    events += _in_turn(draw, calls)
    if candidate.logprobs is not None:
        events.append(LogprobsAdded(logprobs=candidate.logprobs, candidate=number))
    events.append(
        Finished(reason=candidate.finish, candidate=number, stop_sequence=candidate.stop_sequence)
    )
    return events


def _in_turn(draw: DrawFn, calls: list[list[StreamEvent]]) -> list[StreamEvent]:
    """Return calls mixed, but started in the order of their numbers."""
    ordered: list[StreamEvent] = []
    started = 0
    turns = [[number] * (len(block) - 1) for number, block in enumerate(calls)]
    for number in draw(_mixed(turns)):
        while started <= number:
            ordered.append(calls[started].pop(0))
            started += 1
        ordered.append(calls[number].pop(0))
    return ordered


@st.composite
def _block(
    draw: DrawFn, part: Part, index: int, candidate: int, *, whole: bool
) -> list[StreamEvent]:
    start: dict[str, Any] = {"index": index, "candidate": candidate}
    text = ""
    inner: list[StreamEvent] = []
    end: OpaqueState | None = None
    match part:
        case TextPart():
            start["kind"], text, end = "text", part.text, part.state
            inner = [
                CitationAdded(index=index, citation=citation, candidate=candidate)
                for citation in part.citations
            ]
        case ThinkingPart(redacted=True):
            start |= {"kind": "redacted_thinking", "state": part.state}
        case ThinkingPart():
            start["kind"], text, end = "thinking", part.text, part.state
        case ToolCallPart():
            start |= {"kind": "tool_call", "id": part.id, "name": part.name}
            start |= {"custom": part.custom, "state": part.state}
            text = part.arguments
        case RefusalPart():
            start["kind"], text = "refusal", part.text
        case AudioPart():
            start |= {"kind": "audio", "id": part.id}
            text = part.source.data or ""
        case VendorPart():
            start |= {"kind": "vendor", "vendor": part}
        case ImagePart():
            start |= {"kind": "image", "image": part}
        case _:
            raise AssertionError(f"no stream has a {type(part).__name__}")
    deltas: list[StreamEvent] = [
        BlockDelta(index=index, text=piece, candidate=candidate)
        for piece in draw(pieces(text, whole=whole))
    ]
    if isinstance(part, AudioPart) and part.transcript:
        said = BlockDelta(index=index, text="", candidate=candidate, transcript=part.transcript)
        deltas.append(said)
    ended = BlockEnded(index=index, candidate=candidate, state=end)
    return [BlockStarted(**start), *deltas, *inner, ended]


@st.composite
def pieces(draw: DrawFn, text: str, *, whole: bool = False) -> list[str]:
    """Return `text` cut anywhere into pieces that are not empty."""
    if whole or len(text) < 2:
        return [text] if text else []
    cuts = sorted(draw(st.sets(st.integers(1, len(text) - 1), max_size=4)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
