"""Requests of Gemini clients, read."""

import json
from typing import Any

import pytest

from adapters.wire.gemini_generate.dialect import GeminiCodec
from application.ports.dialect import RequestTarget
from domain.errors import InvalidRequest
from domain.inference.conversation import (
    OpaqueState,
)
from domain.inference.dialect import WireFormat
from domain.inference.request import (
    InferenceRequest,
)

CODEC = GeminiCodec()


GEMINI = WireFormat.GEMINI_GENERATE


HELLO = [{"role": "user", "parts": [{"text": "Hi"}]}]


def read(**members: Any) -> InferenceRequest:
    body = json.dumps({"contents": HELLO} | members).encode()
    return CODEC.decode(body, RequestTarget(model="m", stream=True))


def refusal(**members: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        read(**members)
    return caught.value


def signed(text: str) -> OpaqueState:
    return OpaqueState(origin=GEMINI, data=text)
