"""What a sequence of canonical events adds up to, with every rule of the sequence checked."""

from collections.abc import Iterable
from typing import cast

from domain.accounting.usage import TokenUsage
from domain.inference.conversation import (
    AudioPart,
    Citation,
    Media,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
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


def collected(events: Iterable[StreamEvent]) -> InferenceResponse:
    """Return the whole answer that `events` add up to.

    Raises:
        AssertionError: the sequence breaks a rule of `domain.inference.events`.
    """
    started: Started | None = None
    usage: TokenUsage | None = None
    tier: str | None = None
    candidates: dict[int, _Candidate] = {}
    for event in events:
        match event:
            case Started():
                assert started is None, "started twice"
                started, usage = event, event.usage
            case UsageKnown():
                assert started is not None, "usage before the start"
                usage, tier = event.usage, event.service_tier or tier
            case _:
                assert started is not None, "content before the start"
                candidates.setdefault(event.candidate, _Candidate()).take(event)
    assert started is not None, "never started"
    return InferenceResponse(
        id=started.id,
        model=started.model,
        created_s=started.created_s,
        usage=usage,
        service_tier=tier,
        candidates=tuple(candidates[number].whole() for number in sorted(candidates)),
    )


class _Block:
    def __init__(self, start: BlockStarted) -> None:
        self.start = start
        self.text = ""
        self.transcript = ""
        self.citations: list[Citation] = []
        self.state = start.state
        self.ended = False

    def part(self) -> Part:
        start, text, state = self.start, self.text, self.state
        if start.vendor is not None:
            return start.vendor
        if start.image is not None:
            return start.image
        parts: dict[str, Part] = {
            "text": TextPart(text=text, citations=tuple(self.citations), state=state),
            "thinking": ThinkingPart(text=text, state=state),
            "redacted_thinking": ThinkingPart(state=state, redacted=True),
            "tool_call": ToolCallPart(
                id=start.id, name=start.name, arguments=text, custom=start.custom, state=state
            ),
            "refusal": RefusalPart(text=text),
            "audio": AudioPart(source=Media(data=text), id=start.id, transcript=self.transcript),
        }
        return parts[start.kind]


class _Candidate:
    def __init__(self) -> None:
        self.blocks: list[_Block] = []
        self.logprobs: dict[str, object] | None = None
        self.finished: Finished | None = None

    def take(
        self,
        event: BlockStarted | BlockDelta | CitationAdded | BlockEnded | LogprobsAdded | Finished,
    ) -> None:
        assert self.finished is None, "the candidate goes on after its end"
        match event:
            case BlockStarted():
                self.start(event)
            case LogprobsAdded():
                self.add_logprobs(event.logprobs)
            case Finished():
                assert all(block.ended for block in self.blocks), "finished with an open block"
                self.finished = event
            case _:
                block = self.blocks[event.index]
                assert not block.ended, "the block goes on after its end"
                self.add(event, block)

    def start(self, event: BlockStarted) -> None:
        assert event.index == len(self.blocks), "numbers of blocks have gaps"
        kinds = {block.start.kind for block in self.blocks if not block.ended}
        assert not kinds or kinds | {event.kind} == {"tool_call"}, "blocks overlap"
        self.blocks.append(_Block(event))

    def add(self, event: BlockDelta | CitationAdded | BlockEnded, block: _Block) -> None:
        match event:
            case BlockDelta():
                block.text += event.text
                block.transcript += event.transcript
            case CitationAdded():
                block.citations.append(event.citation)
            case BlockEnded():
                block.ended = True
                block.state = event.state or block.state

    def add_logprobs(self, logprobs: dict[str, object]) -> None:
        merged = self.logprobs = self.logprobs or {}
        for name, tokens in logprobs.items():
            assert isinstance(tokens, list)
            merged[name] = [*cast("list[object]", merged.get(name, [])), *tokens]

    def whole(self) -> Candidate:
        assert self.finished is not None, "a candidate without its end"
        return Candidate(
            parts=tuple(block.part() for block in self.blocks),
            finish=self.finished.reason,
            stop_sequence=self.finished.stop_sequence,
            logprobs=self.logprobs,
        )
