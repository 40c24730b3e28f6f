"""Counting tokens without the provider, with a vocabulary that is on this machine.

No provider but OpenAI tells its vocabulary; today's are alike enough for an estimate, which is what
the result is called wherever it is shown.
"""

from collections.abc import Callable, Iterator
from functools import cache

import msgspec

from domain.accounting.estimate import TOKENS_PER_IMAGE
from domain.inference.conversation import (
    AudioPart,
    DocumentPart,
    ImagePart,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    VendorPart,
    VideoPart,
)
from domain.inference.request import FunctionTool, InferenceRequest

_TOKENS_PER_MESSAGE = 4
_TOKENS_PER_TOOL = 12
# A page of a PDF takes about 2,000 tokens and 60 KB; sound about 30 a second.
_BASE64_BYTES_PER_TOKEN = 40
# The vocabulary refuses a million characters, and 200,000 tokens; a character takes four at most.
_LONGEST_PIECE = 32_768
_encoder = msgspec.json.Encoder()


@cache
def _tokens_of() -> Callable[[str], list[int]]:
    """Return the encoder of o200k_base, the vocabulary of OpenAI's models since 2024."""
    # Importing it reads every vocabulary it has: a second and 100 MB, for those who need it only.
    from bpe_openai import get_encoding  # noqa: PLC0415

    return get_encoding("o200k_base").encode_ordinary


def count_text(text: str) -> int:
    """Return how many tokens a text has; of a long one, within one a piece."""
    tokens_of = _tokens_of()
    if len(text) <= _LONGEST_PIECE:
        return len(tokens_of(text))
    starts = range(0, len(text), _LONGEST_PIECE)
    return sum(len(tokens_of(text[start : start + _LONGEST_PIECE])) for start in starts)


def count_input(request: InferenceRequest) -> int:
    """Return about how many input tokens a request has, images and tools included."""
    tokens = sum(_TOKENS_PER_MESSAGE for _ in request.messages)
    for message in request.messages:
        tokens += sum(_count_part(part) for part in message.parts)
    for tool in request.tools:
        tokens += _TOKENS_PER_TOOL
        if isinstance(tool, FunctionTool):
            tokens += count_text(f"{tool.name} {tool.description or ''}")
            tokens += count_text(_encoder.encode(tool.parameters or {}).decode())
        else:
            tokens += count_text(_encoder.encode(tool).decode())
    return tokens


def _count_part(part: Part) -> int:
    match part:
        case ImagePart():
            return TOKENS_PER_IMAGE
        case DocumentPart() | AudioPart() | VideoPart():
            return -(-len(part.source.data or "") // _BASE64_BYTES_PER_TOKEN)
        case ToolResultPart():
            return _TOKENS_PER_MESSAGE + sum(_count_part(inner) for inner in part.content)
        case _:
            return sum(count_text(text) for text in _texts(part))


def _texts(part: Part) -> Iterator[str]:
    match part:
        case TextPart() | ThinkingPart() | RefusalPart():
            yield part.text
        case ToolCallPart():
            yield part.name
            yield part.arguments
        case VendorPart():
            yield _encoder.encode(part.raw).decode()
        case _:
            pass
