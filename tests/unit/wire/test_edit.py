import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from adapters.wire.opaque_state import Carried, carry_in_id
from adapters.wire.openai_chat.edit import OutputBound, edit_request
from domain.errors import InvalidRequest
from domain.inference.conversation import OpaqueState
from domain.inference.dialect import WireFormat
from tests.unit.wire.json_texts import spellings, texts, values
from tests.unit.wire.reference_json import members

stream_options = st.one_of(
    st.none(),
    st.builds(dict[str, Any]),
    st.fixed_dictionaries(
        {}, optional={"include_usage": st.sampled_from((None, True, False)), "x": values}
    ),
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Bodies with a literal `model` somewhere among any other members, at any depth."""
    others: dict[str, Any] = draw(st.dictionaries(texts, values, max_size=5))
    given: dict[str, Any] = others | {"model": draw(texts)}
    given.pop("stream_options", None)
    if draw(st.booleans()):
        given["stream_options"] = draw(stream_options)
    written = [
        f"{json.dumps(name)} : {draw(spellings(value, escapes=name != 'stream_options'))}"
        for name, value in draw(st.permutations(list(given.items())))
    ]
    return (" {" + draw(st.sampled_from((",", ", ", "\n,"))).join(written) + "}\n").encode()


@given(body=requests(), model=texts, ask=st.booleans())
def test_an_edit_changes_the_named_members_and_not_one_byte_more(
    body: bytes, model: str, ask: bool
) -> None:
    text = body.decode()
    before = {name: (start, end) for name, start, end in members(text)}
    options = before.get("stream_options")
    if options and ask:
        inner = text[slice(*options)]
        assume('"include_usage"' in inner or "include_usage" not in (json.loads(inner) or {}))

    edited = edit_request(body, model=model, ask_for_usage=ask).decode()

    wanted = json.loads(text) | {"model": model}
    if ask:
        wanted["stream_options"] = (wanted.get("stream_options") or {}) | {"include_usage": True}
    assert json.loads(edited) == wanted

    after = {name: (start, end) for name, start, end in members(edited)}
    assert list(after) == [
        name
        for old in before
        for name in (
            [old, "stream_options"] if old == "model" and ask and options is None else [old]
        )
    ]
    changed: set[str] = {"model"} | {"stream_options" if ask else "model"}
    for name in before.keys() - changed:
        assert edited[slice(*after[name])] == text[slice(*before[name])]
    assert _without(edited, after, changed) == _without(text, before, changed)


def _without(text: str, places: dict[str, tuple[int, int]], names: set[str]) -> str:
    """Return the text with the values of `names` blanked and an inserted member taken out."""
    for name in sorted(names & places.keys(), key=lambda name: -places[name][0]):
        start, end = places[name]
        text = text[:start] + "?" + text[end:]
    return text.replace(',"stream_options":?', "")


@pytest.mark.parametrize(
    ("body", "edited"),
    [
        (b'{"model":"a"}', b'{"model":"m","stream_options":{"include_usage":true}}'),
        (
            b'{"model":"a","stream_options":null}',
            b'{"model":"m","stream_options":{"include_usage":true}}',
        ),
        (
            b'{"stream_options" : { } , "model": "a"}',
            b'{"stream_options" : {"include_usage":true } , "model": "m"}',
        ),
        (
            b'{"model":"a","stream_options":{"include_obfuscation":false}}',
            b'{"model":"m","stream_options":{"include_usage":true,"include_obfuscation":false}}',
        ),
        (
            b'{"model":"a","stream_options":{"include_usage" : false}}',
            b'{"model":"m","stream_options":{"include_usage" : true}}',
        ),
        (
            b'{"messages":[{"stream_options":{},"model":"b"}],"model":"a"}',
            (
                b'{"messages":[{"stream_options":{},"model":"b"}],"model":"m",'
                b'"stream_options":{"include_usage":true}}'
            ),
        ),
    ],
)
def test_usage_is_asked_for_beside_the_other_stream_options(body: bytes, edited: bytes) -> None:
    assert edit_request(body, model="m", ask_for_usage=True) == edited


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a","model":"b"}',
        b'{"model":"a","x":{"model":"c"},"model":"b"}',
        b'{"\\u006dodel":"a"}',
        b'{"model":"a","mod\\u0065l":"b"}',
        b'{"mod\\u0065l":"a","x":{"model":"c"}}',
        b'{"model":"a","stream_options":{},"stream_options":{}}',
        b'{"model":"a","stream_options":{"include_usage":false,"include_usage":false}}',
        b'{"model":"a","stream_options":{"include_us\\u0061ge":false}}',
        b'{"x":{"model":"a"}}',
    ],
)
def test_a_body_that_others_could_read_differently_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        edit_request(body, model="m", ask_for_usage=True)


def test_names_in_values_and_nested_objects_are_left_alone() -> None:
    rest = (
        b'{"messages":[{"role":"model","content":"\\"model\\":\\"x\\"","model":"inner"}],'
        b'"tools":[{"properties":{"model":{"type":"string"},"n":"model"}}],"a\\"model":1,'
    )
    body = rest + b'"model":"outer","z":{"model":[]}}'
    edited = edit_request(body, model="new", ask_for_usage=False)
    assert edited == rest + b'"model":"new","z":{"model":[]}}'


def test_a_model_name_is_written_as_json() -> None:
    edited = edit_request(b'{"model":"a"}', model='a"b\\c/é', ask_for_usage=False)
    assert json.loads(edited) == {"model": 'a"b\\c/é'}


@pytest.mark.parametrize(
    ("body", "name", "edited"),
    [
        (b'{"model":"a"}', "max_tokens", b'{"model":"m","max_tokens":7}'),
        (b'{"max_tokens" : null,"model":"a"}', "max_tokens", b'{"max_tokens" : 7,"model":"m"}'),
        (
            b'{"max_tokens":0,"model":"a","x":{"max_tokens":5}}',
            "max_completion_tokens",
            b'{"max_tokens":null,"model":"m","max_completion_tokens":7,"x":{"max_tokens":5}}',
        ),
        (
            b'{"max_tokens":9,"model":"a","max_completion_tokens":-1}',
            "max_completion_tokens",
            b'{"max_tokens":null,"model":"m","max_completion_tokens":7}',
        ),
    ],
)
def test_a_bound_is_written_once_under_one_name(body: bytes, name: str, edited: bytes) -> None:
    bound = OutputBound(name, 7)
    assert edit_request(body, model="m", ask_for_usage=False, bound=bound) == edited


def test_a_bound_and_usage_are_asked_for_together() -> None:
    edited = edit_request(
        b'{"model":"a"}', model="m", ask_for_usage=True, bound=OutputBound("max_tokens", 7)
    )
    assert json.loads(edited) == {
        "model": "m",
        "stream_options": {"include_usage": True},
        "max_tokens": 7,
    }


def test_state_of_another_vendor_is_taken_off_the_ids_of_calls_and_nothing_else_is_touched() -> (
    None
):
    state = OpaqueState(origin=WireFormat.ANTHROPIC_MESSAGES, data="c2ln")
    carrying = carry_in_id("toolu_é1", Carried(state=state)).encode()
    template = (
        b'{"model":"%b","messages":[{"role":"assistant","content":"say \\"id\\":\\"%b\\" %b",'
        b'"tool_calls":[{"id" :\n"%b","type":"function","function":{"name":"f","arguments":"{}"}}]},'
        b'{"role":"tool","tool_call_id":"%b","content":"x"},{"id":"mine_twid1_AAAA"}]}'
    )
    plain = "toolu_é1".encode()
    body = template % (b"public", carrying, carrying, carrying, carrying)

    edited = edit_request(body, model="gpt-5", ask_for_usage=False)

    assert edited == template % (b"gpt-5", carrying, carrying, plain, plain)
