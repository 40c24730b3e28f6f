"""A canonical request as a Converse request. Model and stream go into the URL.

What came in Bedrock's own dialect goes out as it was written. What came in another one is fitted to
the rules of the model: where two of its wishes exclude one another, a tool that must be called comes
before thinking, and thinking before sampling; the loser is named in the warnings.
"""

import re
from collections.abc import Sequence
from typing import cast

import msgspec
from msgspec import structs

from adapters.wire.anthropic_messages.encode_thinking import (
    Thinking,
    thinking_for,
    verbatim_thinking,
)
from adapters.wire.anthropic_messages.structured import SchemaFitter
from adapters.wire.bedrock_converse import additional
from adapters.wire.bedrock_converse.additional import write_effort, write_top_k
from adapters.wire.bedrock_converse.block_writer import BlockWriter
from adapters.wire.bedrock_converse.carried import OWN
from adapters.wire.bedrock_converse.encode_content import cache_point
from adapters.wire.bedrock_converse.encode_messages import (
    Conversation,
    conversation_of,
    opens_with_thought,
)
from adapters.wire.bedrock_converse.encode_tools import Tools, tools_of
from adapters.wire.bedrock_converse.fields import fates_for
from adapters.wire.bedrock_converse.models import BedrockModel, model_for
from adapters.wire.bedrock_converse.tools import GUARDRAIL
from adapters.wire.codec import Encoded, WireTarget
from adapters.wire.fidelity import dropped_fields
from adapters.wire.reading import JsonObject
from domain.inference.conversation import Message, Part, ThinkingPart
from domain.inference.dialect import Dialect, WireFormat
from domain.inference.request import InferenceRequest, Reasoning, ResponseFormat, VendorTool

_ENCODER = msgspec.json.Encoder()
_TIERS = frozenset({"priority", "default", "flex", "reserved"})
_STOP_SEQUENCE = "/stop_sequence"
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
_TAG_NAME = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{1,256}")
_TAG = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}")
_MOST_TAGS = 16
_DEFAULTS = {"temperature": (None, 1), "topP": (None, 1)}
_CANONICAL = {"temperature": "sampling.temperature", "topP": "sampling.top_p"}
_JSON_ONLY = "Answer with one JSON object and nothing else: no text around it, no code fence."


def encode_request(request: InferenceRequest, target: WireTarget) -> Encoded:
    """Return the request.

    Raises:
        UnsupportedField: something that must not be dropped has no place here.
    """
    model = model_for(target.model)
    request = _with_claudes_signatures(request) if model.is_claude else request
    dropped = list(dropped_fields(request, WireFormat.BEDROCK_CONVERSE, fates_for(request)))
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
    shape = _shape(request.response_format, talk.system, model, dropped, verbatim=verbatim)
    _mark_end(request, talk, model, dropped)

    body: JsonObject = {"messages": talk.messages}
    if talk.system:
        body["system"] = talk.system
    inference = _inference(request, model, dropped, thinks=thinking.active, verbatim=verbatim)
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
    body |= _rest(request, dropped, verbatim=verbatim)
    if request.stop and model.is_claude and not verbatim:
        body["additionalModelResponseFieldPaths"] = [_STOP_SEQUENCE]
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
    return thinking_for(request.reasoning, rules, cap=cap, possible=possible)


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


def _inference(
    request: InferenceRequest,
    model: BedrockModel,
    dropped: list[str],
    *,
    thinks: bool,
    verbatim: bool,
) -> JsonObject:
    """Return temperature and the like.

    Temperatures end at 1 here. A Claude that thinks takes none but for a `topP` from 0.95 on
    (https://docs.claude.com/en/docs/build-with-claude/extended-thinking).
    """
    sampling = request.sampling
    wanted: dict[str, float | None] = {"temperature": sampling.temperature, "topP": sampling.top_p}
    taken: JsonObject = {name: value for name, value in wanted.items() if value is not None}
    stop = [text for text in request.stop if verbatim or text.strip()]
    if len(stop) < len(request.stop):
        dropped.append("stop")  # refused: sequences of nothing but white space
    ending: JsonObject = {"stopSequences": stop} if stop else {}
    if verbatim:
        return taken | ending
    if sampling.temperature is not None and sampling.temperature > 1:
        taken["temperature"] = 1.0
        dropped.append("sampling.temperature")
    refused = set[str]()
    if model.is_claude and not model.claude.samples:
        refused = set(wanted)
    elif model.is_claude and thinks:
        refused = set(wanted) if (sampling.top_p or 0) < 0.95 else {"temperature"}
    elif model.is_claude and model.claude.samples_one_way and sampling.temperature is not None:
        refused = {"topP"}
    # The default is no loss.
    lost = [name for name in sorted(refused) if taken.pop(name, None) not in _DEFAULTS[name]]
    dropped += (_CANONICAL[name] for name in lost)
    return taken | ending


def _shape(
    wanted: ResponseFormat | None,
    system: list[JsonObject],
    model: BedrockModel,
    dropped: list[str],
    *,
    verbatim: bool,
) -> JsonObject | None:
    """Return `outputConfig.textFormat`; JSON of any shape is asked for in words, in `system`.

    So is JSON of a schema where the model cannot be held to it.
    """
    if wanted is None or wanted.kind == "text":
        return None
    schema = wanted.schema
    if schema is None or (not verbatim and not model.structured):
        dropped.append(f"response_format.{wanted.kind}")
        text = _JSON_ONLY
        if schema is not None:
            text += f" It must match this JSON schema:\n{_ENCODER.encode(schema).decode()}"
        system.append({"text": text})
        return None
    if model.is_claude and not verbatim:
        fitter = SchemaFitter()
        schema = fitter.fit(schema)
        if fitter.loosened:
            dropped.append("response_format.json_schema")
    definition: JsonObject = {"schema": _ENCODER.encode(schema).decode()}
    if wanted.name:
        definition["name"] = wanted.name
    if wanted.description is not None:
        definition["description"] = wanted.description
    return {"type": "json_schema", "structure": {"jsonSchema": definition}}


def _mark_end(
    request: InferenceRequest, talk: Conversation, model: BedrockModel, dropped: list[str]
) -> None:
    """Put a cache point behind everything, where the caller wants caching without saying where."""
    if request.cache is None:
        return
    if not model.caches or not talk.turns:
        dropped.append("cache.automatic")
    elif "cachePoint" not in talk.turns[-1].blocks[-1]:
        talk.turns[-1].blocks.append(cache_point(request.cache))


def _rest(request: InferenceRequest, dropped: list[str], *, verbatim: bool) -> JsonObject:
    written: JsonObject = {}
    tags = request.metadata
    if not verbatim:
        fitting = {
            name: tag
            for name, tag in tags.items()
            if _TAG_NAME.fullmatch(name) and _TAG.fullmatch(tag)
        }
        tags = dict(list(fitting.items())[:_MOST_TAGS])
        if len(tags) < len(request.metadata):
            dropped.append("metadata")
    if tags:
        written["requestMetadata"] = tags
    tier = request.service_tier
    if tier is not None and (verbatim or tier in _TIERS):
        written["serviceTier"] = {"type": tier}
    elif tier not in (None, "auto"):
        dropped.append("service_tier")
    for tool in request.tools:
        if isinstance(tool, VendorTool) and tool.kind == GUARDRAIL:
            written[GUARDRAIL] = tool.raw
    return written


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
