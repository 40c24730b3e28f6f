"""Citations: Bedrock's own kept whole, others written in the nearest of its shapes.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Citation.html
"""

from typing import cast

from adapters.wire.bedrock_converse.carried import OWN
from adapters.wire.reading import JsonObject
from domain.inference.conversation import Citation


def read_citation(raw: JsonObject) -> Citation:
    """Return a citation of generated text; Bedrock's support the whole of a block's text."""
    web = _object(_object(raw.get("location")).get("web"))
    url = _text(web, "url") or _text(raw, "source")
    cited = "".join(_text(_object(each), "text") for each in _list(raw.get("sourceContent")))
    if web.get("domain") == "":
        # One that `write_citation` made for a client: it means nothing to Bedrock.
        return Citation(url=url, title=_text(raw, "title"), cited_text=cited)
    return Citation(url=url, title=_text(raw, "title"), cited_text=cited, origin=OWN, raw=raw)


def write_citation(citation: Citation) -> JsonObject:
    """Return a citation for a client; one of another vendor's as a place in the web."""
    if is_own(citation):
        return citation.raw
    written: JsonObject = {"location": {"web": {"url": citation.url, "domain": ""}}}
    if citation.title:
        written["title"] = citation.title
    if citation.cited_text:
        written["sourceContent"] = [{"text": citation.cited_text}]
    return written


def is_own(citation: Citation) -> bool:
    """Tell whether Bedrock made it and so takes it back."""
    return citation.origin is OWN


def _text(raw: JsonObject, name: str) -> str:
    value = raw.get(name)
    return value if isinstance(value, str) else ""


def _object(value: object) -> JsonObject:
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []
