import json
from typing import Any

import pytest

from adapters.wire.codec import WireTarget
from adapters.wire.opaque_state import wrap_state
from application.ports.dialect import NOT_IN_URL
from domain.errors import InvalidRequest
from domain.inference.conversation import (
    OpaqueState,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from domain.inference.dialect import WireFormat
from domain.inference.head import Media, RequestHead
from domain.inference.response import Candidate, FinishReason, InferenceResponse
from tests.unit.wire.openai_responses.reaches import CODEC, HEAD, WIRE, context

DEPTH = 64
PNG = "iVBORw0KGgo="


def peek(body: bytes) -> RequestHead:
    return CODEC.peek(body, DEPTH, NOT_IN_URL)


def edit(body: bytes, bound: int | None = None) -> bytes:
    return WIRE.edit_request(body, HEAD, WireTarget(model="up-1", output_bound=bound))


def test_the_governing_members_are_read() -> None:
    body: dict[str, Any] = {
        "model": "gpt-public",
        "stream": True,
        "max_output_tokens": 100,
        "user": "a",
        "safety_identifier": "b",
        "metadata": {"team": "x"},
        "previous_response_id": "resp_1",
        "store": False,
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
                    {"type": "input_image", "file_id": "file-1"},
                    {"type": "input_image", "image_url": "https://media.example/a"},
                    {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                ],
            }
        ],
    }
    assert peek(json.dumps(body).encode()) == RequestHead(
        model="gpt-public",
        stream=True,
        max_output_tokens=100,
        end_user="b",
        metadata={"team": "x"},
        continues="resp_1",
        stored=False,
        media=Media(images=3, image_bytes=len("png;base64,") + len(PNG), audio_bytes=8),
    )


def test_what_is_not_said_is_the_default() -> None:
    assert peek(b'{"model":"m","input":"Hi"}') == RequestHead(model="m", stored=True)


@pytest.mark.parametrize("value", ['"conv_1"', '{"id":"conv_1"}'])
def test_a_conversation_of_the_providers_account_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        peek(b'{"model":"m","input":"Hi","conversation":%b}' % value.encode())
    assert raised.value.param == "conversation"
    assert peek(b'{"model":"m","input":"Hi","conversation":null}').model == "m"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"{", None),
        (b"[]", None),
        (b'{"input":"Hi"}', "model"),
        (b'{"model":5}', "model"),
        (b'{"model":" "}', "model"),
        (b'{"model":"m","stream":"yes"}', "stream"),
        (b'{"model":"m","max_output_tokens":"9"}', "max_output_tokens"),
        (b'{"model":"m","max_output_tokens":9000000000}', "max_output_tokens"),
        (b'{"model":"m","model":"n"}', "model"),
        (b'{"model":"m","Stream":true}', "stream"),
        (b'{"model":"m","max_output_tokens":1,"max_output_token\\u0073":9}', "max_output_tokens"),
        (b'{"model":"m","input":"\xff"}', None),
        (b'{"model":"m","input":' + b"[" * 65 + b"]" * 65 + b"}", None),
    ],
)
def test_a_body_that_cannot_be_governed_is_refused(body: bytes, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as raised:
        peek(body)
    assert raised.value.param == param


@pytest.mark.parametrize("cap", [0, -1])
def test_no_cap_is_no_cap(cap: int) -> None:
    assert peek(b'{"model":"m","max_output_tokens":%d}' % cap).max_output_tokens is None


def test_only_the_model_changes_and_every_other_byte_stays() -> None:
    body = b'{ "input" : [{"role":"user","content":"model"}],\n "model":"m" , "n\\u00e9w": 1.0e0}'
    assert edit(body) == body.replace(b'"m"', b'"up-1"')


def test_a_bound_is_set_or_replaced() -> None:
    assert edit(b'{"model":"m","input":"Hi"}', 7) == (
        b'{"model":"up-1","max_output_tokens":7,"input":"Hi"}'
    )
    assert edit(b'{"max_output_tokens": null,"model":"m"}', 7) == (
        b'{"max_output_tokens": 7,"model":"up-1"}'
    )


GEMINI = OpaqueState(origin=WireFormat.GEMINI_GENERATE, data="c2ln")


def answered_elsewhere() -> list[dict[str, Any]]:
    """Return the items of an answer that another vendor made."""
    parts = (
        ThinkingPart(text="Hm.", state=OpaqueState(origin=WireFormat.ANTHROPIC_MESSAGES, data="x")),
        ThinkingPart(text="No state."),
        TextPart(text="a", state=GEMINI),
        ToolCallPart(id="c1", name="f", arguments="{}", state=GEMINI),
    )
    reply = InferenceResponse(
        id="m1",
        model="x",
        usage=None,
        candidates=(Candidate(parts=parts, finish=FinishReason.TOOL_CALLS),),
    )
    output: list[dict[str, Any]] = json.loads(CODEC.encode_reply(reply, context()))["output"]
    return output


def test_what_another_vendor_left_in_the_conversation_is_taken_out() -> None:
    output = answered_elsewhere()
    call = output[-1]
    assert [item["type"] for item in output] == [
        "reasoning",
        "reasoning",
        "message",
        "reasoning",
        "function_call",
    ]
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "1"}
    own: dict[str, Any] = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [],
        "encrypted_content": "gAAAA",
    }
    body: dict[str, Any] = {
        "model": "m",
        "input": ["Hi", *output, result, own],
        "tools": [{"x": 1.0}],
    }
    edited = json.loads(edit(json.dumps(body).encode()))
    assert edited == {
        "model": "up-1",
        "input": ["Hi", output[2], call | {"call_id": "c1"}, result | {"call_id": "c1"}, own],
        "tools": [{"x": 1.0}],
    }


def test_items_of_the_vendor_keep_their_bytes_beside_those_taken_out() -> None:
    foreign = wrap_state(GEMINI).encode()
    kept = b'{ "role": "user",  "content": "caf\\u00e9 _twid1_ \\"twst1_" }'
    body = b'{"model":"m","input":[%b, {"type":"reasoning","encrypted_content":"%b"}]}'
    assert edit(body % (kept, foreign)) == b'{"model":"up-1","input":[' + kept + b"]}"


@pytest.mark.parametrize(
    "items",
    [
        b'"twst1_ and _twid1_ as a text"',
        b'{"_twid1_": 1}',
        b'["_twid1_", 5, {"call_id": 5, "x": "_twid1_"}]',
        b'[{"type":"reasoning","encrypted_content":"twst1_broken"}]',
        b'[{"call_id":"c_twid1_broken"}]',
    ],
)
def test_what_only_looks_like_it_stays(items: bytes) -> None:
    body = b'{"model":"m","input":%b}'
    assert edit(body % items) == (body % items).replace(b'"m"', b'"up-1"')
