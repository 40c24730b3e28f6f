"""`groundingMetadata` and `citationMetadata` as citations of a text, and back.

https://ai.google.dev/gemini-api/docs/google-search. Places in a text are counted in bytes of UTF-8
there and in characters here. Which part of an answer a place belongs to is told by the text that
stands there: the index of the part is lost when answers are streamed.
"""

from collections.abc import Sequence

from msgspec import Struct, structs

from adapters.wire.gemini_generate.reading import SpelledMembers
from adapters.wire.reading import JsonObject
from domain.inference.conversation import Citation
from domain.inference.dialect import WireFormat

_SOURCES = ("web", "retrievedContext", "maps", "image")


class FoundCitation(Struct, frozen=True):
    """A citation and the bytes of the text that it supports.

    Attributes:
        text: what stands at the place; empty when not told.
    """

    citation: Citation
    start: int = 0
    end: int | None = None
    text: str = ""

    def placed(self, text: str) -> Citation | None:
        """Return the citation of `text`; None if it is of another text."""
        if self.end is None:
            return self.citation
        encoded = text.encode()
        segment = encoded[self.start : self.end]
        if self.end > len(encoded) or (self.text and segment != self.text.encode()):
            return None
        start = _characters(encoded[: self.start])
        return structs.replace(self.citation, start=start, end=start + _characters(segment))


def read_citations(candidate: SpelledMembers) -> tuple[FoundCitation, ...]:
    """Take the citations of a candidate.

    Raises:
        InvalidRequest: a member is of the wrong type.
    """
    found: list[FoundCitation] = []
    grounding = candidate.members("groundingMetadata")
    if grounding is not None:
        found += _read_grounding(grounding)
    metadata = candidate.members("citationMetadata")
    if metadata is not None:
        for name in ("citationSources", "citations"):  # the Gemini API's and Vertex AI's name
            for source in metadata.objects(name):
                start, end = source.integer("startIndex") or 0, source.integer("endIndex")
                found.append(FoundCitation(_citation(source, ""), start, end))
    return tuple(found)


def write_grounding(cited: Sequence[tuple[str, Sequence[Citation], int | None]]) -> JsonObject:
    """Return `groundingMetadata` for texts, each with its citations and the index of its part.

    Without an index the texts are taken as one, in their order.
    """
    chunks: list[JsonObject] = []
    supports: list[JsonObject] = []
    before = 0
    for text, citations, part in cited:
        for citation in citations:
            source = {"uri": citation.url, "title": citation.title}
            chunk: JsonObject = {"web": {name: value for name, value in source.items() if value}}
            if chunk not in chunks:
                chunks.append(chunk)
            if citation.start is None or citation.end is None:
                continue
            start = len(text[: citation.start].encode())
            segment: JsonObject = {
                "startIndex": before + start,
                "endIndex": before + len(text[: citation.end].encode()),
                "text": text[citation.start : citation.end],
            }
            if part:
                segment["partIndex"] = part
            supports.append({"segment": segment, "groundingChunkIndices": [chunks.index(chunk)]})
        before += len(text.encode()) if part is None else 0
    grounding: JsonObject = {"groundingChunks": chunks}
    return {**grounding, "groundingSupports": supports} if supports else grounding


def _read_grounding(grounding: SpelledMembers) -> list[FoundCitation]:
    sources = [_read_source(chunk) for chunk in grounding.objects("groundingChunks")]
    found: list[FoundCitation] = []
    supported: set[int] = set()
    for support in grounding.objects("groundingSupports"):
        segment = support.members("segment")
        start = end = None
        text = ""
        if segment is not None:
            start, end = segment.integer("startIndex"), segment.integer("endIndex")
            text = segment.text("text") or ""
        for index in support.list("groundingChunkIndices") or []:
            if isinstance(index, int) and 0 <= index < len(sources):
                supported.add(index)
                found.append(FoundCitation(sources[index], start or 0, end, text))
    found += [
        FoundCitation(source) for index, source in enumerate(sources) if index not in supported
    ]
    return found


def _read_source(chunk: SpelledMembers) -> Citation:
    for kind in _SOURCES:
        source = chunk.members(kind)
        if source is not None:
            return _citation(source, source.text("text") or "")
    return _citation(chunk, "")


def _citation(source: SpelledMembers, quoted: str) -> Citation:
    return Citation(
        url=source.text("uri") or "",
        title=source.text("title") or "",
        cited_text=quoted,
        origin=WireFormat.GEMINI_GENERATE,
        raw=source.rest(),
    )


def _characters(encoded: bytes) -> int:
    return len(encoded.decode(errors="ignore"))
