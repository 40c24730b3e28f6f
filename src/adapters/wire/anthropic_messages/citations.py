"""Citations: Anthropic's own kept whole, others written in the nearest of its shapes.

https://docs.claude.com/en/docs/build-with-claude/citations
"""

from adapters.wire.reading import JsonObject
from domain.inference.conversation import Citation
from domain.inference.dialect import WireFormat

_WEB = "web_search_result_location"


def read_citation(raw: JsonObject) -> Citation:
    """Return a citation of a text block; Anthropic's support the whole of the block's text."""
    title = _text(raw, "title") or _text(raw, "document_title")
    cited = _text(raw, "cited_text")
    if raw.get("type") == _WEB and raw.get("encrypted_index") == "":
        # One that `write_citation` made for a client: it means nothing to Anthropic.
        return Citation(url=_text(raw, "url"), title=title, cited_text=cited)
    return Citation(
        url=_text(raw, "url") or _text(raw, "source"),
        title=title,
        cited_text=cited,
        origin=WireFormat.ANTHROPIC_MESSAGES,
        raw=raw,
    )


def write_citation(citation: Citation) -> JsonObject:
    """Return a citation for a client; one of another vendor's as a result of a web search."""
    if is_own(citation):
        return citation.raw
    return {
        "type": _WEB,
        "url": citation.url,
        "title": citation.title or None,
        "cited_text": citation.cited_text,
        "encrypted_index": "",
    }


def is_own(citation: Citation) -> bool:
    """Tell whether Anthropic made it and so takes it back."""
    return citation.origin is WireFormat.ANTHROPIC_MESSAGES


def _text(raw: JsonObject, name: str) -> str:
    value = raw.get(name)
    return value if isinstance(value, str) else ""
