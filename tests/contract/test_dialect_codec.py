"""What every `DialectCodec` promises; one `Sample` per dialect."""

import json
from dataclasses import dataclass
from typing import Any

import openai
import pytest

from adapters.wire.openai_chat.dialect import OpenAIChatCodec
from application.ports.dialect import NOT_IN_URL, DialectCodec, PublicError
from domain.errors import InvalidRequest
from domain.inference.dialect import Dialect
from domain.inference.head import RequestHead
from tests.support.answers import stream
from tests.support.scripted_upstream import ScriptedUpstream


@dataclass(frozen=True)
class Sample:
    """A codec and the smallest request it takes."""

    codec: DialectCodec
    dialect: Dialect
    request: dict[str, Any]


SAMPLES = [
    pytest.param(
        Sample(
            OpenAIChatCodec(),
            Dialect.OPENAI_CHAT,
            {"messages": [{"role": "user", "content": "Hi"}], "model": "gpt-4o"},
        ),
        id="openai_chat",
    )
]
every_dialect = pytest.mark.parametrize("sample", SAMPLES)
DEPTH = 64


def body(sample: Sample, **members: Any) -> bytes:
    return json.dumps(sample.request | members).encode()


def refusal(sample: Sample, raw: bytes, depth: int = DEPTH) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        sample.codec.peek(raw, depth, NOT_IN_URL)
    assert caught.value.message
    return caught.value


@every_dialect
def test_it_says_which_dialect_it_is(sample: Sample) -> None:
    assert sample.codec.dialect is sample.dialect


@every_dialect
def test_the_smallest_request_has_the_defaults_of_a_head(sample: Sample) -> None:
    assert sample.codec.peek(body(sample), DEPTH, NOT_IN_URL) == RequestHead(model="gpt-4o")


@every_dialect
def test_unknown_fields_are_nobodys_business(sample: Sample) -> None:
    raw = body(sample, from_the_future={"a": [1, {"b": None}]}, другое=1e-7)
    assert sample.codec.peek(raw, DEPTH, NOT_IN_URL).model == "gpt-4o"


@every_dialect
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"not json",
        b'{"model":"gpt-4o"',
        b'{"model":"gpt-4o"} trailing',
        b'{"model":"gpt-4o",}',
        b"{'model':'gpt-4o'}",
        b'{"model":"gpt-4o"/**/}',
        b'\xef\xbb\xbf{"model":"gpt-4o"}',
        b'{"model":"gpt-4o","temperature":NaN}',
        b'{"model":"gpt-4o","temperature":-Infinity}',
        b'{"model":"gpt-4o","a":"\x01"}',
        b'{"model":"gpt-4o","a":"\\ud83d"}',
        b"[]",
        b'"gpt-4o"',
        b"null",
    ],
)
def test_what_is_not_a_json_object_is_refused(sample: Sample, raw: bytes) -> None:
    refusal(sample, raw)


@every_dialect
@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"])
def test_invalid_utf8_is_refused_wherever_it_stands(sample: Sample, bad: bytes) -> None:
    for place in (b"content", b"Hi", b"gpt"):
        assert "UTF-8" in refusal(sample, body(sample).replace(place, bad)).message
    assert "UTF-8" in refusal(sample, body(sample) + bad).message


@every_dialect
def test_utf8_is_checked_across_large_bodies(sample: Sample) -> None:
    long = "é€😀" * 400_000
    assert sample.codec.peek(
        json.dumps(sample.request | {"x": long}, ensure_ascii=False).encode(), 9, NOT_IN_URL
    )
    raw = json.dumps(sample.request | {"x": long + "?"}, ensure_ascii=False).encode()
    assert "UTF-8" in refusal(sample, raw.replace(b"?", b"\x80")).message


@every_dialect
@pytest.mark.parametrize("depth", [8, 64, 500])
def test_nesting_is_refused_beyond_the_limit_and_only_there(sample: Sample, depth: int) -> None:
    def nested(levels: int) -> bytes:
        return body(sample)[:-1] + b',"x":' + b"[" * levels + b"]" * levels + b"}"

    assert sample.codec.peek(nested(depth - 1), depth, NOT_IN_URL).model == "gpt-4o"
    assert str(depth) in refusal(sample, nested(depth), depth).message


@every_dialect
@pytest.mark.parametrize(
    "raw", [b"[" * 1_000_000, b'{"model":"gpt-4o","x":' + b'{"a":' * 1_000_000]
)
def test_bottomless_nesting_is_refused(sample: Sample, raw: bytes) -> None:
    refusal(sample, raw)


@every_dialect
@pytest.mark.parametrize("model", [None, "", "  ", 7, [], {}, True, "x" * 257])
def test_the_model_must_be_a_name(sample: Sample, model: Any) -> None:
    assert refusal(sample, body(sample, model=model)).param == "model"


@every_dialect
def test_the_model_must_be_given(sample: Sample) -> None:
    without = {name: value for name, value in sample.request.items() if name != "model"}
    assert refusal(sample, json.dumps(without).encode()).param == "model"


@every_dialect
@pytest.mark.parametrize(
    "name", ["model", "Model", "MODEL", "\\u006dodel", "MODE\\u004c", "mod\\u0065l"]
)
def test_a_second_model_under_any_spelling_is_refused(sample: Sample, name: str) -> None:
    second = f'"{name}":"expensive"'.encode()
    for raw in (
        body(sample)[:-1] + b"," + second + b"}",
        b"{" + second + b"," + body(sample)[1:],
        b"{" + second + b',"x":{"model":"y"},' + body(sample)[1:],
    ):
        assert refusal(sample, raw).param == "model"


@every_dialect
def test_an_error_is_readable_and_complete(sample: Sample) -> None:
    error = PublicError(
        status=404,
        kind="not_found",
        code="model_not_found",
        message='No "model"\n',
        param="model",
        request_id="req-1",
    )
    text = sample.codec.error_body(error).decode()
    assert json.loads(text)
    for part in ("model_not_found", "req-1"):
        assert part in text


@every_dialect
def test_a_stream_error_is_one_event_and_not_a_good_end(sample: Sample) -> None:
    error = PublicError(status=502, kind="upstream", code="upstream_error", message="a\nb\r\nc")
    event = sample.codec.stream_error(error)
    assert event.endswith(b"\n\n")
    assert event.count(b"\n\n") == 1
    assert b"[DONE]" not in event


CODEC = OpenAIChatCodec()
OPENAI: Sample = Sample(
    CODEC, Dialect.OPENAI_CHAT, {"messages": [{"role": "user", "content": "Hi"}], "model": "gpt-4o"}
)


@pytest.mark.parametrize(
    ("members", "head"),
    [
        ({"stream": True}, {"stream": True}),
        ({"stream": None, "n": None, "max_tokens": None, "stream_options": None}, {}),
        ({"stream_options": {"include_usage": True}}, {"include_usage": True}),
        ({"stream_options": {"include_usage": None, "x": 1}}, {}),
        ({"max_tokens": 5}, {"max_output_tokens": 5}),
        ({"max_completion_tokens": 6}, {"max_output_tokens": 6}),
        ({"max_tokens": 5, "max_completion_tokens": 6}, {"max_output_tokens": 6}),
        ({"max_tokens": 6, "max_completion_tokens": 5}, {"max_output_tokens": 6}),
        ({"max_tokens": -1}, {}),
        ({"max_tokens": 5, "max_completion_tokens": 0}, {}),
        ({"n": 128}, {"choices": 128}),
        ({"user": "u-1"}, {"end_user": "u-1"}),
        ({"safety_identifier": "s-1"}, {"end_user": "s-1"}),
        ({"user": "u-1", "safety_identifier": "s-1"}, {"end_user": "u-1"}),
        ({"user": "x" * 9000}, {"end_user": "x" * 512}),
        ({"user": 7}, {}),
        ({"metadata": {"team": "blue"}}, {"metadata": {"team": "blue"}}),
        (
            {"metadata": {"team": "blue", "x" * 65: "a", "b": "y" * 513}},
            {"metadata": {"team": "blue"}},
        ),
        ({"metadata": {"team": 7}}, {}),
        ({"metadata": {"team": "x" * 70_000}}, {}),
        ({"metadata": {}}, {}),
        ({"metadata": None}, {}),
    ],
)
def test_openai_fields_become_a_head(members: dict[str, Any], head: dict[str, Any]) -> None:
    assert CODEC.peek(body(OPENAI, **members), DEPTH, NOT_IN_URL) == RequestHead(
        model="gpt-4o", **head
    )


def test_openai_metadata_is_kept_up_to_sixteen_tags() -> None:
    tags = {f"t{index:02}": "v" for index in range(20)}
    metadata = CODEC.peek(body(OPENAI, metadata=tags), DEPTH, NOT_IN_URL).metadata
    assert metadata == dict(list(tags.items())[:16])


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"stream": "true"}, "stream"),
        ({"stream": 1}, "stream"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": 10**10}, "max_tokens"),
        ({"max_completion_tokens": 10**4000}, "max_completion_tokens"),
        ({"max_completion_tokens": []}, "max_completion_tokens"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"n": "2"}, "n"),
        ({"stream_options": []}, "stream_options"),
        ({"stream_options": {"include_usage": "yes"}}, "stream_options.include_usage"),
    ],
)
def test_openai_fields_of_the_wrong_type_are_refused_by_name(
    members: dict[str, Any], param: str
) -> None:
    error = refusal(OPENAI, body(OPENAI, **members))
    assert error.param == param
    assert param in error.message


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('"stream":true', '"stream":false'),
        ('"n":1', '"N":100'),
        ('"max_tokens":1', '"max\\u005ftokens":9'),
        ('"max_completion_tokens":1', '"max_completion_tokens":9'),
        ('"stream_options":{}', '"Stream_Options":{}'),
        ('"stream":true', '"stream_options":{"include_usage":true,"include_usage":false}'),
    ],
)
def test_openai_governing_fields_are_given_once(first: str, second: str) -> None:
    for pair in ((first, second), (second, first)):
        raw = body(OPENAI)[:-1] + ("," + ",".join(pair) + "}").encode()
        refusal(OPENAI, raw)


def test_openai_field_names_inside_the_conversation_are_free() -> None:
    names = ("model", "n", "stream", "Model")
    tool = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
    raw = body(OPENAI, tools=[{"function": {"name": "model", "parameters": tool}}], n=2)
    assert CODEC.peek(raw, DEPTH, NOT_IN_URL) == RequestHead(model="gpt-4o", choices=2)


@pytest.mark.parametrize(
    ("kind", "error_type"),
    [
        ("invalid_request", "invalid_request_error"),
        ("authentication", "invalid_request_error"),
        ("rate_limit", "rate_limit_error"),
        ("upstream", "server_error"),
        ("internal", "server_error"),
    ],
)
def test_openai_errors_have_the_four_fields_and_the_request_id(kind: str, error_type: str) -> None:
    error = PublicError(status=400, kind=kind, code="c", message="m", request_id="r")
    assert json.loads(CODEC.error_body(error)) == {
        "error": {"message": "m", "type": error_type, "param": None, "code": "c", "request_id": "r"}
    }


def test_openai_error_type_is_the_providers_own_when_it_gave_one() -> None:
    error = PublicError(
        status=400, kind="invalid_request", code="c", message="m", upstream_kind="image_error"
    )
    assert json.loads(CODEC.error_body(error))["error"]["type"] == "image_error"


async def test_the_official_sdk_raises_on_a_stream_error() -> None:
    error = PublicError(status=502, kind="upstream", code="upstream_error", message="It broke.")
    async with ScriptedUpstream() as gateway:
        gateway.enqueue(stream([CODEC.stream_error(error)]))
        async with openai.AsyncOpenAI(api_key="k", base_url=gateway.base_url) as client:
            events = await client.chat.completions.create(model="m", messages=[], stream=True)
            with pytest.raises(openai.APIError, match="It broke"):
                await anext(events)
            await events.close()
