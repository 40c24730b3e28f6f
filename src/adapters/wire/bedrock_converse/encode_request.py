"""A canonical request as a Converse request. Model and stream go into the URL.

What came in Bedrock's own dialect goes out as it was written. What came in another one is fitted to
the rules of the model: where two of its wishes exclude one another, a tool that must be called comes
before thinking, and thinking before sampling; the loser is named in the warnings.
"""

from collections.abc import Sequence
from typing import cast

import msgspec
from msgspec import structs

from adapters.wire.anthropic_messages.encode_thinking import (
    Thinking,
    thinking_for,
    verbatim_thinking,
)
from adapters.wire.bedrock_converse import additional
from adapters.wire.bedrock_converse.additional import write_effort, write_top_k
from adapters.wire.bedrock_converse.block_writer import BlockWriter
from adapters.wire.bedrock_converse.carried import OWN
from adapters.wire.bedrock_converse.encode_messages import conversation_of, opens_with_thought
from adapters.wire.bedrock_converse.encode_parameters import (
    inference_of,
    mark_end,
    rest_of,
    shape_of,
)
from adapters.wire.bedrock_converse.encode_tools import Tools, tools_of
from adapters.wire.bedrock_converse.fields import fates_for
from adapters.wire.bedrock_converse.models import BedrockModel, model_for
from adapters.wire.bedrock_converse.stopping import STOP_SEQUENCE_PATH
from adapters.wire.codec import Encoded, WireTarget
from adapters.wire.fidelity import dropped_fields
from adapters.wire.reading import JsonObject
from adapters.wire.turns import Conversation
from domain.inference.conversation import Message, Part, ThinkingPart
from domain.inference.dialect import Dialect, WireFormat
from domain.inference.hosted_tools import without_foreign_tools
from domain.inference.request import InferenceRequest, Reasoning

_ENCODER = msgspec.json.Encoder()


def encode_request(request: InferenceRequest, target: WireTarget) -> Encoded:
    """Return the request.

    Raises:
        UnsupportedField: something that must not be dropped has no place here.
    """
    model = model_for(target.model)
    request = _with_claudes_signatures(request) if model.is_claude else request
    dropped = list(dropped_fields(request, WireFormat.BEDROCK_CONVERSE, fates_for(request)))
    request = without_foreign_tools(request, WireFormat.BEDROCK_CONVERSE)
    verbatim = request.source is Dialect.BEDROCK_CONVERSE
    talk = conversation_of(
        request.messages,
        BlockWriter(model, dropped, verbatim=verbatim),
        verbatim=verbatim,
        system_turns=model.claude.system_turns,
    )
    tools = tools_of(request, model, talk, dropped, verbatim=verbatim)
    cap = target.output_bound if target.output_bound is not None else request.max_output_tokens
    thinking = _thinking(request, model, tools, talk, cap, verbatim=verbatim)
    dropped += thinking.dropped
    extra = _extra(request, model, tools, thinking, dropped, verbatim=verbatim)
    shape = shape_of(request.response_format, talk.system, model, dropped, verbatim=verbatim)
    mark_end(request, talk, model, dropped)

    body: JsonObject = {"messages": talk.messages}
    if talk.system:
        body["system"] = talk.system
    inference = inference_of(request, model, dropped, thinks=thinking.active, verbatim=verbatim)
    if cap is not None:
        inference = {"maxTokens": cap, **inference}
    config: JsonObject = {}
    if shape is not None:
        config["textFormat"] = shape
    if thinking.effort is not None:
        config["effort"] = thinking.effort
    members: dict[str, object] = {
        "inferenceConfig": inference,
        "toolConfig": tools.config,
        additional.NAME: extra,
        "outputConfig": config,
    }
    body |= {name: value for name, value in members.items() if value}
    body |= rest_of(request, dropped, verbatim=verbatim)
    if request.stop and model.is_claude and not verbatim:
        body["additionalModelResponseFieldPaths"] = [STOP_SEQUENCE_PATH]
    if verbatim:
        _merge(body, request.extensions)
    return Encoded(body=_ENCODER.encode(body), dropped=tuple(dict.fromkeys(dropped)))


def _with_claudes_signatures(request: InferenceRequest) -> InferenceRequest:
    """Return the request with the thoughts of Anthropic's own API as if they were Bedrock's.

    Signatures of Claude mean the same on every platform
    (https://docs.claude.com/en/docs/build-with-claude/extended-thinking).
    """

    def adopted(part: Part) -> Part:
        state = part.state if isinstance(part, ThinkingPart) and not part.redacted else None
        if state is None or state.origin is not WireFormat.ANTHROPIC_MESSAGES:
            return part
        return structs.replace(part, state=structs.replace(state, origin=OWN))

    messages: Sequence[Message] = [
        structs.replace(message, parts=tuple(adopted(part) for part in message.parts))
        for message in request.messages
    ]
    return structs.replace(request, messages=tuple(messages))


def _thinking(
    request: InferenceRequest,
    model: BedrockModel,
    tools: Tools,
    talk: Conversation,
    cap: int | None,
    *,
    verbatim: bool,
) -> Thinking:
    if verbatim:
        return verbatim_thinking(request.reasoning) if request.reasoning else Thinking()
    if not model.is_claude:
        return Thinking()
    rules = model.claude
    # Where thoughts cannot be forbidden, they need not be: such a model says itself what it takes.
    excluded = tools.forced and rules.thoughtless == "disabled"
    possible = not excluded and (rules.thinks_adaptively or opens_with_thought(talk.turns))
    if request.reasoning is None and rules.version < (3, 7):
        return Thinking()
    return thinking_for(request, rules, cap=cap, possible=possible)


def _extra(
    request: InferenceRequest,
    model: BedrockModel,
    tools: Tools,
    thinking: Thinking,
    dropped: list[str],
    *,
    verbatim: bool,
) -> JsonObject:
    """Return `additionalModelRequestFields`."""
    extra: JsonObject = {}
    if thinking.thinking is not None:
        extra["thinking"] = thinking.thinking
    if tools.claude_choice is not None:
        extra["tool_choice"] = tools.claude_choice
    wish = request.reasoning
    if wish is not None and not model.is_claude and not verbatim:
        effort = write_effort(wish, model)
        if effort is None:
            dropped += _named(wish)
        else:
            extra |= effort
            if wish.budget_tokens:
                dropped.append("reasoning.budget_tokens")
    top_k = request.sampling.top_k
    if top_k is not None:
        written = {"top_k": top_k} if verbatim else write_top_k(top_k, model)
        if written is None or (not verbatim and (thinking.active or not model.claude.samples)):
            dropped.append("sampling.top_k")
        else:
            extra |= written
    return extra


def _named(wish: Reasoning) -> list[str]:
    names = ("enabled", "effort", "budget_tokens", "show", "summary")
    named = [f"reasoning.{name}" for name in names if getattr(wish, name) is not None]
    return [*named, "reasoning.adaptive"] if wish.adaptive else named


def _merge(body: JsonObject, extensions: JsonObject) -> None:
    """Put members back that have no canonical place; parts of a member join the rest of it."""
    for name, value in extensions.items():
        present = body.get(name)
        if isinstance(present, dict) and isinstance(value, dict):
            body[name] = cast("JsonObject", present) | cast("JsonObject", value)
        else:
            body[name] = value
