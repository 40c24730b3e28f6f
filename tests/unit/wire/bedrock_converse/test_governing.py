"""What of a request is read and set when its bytes pass through."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.wire.bedrock_converse.dialect import BedrockConverseCodec
from adapters.wire.bedrock_converse.wire import BedrockConverseWire
from adapters.wire.codec import WireTarget
from application.ports.dialect import NOT_IN_URL, RequestTarget
from domain.errors import InvalidRequest
from domain.inference.head import Media, RequestHead
from tests.unit.wire.bedrock_converse import sdk

CODEC = BedrockConverseCodec()
WIRE = BedrockConverseWire()
TARGET = RequestTarget(model="claude-public", stream=True)
DEPTH = 64


def peek(**members: Any) -> RequestHead:
    return CODEC.peek(json.dumps(sdk.QUESTION | members).encode(), DEPTH, TARGET)


def refusal(raw: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        CODEC.peek(raw, DEPTH, TARGET)
    return caught.value


def test_model_and_stream_are_the_urls() -> None:
    assert peek() == RequestHead(model="claude-public", stream=True)
    assert peek(modelId="other", model="other", stream=False).model == "claude-public"
    with pytest.raises(InvalidRequest) as caught:
        CODEC.peek(b"{}", DEPTH, NOT_IN_URL)
    assert caught.value.param == "model"


@pytest.mark.parametrize(
    ("members", "bound"),
    [
        ({"inferenceConfig": {"maxTokens": 7, "temperature": 0}}, 7),
        ({"inferenceConfig": {"maxTokens": None}}, None),
        ({"inferenceConfig": {"maxTokens": 0}}, None),
        ({"inferenceConfig": {}}, None),
        ({"inferenceConfig": None}, None),
        ({"maxTokens": 7}, None),
        ({"additionalModelRequestFields": {"top_k": 5}}, None),
        ({"additionalModelRequestFields": None}, None),
    ],
)
def test_the_bound_of_generated_tokens_is_read(members: dict[str, Any], bound: int | None) -> None:
    assert peek(**members).max_output_tokens == bound


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"inferenceConfig": {"maxTokens": "7"}}, "inferenceConfig.maxTokens"),
        ({"inferenceConfig": {"maxTokens": 10**12}}, "inferenceConfig.maxTokens"),
        ({"inferenceConfig": []}, None),
        (
            {"additionalModelRequestFields": {"max_tokens": 9}},
            "additionalModelRequestFields.max_tokens",
        ),
        (
            {"additionalModelRequestFields": {"MaxTokenCount": 9}},
            "additionalModelRequestFields.MaxTokenCount",
        ),
        ({"additionalModelRequestFields": 7}, "additionalModelRequestFields"),
    ],
)
def test_a_bound_that_would_not_be_governed_is_refused(
    members: dict[str, Any], param: str | None
) -> None:
    error = refusal(json.dumps(sdk.QUESTION | members).encode())
    assert param is None or error.param == param


@pytest.mark.parametrize(
    "raw",
    [
        b'{"inferenceConfig":{},"inferenceConfig":{}}',
        b'{"inferenceConfig":{},"inferenceconfig":{"maxTokens":9}}',
        b'{"InferenceConfig":{"maxTokens":9}}',
        b'{"inferenceConfi\\u0067":{"maxTokens":9}}',
        b'{"inferenceConfig":{"maxTokens":1,"maxTokens":9}}',
        b'{"inferenceConfig":{"maxTokens":1,"maxtokens":9}}',
        b'{"inferenceConfig":{"max\\u0054okens":9}}',
        b'{"additionalModelRequestFields":{},"additionalModelRequestFields":{}}',
        b"",
        b"[]",
        b'{"a":"\xff"}',
        b'{"a":NaN}',
        b'{"a":' + b"[" * 100 + b"]" * 100 + b"}",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(raw: bytes) -> None:
    refusal(raw)


def test_tags_are_for_the_record() -> None:
    assert peek(requestMetadata={"team": "a"}).metadata == {"team": "a"}
    assert peek(requestMetadata={"team": 7}).metadata is None


def media(**request: Any) -> Media:
    return CODEC.peek(sdk.written(**request), DEPTH, TARGET).media


def test_images_and_sounds_are_counted_in_what_boto3_writes() -> None:
    image = {"image": {"format": "png", "source": {"bytes": b"x" * 30}}}
    linked = {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://bucket/k"}}}}
    sound = {"audio": {"format": "wav", "source": {"bytes": b"x" * 60}}}
    result = {"toolResult": {"toolUseId": "t", "content": [image]}}
    words = {"text": '"image": {"source": {"bytes": "AAAA"}}'}
    found = media(messages=[{"role": "user", "content": [image, linked, sound, result, words]}])
    assert found == Media(images=3, image_bytes=80, audio_bytes=80)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"image":{"source":{"bytes":"AAAA"},"format":"png"}}',
        b'{ "image" : { "format" : "png" , "source" : { "bytes" : "AAAA" } } }',
        b'{"\\u0069mage":{"source":{"byte\\u0073":"AAAA"}}}',
    ],
)
def test_images_are_counted_however_they_are_written(raw: bytes) -> None:
    body = b'{"messages":[{"role":"user","content":[' + raw + b"]}]}"
    assert CODEC.peek(body, DEPTH, TARGET).media == Media(images=1, image_bytes=4)


HEAD = RequestHead(model="m")


def edited(body: bytes, bound: int | None) -> bytes:
    return WIRE.edit_request(body, HEAD, WireTarget(model="other", output_bound=bound))


@pytest.mark.parametrize(
    ("body", "bounded"),
    [
        (b"{}", b'{"inferenceConfig":{"maxTokens":5}}'),
        (b' { "a":1.50}', b' {"inferenceConfig":{"maxTokens":5}, "a":1.50}'),
        (b'{"inferenceConfig":null}', b'{"inferenceConfig":{"maxTokens":5}}'),
        (b'{"inferenceConfig": { }}', b'{"inferenceConfig": {"maxTokens":5 }}'),
        (
            b'{"inferenceConfig":{"topP":1e0}, "x" :1}',
            b'{"inferenceConfig":{"maxTokens":5,"topP":1e0}, "x" :1}',
        ),
        (
            b'{"x":{"inferenceConfig":{"maxTokens":1}},"inferenceConfig":{"maxTokens": 9 }}',
            b'{"x":{"inferenceConfig":{"maxTokens":1}},"inferenceConfig":{"maxTokens": 5 }}',
        ),
    ],
)
def test_only_the_bound_is_changed(body: bytes, bounded: bytes) -> None:
    assert edited(body, None) == body
    assert edited(body, 5) == bounded


@settings(deadline=None)
@given(
    config=st.none() | st.dictionaries(st.sampled_from(["maxTokens", "topP", "x"]), st.integers()),
    rest=st.dictionaries(st.text(max_size=5), st.integers() | st.text(), max_size=3),
    bound=st.integers(1, 10**6),
)
def test_a_bounded_request_is_the_same_but_for_its_bound(
    config: dict[str, Any] | None, rest: dict[str, Any], bound: int
) -> None:
    request = rest | {"inferenceConfig": config}
    found = json.loads(edited(json.dumps(request).encode(), bound))
    assert found == request | {"inferenceConfig": (config or {}) | {"maxTokens": bound}}


def test_a_bound_given_twice_is_not_guessed_at() -> None:
    with pytest.raises(InvalidRequest):
        edited(b'{"inferenceConfig":{"maxTokens":1,"maxTokens":2}}', 5)


def test_the_format_says_what_it_is() -> None:
    assert CODEC.dialect.value == WIRE.wire_format.value == "bedrock_converse"
    assert CODEC.keep_alive == b""
    assert CODEC.stream_content_type == WIRE.stream_content_type == sdk.STREAM_TYPE.encode()
