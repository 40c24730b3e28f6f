"""A canonical request as a Messages request.

What came in Anthropic's own dialect goes out as it was written. What came in another one is fitted
to the rules of the model (`models`): where two of its wishes exclude one another, a tool that must
be called comes before thinking, and thinking before sampling; the loser is named in the warnings.
"""

from collections.abc import Sequence

import msgspec

from adapters.wire.anthropic_messages.encode_content import BlockWriter, cache_control
from adapters.wire.anthropic_messages.encode_messages import (
    Turn,
    conversation_of,
    opens_with_thought,
)
from adapters.wire.anthropic_messages.encode_thinking import (
    Thinking,
    room_for,
    thinking_for,
    verbatim_thinking,
)
from adapters.wire.anthropic_messages.encode_tools import Tools, tools_of
from adapters.wire.anthropic_messages.fields import fates_for
from adapters.wire.anthropic_messages.models import ModelRules, rules_for
from adapters.wire.anthropic_messages.structured import SchemaFitter
from adapters.wire.codec import Encoded, WireTarget
from adapters.wire.fidelity import dropped_fields
from adapters.wire.reading import JsonObject
from domain.inference.dialect import Dialect, WireFormat
from domain.inference.hosted_tools import without_foreign_tools
from domain.inference.request import InferenceRequest, ResponseFormat

_ENCODER = msgspec.json.Encoder()
_TIERS = {"auto": "auto", "priority": "auto", "default": "standard_only"}
_DEFAULTS = {"temperature": (None, 1), "top_p": (None, 1), "top_k": (None,)}
_LONGEST_USER = 256
_JSON_ONLY = "Answer with one JSON object and nothing else: no text around it, no code fence."


def encode_request(request: InferenceRequest, target: WireTarget) -> Encoded:
    """Return the request.

    Raises:
        UnsupportedField: something that must not be dropped has no place here.
    """
    dropped = list(dropped_fields(request, WireFormat.ANTHROPIC_MESSAGES, fates_for(request)))
    request = without_foreign_tools(request, WireFormat.ANTHROPIC_MESSAGES)
    verbatim = request.source is Dialect.ANTHROPIC_MESSAGES
    rules = rules_for(target.model)
    talk = conversation_of(
        request.messages,
        BlockWriter(request.messages, dropped, verbatim=verbatim),
        verbatim=verbatim,
        system_turns=rules.system_turns,
    )
    tools = tools_of(request, rules, dropped, verbatim=verbatim)
    cap = target.output_bound if target.output_bound is not None else request.max_output_tokens
    thinking = _thinking(request, rules, tools, talk.turns, cap, verbatim=verbatim)
    dropped += thinking.dropped
    shape = _shape(request.response_format, talk.system, rules, dropped, verbatim=verbatim)

    body: JsonObject = {
        "model": target.model,
        "max_tokens": cap if cap is not None else room_for(thinking, rules.output_tokens),
    }
    if talk.system:
        body["system"] = talk.system
    body["messages"] = talk.messages
    if tools.tools:
        body["tools"] = tools.tools
    if tools.choice is not None:
        body["tool_choice"] = tools.choice
    if tools.servers:
        body["mcp_servers"] = tools.servers
    if thinking.thinking is not None:
        body["thinking"] = thinking.thinking
    config: JsonObject = {}
    if thinking.effort is not None:
        config["effort"] = thinking.effort
    if shape is not None:
        config["format"] = shape
    if config:
        body["output_config"] = config
    body |= _sampling(request, rules, dropped, thinks=thinking.active, verbatim=verbatim)
    body |= _rest(request, dropped, verbatim=verbatim)
    if verbatim:
        _merge(body, request.extensions)
    return Encoded(body=_ENCODER.encode(body), dropped=tuple(dict.fromkeys(dropped)))


def _thinking(
    request: InferenceRequest,
    rules: ModelRules,
    tools: Tools,
    turns: Sequence[Turn],
    cap: int | None,
    *,
    verbatim: bool,
) -> Thinking:
    if verbatim:
        return verbatim_thinking(request.reasoning) if request.reasoning else Thinking()
    # Where thoughts cannot be forbidden, they need not be: such a model says itself what it takes.
    excluded = tools.forced and rules.thoughtless == "disabled"
    possible = not excluded and (rules.thinks_adaptively or opens_with_thought(turns))
    return thinking_for(request, rules, cap=cap, possible=possible)


def _shape(
    wanted: ResponseFormat | None,
    system: list[JsonObject],
    rules: ModelRules,
    dropped: list[str],
    *,
    verbatim: bool,
) -> JsonObject | None:
    """Return `output_config.format`; JSON of any shape is asked for in words, added to `system`.

    So is JSON of a schema where the model cannot be held to it.
    """
    if wanted is None or wanted.kind == "text":
        return None
    schema = wanted.schema
    if schema is None or (not verbatim and not rules.structured):
        dropped.append(f"response_format.{wanted.kind}")
        text = _JSON_ONLY
        if schema is not None:
            text += f" It must match this JSON schema:\n{_ENCODER.encode(schema).decode()}"
        system.append({"type": "text", "text": text})
        return None
    if verbatim:
        return {"type": "json_schema", "schema": schema}
    if wanted.description is not None:
        schema = {"description": wanted.description, **schema}
    fitter = SchemaFitter()
    fitted = fitter.fit(schema)
    if fitter.loosened:
        dropped.append("response_format.json_schema")
    return {"type": "json_schema", "schema": fitted}


def _sampling(
    request: InferenceRequest,
    rules: ModelRules,
    dropped: list[str],
    *,
    thinks: bool,
    verbatim: bool,
) -> JsonObject:
    """Return temperature and the like.

    Anthropic's temperatures end at 1. A model that thinks takes none of the three but for a `top_p`
    from 0.95 on (https://docs.claude.com/en/docs/build-with-claude/extended-thinking).
    """
    sampling = request.sampling
    wanted: dict[str, float | int | None] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
    }
    taken: JsonObject = {name: value for name, value in wanted.items() if value is not None}
    if verbatim:
        return taken
    temperature = sampling.temperature
    if temperature is not None and temperature > 1:
        taken["temperature"] = 1.0
        dropped.append("sampling.temperature")
    refused = set[str]()
    if not rules.samples:
        refused = set(wanted)
    elif thinks:
        refused = set(wanted) if (sampling.top_p or 0) < 0.95 else {"temperature", "top_k"}
    elif rules.samples_one_way and temperature is not None:
        refused = {"top_p"}
    # The default of the two that have one is no loss.
    lost = [name for name in sorted(refused) if taken.pop(name, None) not in _DEFAULTS[name]]
    dropped += (f"sampling.{name}" for name in lost)
    return taken


def _rest(request: InferenceRequest, dropped: list[str], *, verbatim: bool) -> JsonObject:
    written: JsonObject = {}
    stop = [text for text in request.stop if verbatim or text.strip()]
    if stop:
        written["stop_sequences"] = stop
    if len(stop) < len(request.stop):
        dropped.append("stop")  # Anthropic refuses sequences of nothing but white space
    if request.stream:
        written["stream"] = True
    user = request.end_user
    if user is not None:
        if verbatim or len(user) <= _LONGEST_USER:
            written["metadata"] = {"user_id": user}
        else:
            dropped.append("end_user")
    tier = request.service_tier
    if tier is not None:
        known = _TIERS.get(tier, tier if verbatim else None)
        if known is None:
            dropped.append("service_tier")
        else:
            written["service_tier"] = known
    if request.cache is not None:
        written["cache_control"] = cache_control(request.cache)
    return written


def _merge(body: JsonObject, extensions: JsonObject) -> None:
    """Put members back that have no canonical place; parts of a member join the rest of it."""
    for name, value in extensions.items():
        present = body.get(name)
        if isinstance(present, dict) and isinstance(value, dict):
            body[name] = present | value
        else:
            body[name] = value
