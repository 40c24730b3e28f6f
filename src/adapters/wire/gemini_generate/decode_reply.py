"""Reading a whole answer."""

from collections.abc import Iterable

from msgspec import structs

from adapters.wire.gemini_generate.chunks import CandidateChunk, ChunkReader
from adapters.wire.gemini_generate.citations import FoundCitation
from adapters.wire.gemini_generate.finish import read_finish
from adapters.wire.upstream_errors import MessageScrubber
from domain.errors import UpstreamProtocolError
from domain.inference.conversation import Citation, Part, TextPart, ToolCallPart
from domain.inference.response import Candidate, FinishReason, InferenceResponse


def decode_reply(body: bytes, scrubber: MessageScrubber) -> InferenceResponse:
    """Return the answer; one that the prompt was blocked for has one candidate without content.

    Raises:
        UpstreamFailure: an error object instead of an answer.
        UpstreamProtocolError: not what the format says, or neither candidates nor a reason.
    """
    chunk = ChunkReader(scrubber).read(body)
    candidates = tuple(
        _candidate(found) for found in sorted(chunk.candidates, key=lambda found: found.index)
    )
    if not candidates:
        if not chunk.blocked:
            raise UpstreamProtocolError("the answer has no candidates")
        candidates = (Candidate(parts=(), finish=FinishReason.CONTENT_FILTER),)
    return InferenceResponse(
        id=chunk.id,
        model=chunk.model,
        candidates=candidates,
        usage=chunk.usage,
        created_s=chunk.created_s,
    )


def _candidate(found: CandidateChunk) -> Candidate:
    with_calls = any(isinstance(part, ToolCallPart) for part in found.parts)
    return Candidate(
        parts=_cited(found.parts, found.citations),
        finish=read_finish(found.finish or "STOP", with_calls=with_calls),
        logprobs=found.logprobs,
    )


def _cited(parts: tuple[Part, ...], found: Iterable[FoundCitation]) -> tuple[Part, ...]:
    """Return the parts with each citation at the text that it belongs to.

    That is the first one that has the cited text at its place, or else the last one.
    """
    texts = [index for index, part in enumerate(parts) if isinstance(part, TextPart)]
    if not texts:
        return parts
    cited: dict[int, list[Citation]] = {}
    for entry in found:
        at, citation = texts[-1], entry.citation
        for index in texts if entry.end is not None else ():
            part = parts[index]
            placed = entry.placed(part.text) if isinstance(part, TextPart) else None
            if placed is not None:
                at, citation = index, placed
                break
        cited.setdefault(at, []).append(citation)
    return tuple(
        structs.replace(part, citations=tuple(cited[index]))
        if index in cited and isinstance(part, TextPart)
        else part
        for index, part in enumerate(parts)
    )
