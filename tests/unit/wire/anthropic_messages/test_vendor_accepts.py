"""Requests of other clients, read by a stand-in that is as strict as the vendor."""

import itertools
import json
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.wire.anthropic_messages.fields import FATES
from adapters.wire.anthropic_messages.wire import AnthropicMessagesWire
from adapters.wire.codec import WireTarget
from domain.inference.conversation import Message, Role, TextPart, ToolCallPart
from domain.inference.dialect import Dialect
from domain.inference.request import Effort, InferenceRequest, Reasoning
from tests.support.canonical import requests
from tests.support.model import anthropic
from tests.support.model.talk import Call, Refused
from tests.support.reach import Reach, carried_by

WIRE = AnthropicMessagesWire()
FOREIGN = Reach(
    source=Dialect.OPENAI_CHAT,
    fields=carried_by(
        FATES,
        "image.url",  # the stand-in fetches nothing
        "document.data",
        "document.url",
        "tool_result.document",
        "cache",
        "cache.automatic",
    ),
    system="anywhere",
    id_characters=string.ascii_letters + "_-:.ü",
    results_alone=False,
)
REASONINGS = st.none() | st.builds(
    Reasoning,
    effort=st.none() | st.sampled_from(Effort),
    enabled=st.sampled_from([None, True, False]),
    budget_tokens=st.none() | st.integers(0, 60_000),
    show=st.sampled_from([None, True, False]),
)
MODELS = (
    "claude-3-5-haiku-20241022",
    "claude-sonnet-4-5-20250929",
    "claude-opus-4-6",
    "claude-opus-4-8",
    "claude-opus-5",
    "claude-fable-5",
    "glm-4.6",
)


def body_of(request: InferenceRequest, model: str) -> dict[str, Any]:
    return json.loads(WIRE.encode_request(request, WireTarget(model=model)).body)


@settings(max_examples=200, deadline=None)
@given(
    request=requests(
        FOREIGN,
        reasoning=REASONINGS,
        changes={"max_output_tokens": st.none() | st.integers(1, 100_000)},
    ),
    model=st.sampled_from(MODELS),
)
def test_whatever_a_client_of_another_api_says_the_vendor_takes_it(
    request: InferenceRequest, model: str
) -> None:
    talk = anthropic.read(body_of(request, model), "2023-06-01")
    roles = [message.role for message in talk.messages]
    assert all(one != next_ for one, next_ in itertools.pairwise(roles))
    calls = [part for message in talk.messages for part in message.parts if isinstance(part, Call)]
    asked = [
        part
        for message in request.messages
        for part in message.parts
        if isinstance(part, ToolCallPart)
    ]
    assert [call.name for call in calls] == [part.name for part in asked]


def test_the_stand_in_is_strict() -> None:
    hi = Message(role=Role.USER, parts=(TextPart(text="Hi"),))
    request = InferenceRequest(source=Dialect.OPENAI_CHAT, model="m", messages=(hi,))
    body = body_of(request, "claude-opus-4-6")
    with pytest.raises(Refused):
        anthropic.read(body | {"seed": 1}, "2023-06-01")
