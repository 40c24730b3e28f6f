"""A canonical request in this format, for providers.

https://platform.openai.com/docs/api-reference/responses/create. Defaults that differ between APIs
are said: what another API does not store is not stored here, and its functions are not strict
unless they say so.
"""

import re
from typing import cast

import msgspec
from msgspec import structs

from adapters.wire.codec import Encoded, WireTarget
from adapters.wire.fidelity import dropped_fields
from adapters.wire.openai_responses.content import plain_text
from adapters.wire.openai_responses.decode_request import ENCRYPTED_REASONING, LOGPROBS
from adapters.wire.openai_responses.encode_items import ItemWriter
from adapters.wire.openai_responses.fields import OPENAI_DIALECTS, fates_for
from adapters.wire.openai_responses.naming import fitting_identifier, names_of
from adapters.wire.openai_responses.tools import write_choice, write_tools
from adapters.wire.reading import JsonObject
from adapters.wire.thinking_levels import effort_of
from domain.inference.conversation import Message, Role
from domain.inference.dialect import Dialect, WireFormat
from domain.inference.fields import Fate
from domain.inference.hosted_tools import without_foreign_tools
from domain.inference.request import (
    Effort,
    InferenceRequest,
    Reasoning,
    ResponseFormat,
)

_ENCODER = msgspec.json.Encoder()
_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})
_OTHER_TIERS = {"standard_only": "default", "standard": "default"}
_SCHEMA_NAME = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_SCHEMA_NAME = 64
# They refuse to be asked for encrypted reasoning: "Encrypted content is not supported with this
# model". Names of deployments tell nothing and count as reasoning models.
_NEVER_REASON = re.compile(r"(?:.*/)?(?:gpt-4|gpt-3\.5|chatgpt-|gpt-5-chat)")


def encode_request(request: InferenceRequest, target: WireTarget) -> Encoded:
    """Return `request` in this format.

    Raises:
        UnsupportedField: see `WireCodec.encode_request`.
    """
    request = _without_defaults(request)
    fates = fates_for(request.source)
    dropped = dropped_fields(request, WireFormat.OPENAI_RESPONSES, fates)
    request = without_foreign_tools(request, WireFormat.OPENAI_RESPONSES)
    own = request.source is Dialect.OPENAI_RESPONSES
    names = names_of(request)
    writer = ItemWriter(names, marks=request.source in OPENAI_DIALECTS)
    instructions, messages = instructions_of(request.messages)
    writer.write(messages)

    body: JsonObject = {"model": target.model}
    _put(body, "instructions", instructions)
    body["input"] = writer.items
    if request.tools:
        body["tools"] = write_tools(request.tools, loose=None if own else False)
    if request.tool_choice is not None:
        body["tool_choice"] = write_choice(request.tool_choice, names)
    bound = target.output_bound
    _put(body, "parallel_tool_calls", request.parallel_tool_calls)
    _put(body, "max_output_tokens", request.max_output_tokens if bound is None else bound)
    _put(body, "temperature", request.sampling.temperature)
    _put(body, "top_p", request.sampling.top_p)
    _put(body, "top_logprobs", request.sampling.top_logprobs)
    _put(body, "text", _text(request))
    _put(body, "reasoning", _reasoning(request.reasoning, request.source))
    if request.end_user is not None:
        body["safety_identifier"] = fitting_identifier(request.end_user)
    if request.cache_key is not None:
        body["prompt_cache_key"] = fitting_identifier(request.cache_key)
    if request.metadata:
        body["metadata"] = request.metadata
    tier = _tier(request.service_tier)
    _put(body, "service_tier", tier)
    _put(body, "previous_response_id", request.previous_response_id)
    store = request.store if request.store is not None or own else False
    _put(body, "store", store)
    body |= {
        name: value
        for name, value in request.extensions.items()
        if fates.get(f"extensions.{name}") is Fate.PASSED
    }
    includes = _includes(request, store=store, model=target.model)
    if includes:
        body["include"] = includes
    if request.stream:
        body["stream"] = True
    return Encoded(
        body=_ENCODER.encode(body),
        dropped=(*dropped, *_lost(request, writer, tier)),
    )


def _without_defaults(request: InferenceRequest) -> InferenceRequest:
    """Return `request` without what goes without saying here."""
    if request.modalities == ("text",):
        return structs.replace(request, modalities=())
    return request


def _lost(request: InferenceRequest, writer: ItemWriter, tier: str | None) -> list[str]:
    """Return the canonical names of what depends on values whether it can be carried."""
    lost: list[str] = []
    if writer.left_out_thoughts:
        lost.append("thinking.text")
    if writer.left_out_state:
        lost.append("thinking.state")
    if writer.left_out_citations:
        lost.append("text.citations")
    if request.service_tier is not None and tier is None:
        lost.append("service_tier")
    reasoning = request.reasoning
    if reasoning is not None and reasoning.enabled is False and reasoning.effort is None:
        lost.append("reasoning.enabled")
    return lost


def instructions_of(messages: tuple[Message, ...]) -> tuple[str | None, tuple[Message, ...]]:
    """Return the leading system text and the rest; there is always some input."""
    if len(messages) > 1 and messages[0].role is Role.SYSTEM:
        text = plain_text(messages[0].parts, marks=True)
        if text:
            return text, messages[1:]
    return None, messages


def _text(request: InferenceRequest) -> JsonObject | None:
    text: JsonObject = {}
    if request.response_format is not None:
        text["format"] = format_of(request.response_format)
    if request.verbosity is not None:
        text["verbosity"] = request.verbosity
    return text or None


def format_of(shape: ResponseFormat) -> JsonObject:
    """Return `text.format` for a shape of answers."""
    written: JsonObject = {"type": shape.kind}
    if shape.kind == "json_schema":
        name = _SCHEMA_NAME.sub("_", shape.name)[:_LONGEST_SCHEMA_NAME]
        written["name"] = name or "response"
        written["schema"] = shape.schema or {}
        _put(written, "description", shape.description)
        _put(written, "strict", shape.strict)
    return written


def _reasoning(reasoning: Reasoning | None, source: Dialect) -> JsonObject | None:
    """Return `reasoning`.

    Thinking forbidden is left to the default: models differ in how little they can be told to
    think, and those that cannot think refuse to be told at all.
    """
    if reasoning is None:
        return None
    written: JsonObject = {}
    effort = reasoning.effort
    if effort is None and reasoning.enabled is not False:
        if reasoning.budget_tokens is not None:
            effort = effort_of(reasoning.budget_tokens)
        elif reasoning.enabled or reasoning.adaptive:
            effort = Effort.MEDIUM
    if effort is not None:
        written["effort"] = effort.value
    if reasoning.summary is not None:
        written["summary"] = reasoning.summary
    elif reasoning.shown_to(source):
        written["summary"] = "auto"
    return written or None


def _tier(tier: str | None) -> str | None:
    if tier is None or tier in _TIERS:
        return tier
    return _OTHER_TIERS.get(tier)


def _includes(request: InferenceRequest, *, store: bool | None, model: str) -> list[object]:
    """Return `include`: reasoning that is not stored has to come back with the answer."""
    given = request.extensions.get("include")
    own = request.source is Dialect.OPENAI_RESPONSES
    includes: list[object] = []
    if own and isinstance(given, list):
        includes += cast("list[object]", given)
    if store is not True and not _NEVER_REASON.match(model):
        includes.append(ENCRYPTED_REASONING)
    if request.sampling.logprobs:
        includes.append(LOGPROBS)
    return includes


def _put(body: JsonObject, name: str, value: object) -> None:
    if value is not None:
        body[name] = value
