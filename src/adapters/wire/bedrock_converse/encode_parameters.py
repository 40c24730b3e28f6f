"""Parameters of a canonical request as members of a Converse request."""

import re

import msgspec

from adapters.wire.anthropic_messages.structured import SchemaFitter
from adapters.wire.bedrock_converse.encode_content import cache_point
from adapters.wire.bedrock_converse.models import BedrockModel
from adapters.wire.bedrock_converse.tools import GUARDRAIL
from adapters.wire.json_in_words import json_in_words
from adapters.wire.reading import JsonObject
from adapters.wire.turns import Conversation
from domain.inference.request import InferenceRequest, ResponseFormat, VendorTool

_ENCODER = msgspec.json.Encoder()
_TIERS = frozenset({"priority", "default", "flex", "reserved"})
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
_TAG_NAME = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{1,256}")
_TAG = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}")
_MOST_TAGS = 16
_DEFAULTS = {"temperature": (None, 1), "topP": (None, 1)}
_CANONICAL = {"temperature": "sampling.temperature", "topP": "sampling.top_p"}


def inference_of(
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


def shape_of(
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
        system.append({"text": json_in_words(schema)})
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


def mark_end(
    request: InferenceRequest, talk: Conversation, model: BedrockModel, dropped: list[str]
) -> None:
    """Put a cache point behind everything, where the caller wants caching without saying where."""
    if request.cache is None:
        return
    if not model.caches or not talk.turns:
        dropped.append("cache.automatic")
    elif "cachePoint" not in talk.turns[-1].blocks[-1]:
        talk.turns[-1].blocks.append(cache_point(request.cache))


def rest_of(request: InferenceRequest, dropped: list[str], *, verbatim: bool) -> JsonObject:
    """Return tags, service tier and guardrail; tags that AWS would refuse are left out."""
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
