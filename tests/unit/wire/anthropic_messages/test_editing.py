import json

import pytest

from adapters.wire.anthropic_messages.wire import AnthropicMessagesWire
from adapters.wire.codec import WireTarget
from adapters.wire.opaque_state import Carried, carry_in_id, wrap_state
from domain.errors import InvalidRequest
from domain.inference.conversation import OpaqueState
from domain.inference.dialect import WireFormat
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


FOREIGN = OpaqueState(origin=WireFormat.GEMINI_GENERATE, data="c2ln")
OWN_THOUGHT = b'{"type":"thinking", "thinking":"mine","signature":"EqQ"}'
CALL = b'{"type":"tool_use","id":"c","name":"now","input":{"a" : 1.50}}'
RESULT = b'{"role":"user","content":[{"type":"tool_result","tool_use_id":"c"}]}'


def thought(signature: str) -> bytes:
    return b'{"type":"thinking","thinking":"hm","signature":"%s"}' % signature.encode()


def asked(*blocks: bytes, rest: bytes = b"", more: bytes = b"") -> bytes:
    """Return a request whose assistant said these blocks."""
    return (
        b'{"model":"m", "messages":[{"role":"user","content":"Hi"},'
        b'{"role":"assistant","content":[%s]}%s]%s}' % (b",".join(blocks), rest, more)
    )


def real(body: bytes) -> bytes:
    return body.replace(b'"m"', b'"claude-real"')


@pytest.mark.parametrize("signature", [wrap_state(FOREIGN), ""])
def test_thoughts_that_anthropic_did_not_sign_are_taken_out(signature: str) -> None:
    redacted = b'{"type":"redacted_thinking","data":"%s"}' % wrap_state(FOREIGN).encode()
    body = asked(thought(signature), OWN_THOUGHT, CALL, redacted, rest=b"," + RESULT)
    assert edited(body) == real(asked(OWN_THOUGHT, CALL, rest=b"," + RESULT))


def test_ids_that_carry_state_are_the_providers_own_again() -> None:
    carried = carry_in_id("c", Carried(state=FOREIGN)).encode()
    rest = b"," + RESULT
    body = asked(CALL, rest=rest).replace(b'"c"', b'"%s"' % carried)
    assert edited(body) == real(asked(CALL, rest=rest))


def test_citations_that_we_made_are_taken_out() -> None:
    cited = b'{"type":"text","text":"a","citations":[{"type":"web_search_result_location",'
    cited += b'"encrypted_index":"","url":"u"}]}'
    assert edited(asked(cited)) == real(asked(b'{"type":"text","text":"a","citations":null}'))


def test_a_turn_of_nothing_but_foreign_thoughts_goes() -> None:
    body = asked(thought(""), rest=b',{"role":"user","content":"Well?"}')
    assert json.loads(edited(body))["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "user", "content": "Well?"},
    ]


BUDGET = b',"thinking":{"type":"enabled","budget_tokens":1024}'


def test_a_running_turn_that_lost_its_thoughts_goes_on_without_thinking() -> None:
    body = asked(thought(""), CALL, rest=b"," + RESULT, more=BUDGET)
    assert edited(body) == real(
        asked(CALL, rest=b"," + RESULT, more=b',"thinking":{"type":"disabled"}')
    )


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (
            asked(thought(""), OWN_THOUGHT, CALL, rest=b"," + RESULT, more=BUDGET),
            asked(OWN_THOUGHT, CALL, rest=b"," + RESULT, more=BUDGET),
        ),
        (
            asked(thought(""), b'{"type":"text","text":"a"}', rest=b",{}", more=BUDGET),
            asked(thought(""), b'{"type":"text","text":"a"}', rest=b",{}", more=BUDGET),
        ),
        (
            asked(thought(""), CALL, rest=b"," + RESULT, more=b',"thinking":{"type":"adaptive"}'),
            asked(CALL, rest=b"," + RESULT, more=b',"thinking":{"type":"adaptive"}'),
        ),
    ],
)
def test_thinking_stays_as_it_is_where_it_can(body: bytes, kept: bytes) -> None:
    assert edited(body) == real(kept)


def test_a_text_about_our_marks_is_not_touched() -> None:
    text = json.dumps({"type": "text", "text": '"twst1_ and "signature":"" and _twid1_ '}).encode()
    body = asked(text, rest=b" ,  " + RESULT)
    assert edited(body) == real(body)


def test_a_conversation_of_anthropics_own_is_not_looked_at() -> None:
    body = asked(OWN_THOUGHT, CALL, rest=b" ,  " + RESULT)
    assert edited(body) == real(body)
