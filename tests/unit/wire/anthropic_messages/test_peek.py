import json
from typing import Any

import pytest

from adapters.wire.anthropic_messages.dialect import AnthropicMessagesCodec
from application.ports.dialect import NOT_IN_URL
from domain.errors import InvalidRequest, UnsupportedField
from domain.inference.head import Media, RequestHead

CODEC = AnthropicMessagesCodec()
HI: dict[str, Any] = {"model": "claude-x", "messages": [{"role": "user", "content": "Hi"}]}


def peek(**members: Any) -> RequestHead:
    return CODEC.peek(json.dumps(HI | members).encode(), 64, NOT_IN_URL)


def user(*blocks: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(blocks)}]


def picture(source: dict[str, Any]) -> dict[str, Any]:
    return {"type": "image", "source": source}


def test_a_request_to_count_tokens_needs_no_bound() -> None:
    assert peek() == RequestHead(model="claude-x")


def test_what_governs_a_request_is_read() -> None:
    head = peek(stream=True, max_tokens=77, metadata={"user_id": "u-1", "more": 1})
    assert head == RequestHead(model="claude-x", stream=True, max_output_tokens=77, end_user="u-1")


def test_zero_tokens_are_a_bound() -> None:
    assert peek(max_tokens=0).max_output_tokens == 0


def test_fewer_than_no_tokens_are_no_bound() -> None:
    assert peek(max_tokens=-1).max_output_tokens is None


@pytest.mark.parametrize(
    "metadata", [{"user_id": None}, {"user_id": 7}, {"user_id": ""}, [], None, "u"]
)
def test_metadata_without_a_user_names_nobody(metadata: object) -> None:
    assert peek(metadata=metadata).end_user is None


def test_images_are_counted_wherever_they_stand() -> None:
    data = {"type": "base64", "media_type": "image/png", "data": "QUJD"}
    backwards = {"data": "REVGR0g=", "media_type": "image/jpeg", "type": "base64"}
    result = {"type": "tool_result", "tool_use_id": "a", "content": [picture(backwards)]}
    remote = picture({"type": "url", "url": "https://images.example/a.png"})
    head = peek(messages=user(picture(data), result, remote))
    assert head.media == Media(images=3, image_bytes=12)


def test_a_document_is_no_image() -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": "QUJD"}
    block = {"type": "document", "source": source}
    data = {"type": "base64", "media_type": "image/png", "data": "QUJDRA=="}
    assert peek(messages=user(block, picture(data))).media == Media(images=1, image_bytes=8)


def test_a_text_about_images_is_no_image() -> None:
    text = json.dumps(picture({"type": "base64", "media_type": "image/png", "data": "QUJD"}))
    assert peek(messages=user({"type": "text", "text": text})).media == Media()


def test_a_name_in_escapes_hides_no_image() -> None:
    body = (
        b'{"model":"m","messages":[{"role":"user","content":[{"type":"\\u0069mage","source":'
        b'{"type":"base64","media_type":"image\\/png","d\\u0061ta":"QUJD"}}]}]}'
    )
    assert CODEC.peek(body, 64, NOT_IN_URL).media == Media(images=1, image_bytes=4)


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"model": 5}, "model"),
        ({"model": ""}, "model"),
        ({"stream": "yes"}, "stream"),
        ({"max_tokens": "12"}, "max_tokens"),
        ({"max_tokens": 10**10}, "max_tokens"),
    ],
)
def test_governing_members_of_the_wrong_type_are_refused(
    members: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        peek(**members)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a","model":"b","messages":[]}',
        b'{"model":"a","Model":"b","messages":[]}',
        b'{"model":"a","max_tokens":1,"max_\\u0074okens":9,"messages":[]}',
        b'{"model":"a","stream":false,"messages":[],"stream":true}',
        b'{"model":"a","messages":[],"Fallbacks":[{"model":"b"}]}',
    ],
)
def test_a_governing_member_in_two_spellings_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        CODEC.peek(body, 64, NOT_IN_URL)


@pytest.mark.parametrize("fallbacks", [[{"model": "claude-y"}], "default", {"mode": "default"}])
def test_fallbacks_to_models_that_nobody_authorised_are_refused(fallbacks: object) -> None:
    with pytest.raises(UnsupportedField) as caught:
        peek(fallbacks=fallbacks)
    assert caught.value.param == "fallbacks"


@pytest.mark.parametrize("fallbacks", [None, []])
def test_no_fallbacks_are_fine(fallbacks: object) -> None:
    assert peek(fallbacks=fallbacks).model == "claude-x"


def test_an_advisor_with_a_model_of_its_own_is_refused() -> None:
    tools: list[dict[str, Any]] = [
        {"name": "advisor", "input_schema": {"type": "object", "properties": {"model": {}}}},
        {"type": "advisor_20260301", "name": "advisor", "model": "claude-y"},
    ]
    assert peek(tools=tools[:1]).model == "claude-x"
    with pytest.raises(UnsupportedField) as caught:
        peek(tools=tools)
    assert caught.value.param == "tools[1].model"


def test_an_advisor_in_escapes_is_refused() -> None:
    body = b'{"model":"m","messages":[],"tools":[{"type":"\\u0061dvisor_20260301","model":"n"}]}'
    with pytest.raises(UnsupportedField):
        CODEC.peek(body, 64, NOT_IN_URL)


def test_tools_given_twice_hide_no_advisor() -> None:
    body = (
        b'{"model":"m","messages":[],"tools":[{"type":"advisor_20260301","model":"n"}],"tools":[]}'
    )
    with pytest.raises(InvalidRequest):
        CODEC.peek(body, 64, NOT_IN_URL)


def test_a_count_is_written_as_the_vendor_does() -> None:
    assert CODEC.encode_count(2095) == b'{"input_tokens":2095}'
