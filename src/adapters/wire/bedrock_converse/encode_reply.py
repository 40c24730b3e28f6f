"""A canonical answer as a whole answer of Converse."""

import msgspec

from adapters.wire.bedrock_converse.reply_blocks import blocks_of
from adapters.wire.bedrock_converse.stopping import asked_for, word_for
from adapters.wire.bedrock_converse.usage import write_usage
from adapters.wire.reading import JsonObject
from application.ports.dialect import ReplyContext
from domain.accounting.usage import TokenUsage
from domain.inference.conversation import ToolCallPart
from domain.inference.response import InferenceResponse

METRICS: JsonObject = {"latencyMs": 0}
"""Clients rely on the member; how long the provider took is not known here."""

_ENCODER = msgspec.json.Encoder()
_TIERS = frozenset({"priority", "default", "flex", "reserved"})


def encode_reply(reply: InferenceResponse, context: ReplyContext) -> bytes:
    """Return the answer. Its first candidate is the only one: no more can be asked for."""
    candidate = reply.candidates[0]
    calls = any(isinstance(part, ToolCallPart) for part in candidate.parts)
    message = {"role": "assistant", "content": blocks_of(candidate.parts)}
    body: JsonObject = {
        "output": {"message": message},
        "stopReason": word_for(candidate.finish, calls=calls),
        "usage": write_usage(reply.usage or TokenUsage()),
        "metrics": METRICS,
    }
    asked = asked_for(context.request, candidate.stop_sequence)
    if asked is not None:
        body["additionalModelResponseFields"] = asked
    return _ENCODER.encode(body | tier_member(reply.service_tier))


def tier_member(tier: str | None) -> JsonObject:
    """Return `serviceTier`, if it is one that Bedrock has."""
    return {"serviceTier": {"type": tier}} if tier in _TIERS else {}
