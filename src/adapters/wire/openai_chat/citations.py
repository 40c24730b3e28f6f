"""Sources of a text as annotations of a message, whose places count from the start of its text."""

from msgspec import UNSET, UnsetType

from adapters.wire.schemas.openai_chat_replies import Annotation, AnnotationOut, UrlCitationOut
from domain.inference.conversation import Citation


def read_annotation(annotation: Annotation, before: int) -> Citation | None:
    """Return a source; `before` is the length of text before the part it belongs to."""
    found = annotation.url_citation
    if found is None:
        return None
    return Citation(
        url=found.url,
        title=found.title or "",
        start=None if found.start_index is None else max(0, found.start_index - before),
        end=None if found.end_index is None else max(0, found.end_index - before),
    )


def write_annotation(
    citation: Citation, before: int, length: int, index: int | UnsetType = UNSET
) -> AnnotationOut | None:
    """Return a source as annotation; None for one without a URL, as there is no other kind.

    A source of unknown place stands for its whole part, which is `length` long. `index` is its
    number in the annotations of a streamed answer.
    """
    if not citation.url:
        return None
    start = 0 if citation.start is None else citation.start
    end = length if citation.end is None else citation.end
    return AnnotationOut(
        UrlCitationOut(
            url=citation.url,
            title=citation.title,
            start_index=before + start,
            end_index=before + end,
        ),
        index=index,
    )
