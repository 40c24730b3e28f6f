"""What passes between a client and a server of this same format, and how errors are told."""

import json

import pytest

from adapters.wire.codec import WireTarget
from domain.errors import (
    UpstreamCredentialRejected,
    UpstreamFailure,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from domain.inference.dialect import Dialect, WireFormat
from domain.inference.head import RequestHead
from tests.unit.wire.openai_chat.reaches import CODEC, SCRUBBER, WIRE, head

BODY = b'{"model":"public","stream":true,"messages":[]}'
FRAME = b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}],"usage":null}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
DONE = b"data: [DONE]\n\n"


def test_client_and_server_speak_the_same_format() -> None:
    assert CODEC.dialect is Dialect.OPENAI_CHAT
    assert WIRE.wire_format is WireFormat.OPENAI_CHAT
    assert WIRE.wire_format.value == CODEC.dialect.value
    assert CODEC.stream_content_type.startswith(WIRE.stream_content_type)


@pytest.mark.parametrize(
    ("given", "target", "asked"),
    [
        (head(), WireTarget(model="m"), True),
        (head(), WireTarget(model="m", ask_for_usage=False), False),
        (
            RequestHead(model="public", stream=True, include_usage=True),
            WireTarget(model="m"),
            False,
        ),
        (RequestHead(model="public"), WireTarget(model="m"), False),
    ],
)
def test_usage_nobody_asked_for_is_asked_for_and_taken_out_again(
    given: RequestHead, target: WireTarget, asked: bool
) -> None:
    edited = json.loads(WIRE.edit_request(BODY, given, target))
    scanner = WIRE.stream_scanner(given, target, scrubber=SCRUBBER)
    passed = scanner.feed(FRAME + USAGE + DONE) + scanner.finish()

    assert edited["model"] == "m"
    assert ("stream_options" in edited) is asked
    assert (USAGE in passed) is not asked
    assert (b"usage" in passed) is not asked
    assert scanner.summary.usage is not None


def test_a_bound_goes_by_the_name_the_server_knows() -> None:
    target = WireTarget(model="m", output_bound=5, bound_name="max_tokens")

    assert json.loads(WIRE.edit_request(BODY, head(), target))["max_tokens"] == 5


def test_a_whole_answer_passes_as_it_came() -> None:
    body = b'{ "choices" : [{"message":{"content":"a"},"finish_reason":"stop"}], "odd": 1 }'
    scanner = WIRE.reply_scanner(max_bytes=1000, scrubber=SCRUBBER)

    assert scanner.feed(body) + scanner.finish() == body
    assert scanner.summary.finish_reason == "stop"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, UpstreamRejected),
        (401, UpstreamCredentialRejected),
        (429, UpstreamRateLimited),
        (503, UpstreamUnavailable),
    ],
)
@pytest.mark.parametrize("body", [b'{"error":{"message":"No."}}', b"<html>", b""])
def test_the_status_of_an_error_decides_what_it_means(
    status: int, kind: type[UpstreamFailure], body: bytes
) -> None:
    failure = WIRE.failure(status, body, scrubber=SCRUBBER, retry_after_ms=7)

    assert type(failure) is kind
    if isinstance(failure, UpstreamRateLimited):
        assert failure.retry_after_ms == 7
    if isinstance(failure, UpstreamRejected) and b"No." in body:
        assert failure.message == "No."
