"""Texts that hold state, forged by a client."""

import base64
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.wire.opaque_state import Carried, carry_in_id, split_id, unwrap_state, wrap_state
from domain.inference.conversation import OpaqueState, ThinkingPart
from domain.inference.dialect import WireFormat

GEMINI = WireFormat.GEMINI_GENERATE
NESTED = b"\x91" * 200_000 + b"\xc0"


def packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(zlib.compress(data)).decode().rstrip("=")


@pytest.mark.parametrize("start", [b"\x93\x90\xc0", b"\x91", b"\x84\xa1a"])
def test_state_that_nests_without_end_is_a_text_like_any_other(start: bytes) -> None:
    forged = packed(start + NESTED)
    assert unwrap_state(f"twst1_{forged}") is None
    assert split_id(f"call_1_twid1_{forged}") == (f"call_1_twid1_{forged}", Carried())


def test_a_short_text_does_not_become_a_long_state() -> None:
    state = msgspec.msgpack.encode(OpaqueState(origin=GEMINI, data="x" * 1_000_000))
    forged = packed(state)
    assert len(forged) < 3000
    assert unwrap_state(f"twst1_{forged}") is None


@given(st.text(max_size=20), st.integers(1, 2000))
def test_state_that_repeats_itself_comes_back_all_the_same(text: str, times: int) -> None:
    state = OpaqueState(origin=GEMINI, data=text * times)
    assert unwrap_state(wrap_state(state)) == state
    carried = Carried((ThinkingPart(text=state.data, state=state),), state)
    if text:
        assert split_id(carry_in_id("call_1", carried)) == ("call_1", carried)
