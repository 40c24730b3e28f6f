"""Writing a whole generateContent request.

https://ai.google.dev/api/generate-content#request-body
"""

import msgspec

from adapters.wire.codec import Encoded, WireTarget
from adapters.wire.fidelity import dropped_fields
from adapters.wire.gemini_generate.encode_config import CONFIG, write_config
from adapters.wire.gemini_generate.encode_contents import write_turns
from adapters.wire.gemini_generate.encode_tools import write_tool_config, write_tools
from adapters.wire.gemini_generate.fields import SERVICE_TIERS, fates_for
from adapters.wire.gemini_generate.thinking import traits_of
from adapters.wire.reading import JsonObject
from domain.inference.dialect import Dialect, WireFormat
from domain.inference.hosted_tools import without_foreign_tools
from domain.inference.request import InferenceRequest

_ENCODER = msgspec.json.Encoder()
_OF_CONFIG = f"{CONFIG}."


def encode_request(request: InferenceRequest, target: WireTarget) -> Encoded:
    """Return `request` as a body; model and kind of answer are in the URL.

    Raises:
        UnsupportedField: something of the request must not be dropped and has no place here.
        InvalidRequest: the conversation is empty.
    """
    dropped = dropped_fields(request, WireFormat.GEMINI_GENERATE, fates_for(request))
    request = without_foreign_tools(request, WireFormat.GEMINI_GENERATE)
    model = traits_of(target.model)
    turns = write_turns(request, model)
    config, unsaid = write_config(request, model, target.output_bound)
    body: JsonObject = {"contents": turns.contents}
    if turns.system:
        body["systemInstruction"] = {"parts": turns.system}
    if request.tools:
        body["tools"] = write_tools(request.tools)
    tool_config = write_tool_config(request)
    if tool_config is not None:
        body["toolConfig"] = tool_config
    tier = SERVICE_TIERS.get(request.service_tier or "")
    if tier:
        body["serviceTier"] = tier
    if request.source is Dialect.GEMINI_GENERATE:
        _add_own(request, body, config)
    if config:
        body[CONFIG] = config
    return Encoded(
        body=_ENCODER.encode(body),
        dropped=tuple(dict.fromkeys((*dropped, *turns.dropped, *unsaid))),
    )


def _add_own(request: InferenceRequest, body: JsonObject, config: JsonObject) -> None:
    """Add what only a client of the same dialect can have asked for."""
    if request.metadata:
        body["labels"] = request.metadata
    if request.store is not None:
        body["store"] = request.store
    for name, value in request.extensions.items():
        inner = name.removeprefix(_OF_CONFIG)
        if inner == name:
            body[name] = value
        else:
            config[inner] = value
