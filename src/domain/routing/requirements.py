"""Which abilities a request uses, read from the request itself."""

from collections.abc import Iterator

from domain.inference.conversation import (
    AudioPart,
    DocumentPart,
    ImagePart,
    Part,
    ToolCallPart,
    ToolResultPart,
)
from domain.inference.request import InferenceRequest, Reasoning
from domain.routing.capabilities import Capability
from domain.routing.catalog import Catalog, Model


def features_of(request: InferenceRequest) -> frozenset[Capability]:
    """Return the abilities that a canonical request uses."""
    return frozenset(_features(request))


def depends_on_features(catalog: Catalog, model: Model) -> bool:
    """Tell whether anything was declared that could keep a request from a route of `model`.

    While nothing was, the body need not be read for the sake of routing.
    """
    return model.capabilities.restricts or any(
        route.capabilities.restricts for route in catalog.routes_of(model)
    )


def _features(request: InferenceRequest) -> Iterator[Capability]:
    for message in request.messages:
        for part in message.parts:
            yield from _of_part(part)
    if request.tools:
        yield Capability.TOOLS
    shape = request.response_format
    # `json_object` is older and more widely served than schemas, but not by everybody either.
    if shape is not None and shape.kind != "text":
        yield Capability.STRUCTURED_OUTPUT
    if request.reasoning is not None and _thinks(request.reasoning):
        yield Capability.REASONING
    if request.audio is not None or "audio" in request.modalities:
        yield Capability.AUDIO
    if request.stream:
        yield Capability.STREAMING


def _of_part(part: Part) -> Iterator[Capability]:
    match part:
        case ImagePart():
            yield Capability.IMAGES
        case DocumentPart():
            yield Capability.DOCUMENTS
        case AudioPart():
            yield Capability.AUDIO
        case ToolCallPart():
            yield Capability.TOOLS
        case ToolResultPart():
            yield Capability.TOOLS
            for inner in part.content:
                yield from _of_part(inner)
        case _:
            pass


def _thinks(reasoning: Reasoning) -> bool:
    """Tell whether thinking is asked for; forbidding it needs no ability."""
    if reasoning.enabled is not None:
        return reasoning.enabled
    if reasoning.effort is not None:
        return reasoning.effort.value != "none"
    return reasoning.adaptive or bool(reasoning.budget_tokens)
