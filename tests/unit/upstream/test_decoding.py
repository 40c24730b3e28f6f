"""Removal of content codings from bodies in pieces."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.upstream.decoding import MAX_STEP, decoder_for
from domain.errors import UpstreamProtocolError


def raw_deflate(body: bytes) -> bytes:
    coder = zlib.compressobj(wbits=-15)
    return coder.compress(body) + coder.flush()


def decode(coding: bytes, pieces: list[bytes]) -> list[bytes]:
    decoder = decoder_for([(b"content-encoding", coding)])
    assert decoder is not None
    steps: list[bytes] = []
    for piece in pieces:
        decoder.feed(piece)
        while step := decoder.step():
            steps.append(step)
    decoder.finish()
    return steps


@given(
    body=st.binary(max_size=2000),
    repeat=st.integers(1, 200),
    size=st.integers(1, 500),
    form=st.sampled_from(["gzip", "members", "zlib", "raw"]),
)
def test_any_split_gives_the_body_in_bounded_steps(
    body: bytes, repeat: int, size: int, form: str
) -> None:
    body *= repeat
    encoded = {
        "gzip": gzip.compress(body),
        "members": gzip.compress(body[:10]) + gzip.compress(body[10:]),
        "zlib": zlib.compress(body),
        "raw": raw_deflate(body),
    }[form]
    coding = b"gzip" if form in ("gzip", "members") else b"deflate"
    pieces = [encoded[at : at + size] for at in range(0, len(encoded), size)]
    steps = decode(coding, pieces)
    assert b"".join(steps) == body
    assert all(0 < len(step) <= MAX_STEP for step in steps)


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
@pytest.mark.parametrize("size", [MAX_STEP - 1, MAX_STEP, MAX_STEP + 1, 3 * MAX_STEP])
def test_a_body_that_fills_a_step_exactly_is_complete(coding: bytes, size: int) -> None:
    encoded = (gzip if coding == b"gzip" else zlib).compress(bytes(size))
    assert b"".join(decode(coding, [encoded])) == bytes(size)


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
def test_every_cut_is_noticed(coding: bytes) -> None:
    encoded = (gzip if coding == b"gzip" else zlib).compress(b"some text, some text")
    for end in range(1, len(encoded)):
        with pytest.raises(UpstreamProtocolError):
            decode(coding, [encoded[:end]])


@given(st.binary(min_size=1, max_size=200))
def test_rubbish_is_a_protocol_error_or_nothing_worse(rubbish: bytes) -> None:
    for coding in (b"gzip", b"deflate"):
        try:
            decode(coding, [rubbish])
        except UpstreamProtocolError:
            continue


@pytest.mark.parametrize("value", [b"identity", b"", b" Identity , identity"])
def test_identity_needs_no_decoder(value: bytes) -> None:
    assert decoder_for([(b"content-encoding", value)]) is None
    assert decoder_for([(b"content-type", b"gzip")]) is None


@pytest.mark.parametrize("values", [[b"br"], [b"gzip, deflate"], [b"gzip", b"gzip"], [b"x"]])
def test_unknown_and_stacked_codings_are_refused(values: list[bytes]) -> None:
    with pytest.raises(UpstreamProtocolError):
        decoder_for([(b"content-encoding", value) for value in values])
