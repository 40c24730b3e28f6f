"""Frames read and written here are those of botocore's own parser."""

import itertools
from typing import Any, cast
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.wire.aws_event_stream import FrameReader, read_headers, write_frame
from domain.errors import UpstreamProtocolError

HEADERS = {
    ":event-type": "contentBlockDelta",
    ":content-type": "application/json",
    ":message-type": "event",
}
_NAMES = st.text(min_size=1, max_size=20).filter(lambda name: len(name.encode()) < 256)
ANY_HEADERS = st.dictionaries(_NAMES, st.text(max_size=40), max_size=4)
FRAMES = st.lists(st.builds(write_frame, ANY_HEADERS, st.binary(max_size=60)), max_size=5)


def by_botocore(stream: bytes) -> list[Any]:
    buffer = cast("Any", EventStreamBuffer())
    buffer.add_data(stream)
    return list(buffer)


def read(stream: bytes, *cuts: int) -> list[tuple[bytes, bytes]]:
    reader = FrameReader()
    bounds = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    frames = [
        frame
        for start, end in itertools.pairwise(bounds)
        for frame in reader.feed(stream[start:end])
    ]
    assert not reader.holding
    return [(frame.raw, frame.payload) for frame in frames]


@settings(deadline=None)
@given(headers=ANY_HEADERS, payload=st.binary(max_size=200))
def test_botocore_reads_the_frames_that_are_written(
    headers: dict[str, str], payload: bytes
) -> None:
    (message,) = by_botocore(write_frame(headers, payload))
    assert message.headers == headers
    assert message.payload == payload


@settings(deadline=None)
@given(frames=FRAMES, cuts=st.lists(st.integers(0, 2000), max_size=10))
def test_frames_are_those_of_botocore_however_the_stream_is_cut(
    frames: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(frames)
    found = read(stream, *cuts)
    assert [raw for raw, _ in found] == frames
    assert [payload for _, payload in found] == [each.payload for each in by_botocore(stream)]


@settings(deadline=None)
@given(frames=FRAMES.filter(bool), place=st.integers(0, 10_000), change=st.integers(1, 255))
def test_a_changed_byte_anywhere_is_noticed(frames: list[bytes], place: int, change: int) -> None:
    stream = bytearray(b"".join(frames))
    stream[place % len(stream)] ^= change
    reader = FrameReader(max_frame_bytes=1000)
    seen: list[bytes] = []
    with pytest.raises(UpstreamProtocolError):
        seen += (frame.raw for frame in reader.feed(bytes(stream)))
    # What stood before it is good.
    assert frames[: len(seen)] == seen


@settings(deadline=None)
@given(block=st.binary(max_size=60))
def test_headers_are_read_as_botocore_reads_them_or_refused(block: bytes) -> None:
    try:
        found = read_headers(block)
    except UpstreamProtocolError:
        return
    lengths = (len(block) + 16).to_bytes(4, "big") + len(block).to_bytes(4, "big")
    message = lengths + crc32(lengths).to_bytes(4, "big") + block
    (same,) = by_botocore(message + crc32(message).to_bytes(4, "big"))
    assert same.headers == found


@pytest.mark.parametrize(
    "stream", [b"<html><body>", b"data: {}\n\n  ", b'{"message":"no"}', bytes(12)]
)
def test_other_formats_are_noticed_with_the_first_twelve_bytes(stream: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        list(FrameReader().feed(stream))


def test_a_giant_frame_is_refused_before_it_arrives() -> None:
    lengths = (17 * 1024 * 1024).to_bytes(4, "big") + bytes(4)
    with pytest.raises(UpstreamProtocolError) as caught:
        list(FrameReader().feed(lengths + crc32(lengths).to_bytes(4, "big")))
    assert "larger" in caught.value.detail


@pytest.mark.parametrize(("length", "headers"), [(15, 0), (16, 1), (0, 0), (300_000, 200_000)])
def test_impossible_lengths_are_refused(length: int, headers: int) -> None:
    lengths = length.to_bytes(4, "big") + headers.to_bytes(4, "big")
    with pytest.raises(UpstreamProtocolError):
        list(FrameReader().feed(lengths + crc32(lengths).to_bytes(4, "big") + bytes(300_000)))


def test_what_is_still_to_come_of_a_frame_is_waited_for() -> None:
    frame = write_frame(HEADERS, b"{}")
    reader = FrameReader()
    assert list(reader.feed(frame[:-1])) == []
    assert reader.holding
    (found,) = reader.feed(frame[-1:])
    assert found.raw == frame
    assert (found.head.kind, found.head.name) == ("event", "contentBlockDelta")
    assert not reader.holding


def test_a_large_frame_in_small_chunks_is_put_together_once() -> None:
    frame = write_frame(HEADERS, b"x" * 4_000_000)
    reader = FrameReader()
    chunks = [frame[start : start + 16_384] for start in range(0, len(frame), 16_384)]
    found = [each for chunk in chunks for each in reader.feed(chunk)]
    assert [each.raw == frame for each in found] == [True]


@pytest.mark.parametrize(
    ("headers", "head"),
    [
        ({":message-type": "exception", ":exception-type": "x"}, ("exception", "x", "")),
        (
            {":message-type": "error", ":error-code": "500", ":error-message": "No."},
            ("error", "500", "No."),
        ),
        ({}, ("", "", "")),
    ],
)
def test_exceptions_and_errors_say_their_names(
    headers: dict[str, str], head: tuple[str, str, str]
) -> None:
    (frame,) = FrameReader().feed(write_frame(headers, b""))
    assert (frame.head.kind, frame.head.name, frame.head.message) == head
