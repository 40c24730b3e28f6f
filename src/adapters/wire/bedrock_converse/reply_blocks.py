"""Parts of an answer as blocks for a client."""

from collections.abc import Iterator

from adapters.wire.bedrock_converse.carried import (
    OWN,
    write_redacted,
    write_signature,
    write_signature_of_previous,
)
from adapters.wire.bedrock_converse.citations import write_citation
from adapters.wire.bedrock_converse.encode_content import (
    write_call,
    write_document,
    write_medium,
    write_result_text,
)
from adapters.wire.bedrock_converse.naming import UNNAMED
from adapters.wire.reading import JsonObject
from domain.errors import UnsupportedField
from domain.inference.conversation import (
    AudioPart,
    DocumentPart,
    ImagePart,
    OpaqueState,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    VendorPart,
    VideoPart,
)


def blocks_of(parts: tuple[Part, ...]) -> list[JsonObject]:
    """Return the blocks. State of a text or call stands behind it, in a block of its own."""
    return [block for part in parts for block in _blocks(part)]


def _blocks(part: Part) -> Iterator[JsonObject]:
    match part:
        case TextPart():
            yield from _text(part)
        case RefusalPart():
            yield {"text": part.text}
        case ToolCallPart():
            yield write_call(part, part.id)
            yield from _state(part)
        case ThinkingPart():
            if part.text or part.state is not None:
                yield thought(part)
        case ToolResultPart():
            yield _result(part)
        case VendorPart():
            # A block of another vendor's is nothing that a client of Bedrock can have asked for.
            yield from (part.raw,) if part.origin is OWN else ()
        case ImagePart() | AudioPart() | VideoPart() | DocumentPart():
            yield from _medium(part)


def _state(part: TextPart | ToolCallPart) -> Iterator[JsonObject]:
    if part.state is not None:
        yield state_of_previous(part.state)


def _text(part: TextPart) -> Iterator[JsonObject]:
    if part.citations:
        citations = [write_citation(citation) for citation in part.citations]
        yield {"citationsContent": {"content": [{"text": part.text}], "citations": citations}}
    elif part.text:
        yield {"text": part.text}
    yield from _state(part)


def thought(part: ThinkingPart) -> JsonObject:
    """Return the block of a thought."""
    state = part.state
    if state is not None and part.redacted:
        return {"reasoningContent": {"redactedContent": write_redacted(state)}}
    text: JsonObject = {"text": part.text, "signature": write_signature(state)}
    return {"reasoningContent": {"reasoningText": text}}


def state_of_previous(state: OpaqueState) -> JsonObject:
    """Return the block that carries the state of the text or call before it."""
    text = {"text": "", "signature": write_signature_of_previous(state)}
    return {"reasoningContent": {"reasoningText": text}}


def _result(part: ToolResultPart) -> JsonObject:
    structured = write_result_text(part)
    content = [structured] if structured is not None else blocks_of(part.content)
    return {"toolResult": {"toolUseId": part.call_id, "content": content}}


def _medium(part: ImagePart | AudioPart | VideoPart | DocumentPart) -> Iterator[JsonObject]:
    """Yield a generated medium; what it says, if Bedrock has no format for the rest."""
    if isinstance(part, AudioPart) and part.transcript:
        yield {"text": part.transcript}
    try:
        if isinstance(part, DocumentPart):
            yield write_document(part, part.name or UNNAMED)
        else:
            yield write_medium(part)
    except UnsupportedField:
        return
