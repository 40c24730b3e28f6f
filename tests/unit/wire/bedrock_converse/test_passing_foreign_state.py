"""Conversations that another vendor's model took part in, on their way to Bedrock as they are."""

import json
from typing import Any

import pytest

from adapters.wire.bedrock_converse.carried import (
    write_redacted,
    write_signature,
    write_signature_of_previous,
)
from adapters.wire.bedrock_converse.wire import BedrockConverseWire
from adapters.wire.codec import WireTarget
from domain.inference.conversation import OpaqueState
from domain.inference.dialect import WireFormat
from domain.inference.head import RequestHead

WIRE = BedrockConverseWire()
STATE = OpaqueState(origin=WireFormat.GEMINI_GENERATE, data="x")
Json = dict[str, Any]


def passed(body: bytes, bound: int | None = None) -> bytes:
    return WIRE.edit_request(
        body, RequestHead(model="m"), WireTarget(model="m", output_bound=bound)
    )


def signed(signature: str) -> Json:
    return {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": signature}}}


FOREIGN: list[Json] = [
    signed(write_signature(None)),
    signed(write_signature(STATE)),
    signed(write_signature_of_previous(STATE)),
    {"reasoningContent": {"redactedContent": write_redacted(STATE)}},
]
OWN: list[Json] = [
    signed("EqQ="),
    {"reasoningContent": {"redactedContent": "AAEC"}},
    {"text": "twst1_ and dHdzdDFf"},
    {"toolUse": {"toolUseId": "a", "name": "b", "input": {"signature": write_signature(STATE)}}},
]


def body_of(*blocks: Json) -> bytes:
    hello = {"role": "user", "content": [{"text": "Hi"}]}
    return json.dumps({"messages": [hello, {"role": "assistant", "content": blocks}]}).encode()


@pytest.mark.parametrize("foreign", FOREIGN)
def test_reasoning_of_another_vendor_does_not_reach_bedrock(foreign: Json) -> None:
    found = json.loads(passed(body_of(OWN[0], foreign, *OWN[1:]), bound=5))
    assert found["messages"][1] == {"role": "assistant", "content": OWN}
    assert found["inferenceConfig"] == {"maxTokens": 5}


def test_a_turn_of_nothing_else_is_left_out() -> None:
    assert len(json.loads(passed(body_of(*FOREIGN)))["messages"]) == 1


@pytest.mark.parametrize("block", OWN)
def test_what_is_bedrocks_or_the_clients_own_keeps_its_bytes(block: Json) -> None:
    assert passed(body_of(block)) == body_of(block)
    odd = b'{"messages": ["twst1_"]}'
    assert passed(odd) == odd
