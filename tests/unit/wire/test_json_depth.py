import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.wire.json_depth import exceeds_depth
from tests.unit.wire.json_texts import spellings, values
from tests.unit.wire.reference_json import depth


@given(data=st.data(), value=values, limit=st.integers(0, 6))
def test_depth_agrees_with_a_walk_over_the_decoded_value(
    data: st.DataObject, value: object, limit: int
) -> None:
    text = data.draw(spellings(value)).encode()
    assert exceeds_depth(text, limit) is (depth(json.loads(text)) > limit)


@pytest.mark.parametrize("limit", [2, 7, 8, 9, 64])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_exactly_the_limit_is_allowed(limit: int, opening: bytes, closing: bytes) -> None:
    def nested(levels: int) -> bytes:
        return b"[" + opening * levels + b"1" + closing * levels + b',"[[[[",[],[]]'

    assert not exceeds_depth(nested(limit - 1), limit)
    assert exceeds_depth(nested(limit), limit)


def test_brackets_in_strings_do_not_nest() -> None:
    text = json.dumps(["[" * 5000, '\\"[' * 5000, {"{" * 100: "]"}]).encode()
    assert not exceeds_depth(text, 2)
    assert exceeds_depth(text, 1)


@pytest.mark.parametrize("ending", ["\\", '\\"', "\\\\", '\\\\"', '"'])
def test_backslashes_before_a_quote_are_paired_up(ending: str) -> None:
    flat = json.dumps(["a" + ending, "[[[[", ending, "[[[[", 1]).encode()
    assert not exceeds_depth(flat, 1)
    deep = json.dumps(["a" + ending, [[1]], ending, "x"]).encode()
    assert exceeds_depth(deep, 2)


def test_strings_that_span_the_search_windows_stay_strings() -> None:
    text = json.dumps(["[" * (3 << 20), [["]" * (2 << 20)], 1]]).encode()
    assert not exceeds_depth(text, 3)
    assert exceeds_depth(text, 2)


def test_a_wide_text_is_not_deep() -> None:
    assert not exceeds_depth(b"[" + b"[{}]," * 50_000 + b"1]", 3)
    assert exceeds_depth(b"[" + b"[{}]," * 50_000 + b"[[[]]]]", 3)
