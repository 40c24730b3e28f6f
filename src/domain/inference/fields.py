"""Which parts of a canonical request are in use, by name, so that none is dropped unseen.

Every encoder of a wire format declares what becomes of each of these fields (`Fate`). What a request
uses and its target cannot carry is refused or named in a warning by one function, whatever the
format; a field that an encoder forgot to declare is refused, not lost.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from msgspec import Struct

from domain.inference.conversation import (
    AudioPart,
    DocumentPart,
    ImagePart,
    Media,
    Message,
    Part,
    RefusalPart,
    Role,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    VendorPart,
    VideoPart,
)
from domain.inference.dialect import WireFormat
from domain.inference.hosted_tools import dispensable_tools
from domain.inference.request import (
    CustomTool,
    FunctionTool,
    InferenceRequest,
    Reasoning,
    Sampling,
    Tool,
    VendorTool,
)


class Fate(StrEnum):
    """What becomes of a field on its way to another format."""

    MAPPED = "mapped"
    PASSED = "passed"
    REFUSED = "refused"
    DROPPED = "dropped"


class Losses(Struct, frozen=True):
    """What a target cannot carry: canonical field names, in a fixed order."""

    refused: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


CANONICAL_FIELDS: tuple[str, ...] = (
    "system",
    "text",
    "text.citations",
    "image.data",
    "image.url",
    "image.file_id",
    "image.detail",
    "document.data",
    "document.url",
    "document.file_id",
    "document.name",
    "document.context",
    "document.cite",
    "audio.data",
    "audio.url",
    "audio.file_id",
    "audio.id",
    "video.data",
    "video.url",
    "video.file_id",
    "tool_call",
    "tool_call.custom",
    "tool_result",
    "tool_result.is_error",
    "tool_result.image",
    "tool_result.document",
    "tool_result.media",
    "tool_result.custom",
    "thinking.text",
    "thinking.state",
    "thinking.foreign_state",
    "refusal",
    "message.name",
    "cache",
    "tools.function",
    "tools.strict",
    "tools.custom",
    "tool_choice.auto",
    "tool_choice.none",
    "tool_choice.required",
    "tool_choice.named",
    "tool_choice.allowed",
    "parallel_tool_calls",
    "max_output_tokens",
    "sampling.temperature",
    "sampling.top_p",
    "sampling.top_k",
    "sampling.seed",
    "sampling.frequency_penalty",
    "sampling.presence_penalty",
    "sampling.logit_bias",
    "sampling.logprobs",
    "sampling.top_logprobs",
    "stop",
    "candidates",
    "response_format.text",
    "response_format.json_object",
    "response_format.json_schema",
    "reasoning.enabled",
    "reasoning.effort",
    "reasoning.budget_tokens",
    "reasoning.adaptive",
    "reasoning.show",
    "reasoning.summary",
    "verbosity",
    "end_user",
    "metadata",
    "service_tier",
    "cache.automatic",
    "cache_key",
    "modalities",
    "audio",
    "store",
    "previous_response_id",
)
"""Every field `fields_in_use` can name, but for `vendor.<format>.<kind>` and `extensions.<name>`."""


def losses(request: InferenceRequest, target: WireFormat, fates: Mapping[str, Fate]) -> Losses:
    """Return what `request` uses and `target` cannot carry.

    `fates` has an entry for every one of `CANONICAL_FIELDS`; `extensions.<name>` and
    `vendor.<format>.<kind>` may have entries of their own. An extension without one is dropped, and
    so is a tool of another vendor's that need not be called; a part of another vendor's is refused.
    """
    refused: list[str] = []
    dropped: list[str] = []
    dispensable = _dispensable(request, target)
    for field in fields_in_use(request, target):
        fate = fates.get(field)
        if fate is None:
            spared = field.startswith("extensions.") or field in dispensable
            fate = Fate.DROPPED if spared else Fate.REFUSED
        if fate is Fate.REFUSED:
            refused.append(field)
        elif fate is Fate.DROPPED:
            dropped.append(field)
    return Losses(tuple(refused), (*dropped, *request.unmapped))


def _dispensable(request: InferenceRequest, target: WireFormat) -> frozenset[str]:
    """Return the names of tools that may be left out and of which nothing stands in the messages."""
    names = {name for tool in dispensable_tools(request, target) for name in _of_tool(tool, target)}
    if names:
        names.difference_update(*(_of_message(each, target) for each in request.messages))
    return frozenset(names)


def fields_in_use(request: InferenceRequest, target: WireFormat) -> tuple[str, ...]:
    """Return the names of the fields that `request` sets, each once, in order of appearance.

    `target` tells own from foreign: state and blocks of the target's own making are always
    understood by it.
    """
    return tuple(dict.fromkeys(_fields(request, target)))


def _fields(request: InferenceRequest, target: WireFormat) -> Iterator[str]:
    for message in request.messages:
        yield from _of_message(message, target)
    for tool in request.tools:
        yield from _of_tool(tool, target)
    yield from _of_parameters(request)
    for name in request.extensions:
        yield f"extensions.{name}"


def _of_message(message: Message, target: WireFormat) -> Iterator[str]:
    if message.role is Role.SYSTEM:
        yield "system"
    if message.name:
        yield "message.name"
    for part in message.parts:
        yield from _of_part(part, target)


def _of_part(part: Part, target: WireFormat) -> Iterator[str]:
    match part:
        case ToolCallPart():
            yield "tool_call.custom" if part.custom else "tool_call"
        case ToolResultPart():
            yield from _of_result(part)
        case ThinkingPart():
            yield from _of_thinking(part, target)
        case RefusalPart():
            yield "refusal"
        case VendorPart():
            if part.origin is not target:
                yield f"vendor.{part.origin}.{part.kind}"
        case _:
            yield from _of_content(part)
    if getattr(part, "cache", None) is not None:
        yield "cache"


def _of_content(part: TextPart | ImagePart | DocumentPart | AudioPart | VideoPart) -> Iterator[str]:
    match part:
        case TextPart():
            yield "text"
            if part.citations:
                yield "text.citations"
        case ImagePart():
            yield from _of_media("image", part.source)
            if part.detail not in (None, "auto"):
                yield "image.detail"
        case DocumentPart():
            yield from _of_media("document", part.source)
            yield from (f"document.{name}" for name in _DOCUMENT_FIELDS if getattr(part, name))
        case AudioPart():
            yield from _of_media("audio", part.source)
            if part.id:
                yield "audio.id"
        case VideoPart():
            yield from _of_media("video", part.source)


def _of_media(kind: str, source: Media) -> Iterator[str]:
    for place in ("data", "url", "file_id"):
        if getattr(source, place) is not None:
            yield f"{kind}.{place}"


def _of_result(part: ToolResultPart) -> Iterator[str]:
    yield "tool_result.custom" if part.custom else "tool_result"
    if part.is_error:
        yield "tool_result.is_error"
    for inner in part.content:
        match inner:
            case TextPart():
                pass
            case ImagePart():
                yield "tool_result.image"
            case DocumentPart():
                yield "tool_result.document"
            case _:
                yield "tool_result.media"


def _of_thinking(part: ThinkingPart, target: WireFormat) -> Iterator[str]:
    if part.text:
        yield "thinking.text"
    if part.state is not None:
        yield "thinking.state" if part.state.origin is target else "thinking.foreign_state"


def _of_tool(tool: Tool, target: WireFormat) -> Iterator[str]:
    match tool:
        case FunctionTool():
            yield "tools.function"
            if tool.strict is not None:
                yield "tools.strict"
            if tool.cache is not None:
                yield "cache"
        case CustomTool():
            yield "tools.custom"
        case VendorTool():
            if tool.origin is not target:
                yield f"vendor.{tool.origin}.{tool.kind}"


def _of_parameters(request: InferenceRequest) -> Iterator[str]:
    if request.tool_choice is not None:
        yield f"tool_choice.{request.tool_choice.mode}"
        if request.tool_choice.allowed:
            yield "tool_choice.allowed"
    if request.response_format is not None:
        yield f"response_format.{request.response_format.kind}"
    yield from _of_sampling(request.sampling)
    if request.reasoning is not None:
        yield from _of_reasoning(request.reasoning)
    if request.candidates != 1:
        yield "candidates"
    if request.cache is not None:
        yield "cache.automatic"
    yield from (name for name in _VALUES if getattr(request, name) is not None)
    yield from (name for name in _COLLECTIONS if getattr(request, name))


def _of_sampling(sampling: Sampling) -> Iterator[str]:
    yield from (f"sampling.{n}" for n in _SAMPLING_VALUES if getattr(sampling, n) is not None)
    yield from (f"sampling.{n}" for n in _SAMPLING_EXTRAS if getattr(sampling, n))


def _of_reasoning(reasoning: Reasoning) -> Iterator[str]:
    yield from (f"reasoning.{n}" for n in _REASONING_VALUES if getattr(reasoning, n) is not None)
    if reasoning.adaptive:
        yield "reasoning.adaptive"


_DOCUMENT_FIELDS = ("name", "context", "cite")
_VALUES = (
    "parallel_tool_calls",
    "max_output_tokens",
    "verbosity",
    "end_user",
    "service_tier",
    "cache_key",
    "audio",
    "store",
    "previous_response_id",
)
_COLLECTIONS = ("stop", "metadata", "modalities")
_SAMPLING_VALUES = (
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "frequency_penalty",
    "presence_penalty",
)
_SAMPLING_EXTRAS = ("logit_bias", "logprobs", "top_logprobs")
_REASONING_VALUES = ("enabled", "effort", "budget_tokens", "show", "summary")
