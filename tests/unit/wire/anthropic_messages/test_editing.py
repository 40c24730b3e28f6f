import json

import pytest

from adapters.wire.anthropic_messages.wire import AnthropicMessagesWire
from adapters.wire.codec import WireTarget
from domain.errors import InvalidRequest
from domain.inference.head import RequestHead

WIRE = AnthropicMessagesWire()
HEAD = RequestHead(model="m")


def edited(body: bytes, bound: int | None = None) -> bytes:
    return WIRE.edit_request(body, HEAD, WireTarget(model="claude-real", output_bound=bound))


def test_nothing_but_the_model_is_touched() -> None:
    body = (
        b'{ "messages": [],\t"model" : "m" , "temperature":1.00,"x":{"model":"y"},"\xc3\xa9":1e0}'
    )
    assert edited(body) == body.replace(b'"m"', b'"claude-real"')


def test_a_bound_replaces_the_callers() -> None:
    body = b'{"max_tokens": 99, "model":"m","thinking":{"max_tokens":1}}'
    assert edited(body, 7) == (
        b'{"max_tokens": 7, "model":"claude-real","thinking":{"max_tokens":1}}'
    )


def test_a_bound_is_added_where_there_is_none() -> None:
    assert json.loads(edited(b'{"model":"m","messages":[]}', 7)) == {
        "model": "claude-real",
        "max_tokens": 7,
        "messages": [],
    }


def test_a_model_given_twice_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        edited(b'{"model":"m","model":"n"}')


def test_a_body_without_a_model_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        edited(b'{"messages":[]}')
