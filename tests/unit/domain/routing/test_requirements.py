"""What a request needs is read from the request."""

import pytest

from domain.inference.conversation import (
    AudioPart,
    DocumentPart,
    ImagePart,
    Media,
    Message,
    Part,
    Role,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)
from domain.inference.dialect import Dialect
from domain.inference.request import (
    Effort,
    FunctionTool,
    InferenceRequest,
    Reasoning,
    ResponseFormat,
)
from domain.routing.capabilities import Capabilities, Capability
from domain.routing.requirements import depends_on_features, features_of
from tests.support.routing import catalog, model, route

SOURCE = Media(data="QUJD")
BARE = InferenceRequest(source=Dialect.OPENAI_CHAT, model="m", messages=())


def saying(*parts: Part) -> InferenceRequest:
    return InferenceRequest(
        source=Dialect.OPENAI_CHAT, model="m", messages=(Message(role=Role.USER, parts=parts),)
    )


def thinking(reasoning: Reasoning) -> InferenceRequest:
    return InferenceRequest(source=Dialect.OPENAI_CHAT, model="m", messages=(), reasoning=reasoning)


def answering(shape: ResponseFormat) -> InferenceRequest:
    return InferenceRequest(
        source=Dialect.OPENAI_CHAT, model="m", messages=(), response_format=shape
    )


@pytest.mark.parametrize(
    ("request_", "needed"),
    [
        (BARE, set[Capability]()),
        (saying(TextPart(text="hi"), ThinkingPart(text="hm")), set[Capability]()),
        (saying(ImagePart(source=SOURCE)), {Capability.IMAGES}),
        (saying(DocumentPart(source=SOURCE)), {Capability.DOCUMENTS}),
        (saying(AudioPart(source=SOURCE)), {Capability.AUDIO}),
        (saying(ToolCallPart(id="c", name="f", arguments="{}")), {Capability.TOOLS}),
        (
            saying(ToolResultPart(call_id="c", content=(ImagePart(source=SOURCE),))),
            {Capability.TOOLS, Capability.IMAGES},
        ),
        (answering(ResponseFormat(kind="text")), set[Capability]()),
        (answering(ResponseFormat(kind="json_object")), {Capability.STRUCTURED_OUTPUT}),
        (answering(ResponseFormat(kind="json_schema")), {Capability.STRUCTURED_OUTPUT}),
        (thinking(Reasoning()), set[Capability]()),
        (thinking(Reasoning(enabled=False, budget_tokens=9)), set[Capability]()),
        (thinking(Reasoning(effort=Effort.NONE)), set[Capability]()),
        (thinking(Reasoning(effort=Effort.LOW)), {Capability.REASONING}),
        (thinking(Reasoning(enabled=True)), {Capability.REASONING}),
        (thinking(Reasoning(budget_tokens=1_024)), {Capability.REASONING}),
        (thinking(Reasoning(adaptive=True)), {Capability.REASONING}),
    ],
)
def test_parts_and_parameters_tell_what_is_needed(
    request_: InferenceRequest, needed: set[Capability]
) -> None:
    assert features_of(request_) == needed


def test_tools_streams_and_voices() -> None:
    request = InferenceRequest(
        source=Dialect.OPENAI_CHAT,
        model="m",
        messages=(),
        stream=True,
        tools=(FunctionTool(name="f"),),
        modalities=("text", "audio"),
    )
    assert features_of(request) == {Capability.STREAMING, Capability.TOOLS, Capability.AUDIO}


@pytest.mark.parametrize(
    ("declared", "matters"),
    [
        (Capabilities(), False),
        (Capabilities(can=frozenset({Capability.IMAGES})), False),
        (Capabilities(cannot=frozenset({Capability.IMAGES})), True),
        (Capabilities(context_window=1_000), True),
        (Capabilities(max_output_tokens=1_000), True),
    ],
)
def test_the_body_need_not_be_read_while_nothing_was_declared(
    declared: Capabilities, matters: bool
) -> None:
    by_route = model("m", route("r", capabilities=declared))
    by_model = model("m", route("r"), capabilities=declared)
    unused = model("m", route("r", capabilities=declared, enabled=False))
    assert depends_on_features(catalog(by_route), by_route) == matters
    assert depends_on_features(catalog(by_model), by_model) == matters
    assert not depends_on_features(catalog(unused), unused)
