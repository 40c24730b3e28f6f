import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.wire.sse import EventSplitter, write_event
from domain.errors import UpstreamProtocolError

LIMIT = 1 << 20


def reference(stream: bytes) -> list[tuple[bytes, bytes]]:
    """Return (name, data) of the dispatched events, by the letter of the standard."""
    events: list[tuple[bytes, bytes]] = []
    name, data = b"", b""
    for line in complete_lines(stream.removeprefix(b"\xef\xbb\xbf")):
        field, colon, value = line.partition(b":")
        if colon and value.startswith(b" "):
            value = value[1:]
        if not line:
            if data:
                events.append((name, data[:-1]))
            name, data = b"", b""
        elif field == b"event":
            name = value
        elif field == b"data":
            data += value + b"\n"
    return events


def complete_lines(stream: bytes) -> list[bytes]:
    """Return the lines that have an end; a last one without is discarded with its event."""
    lines: list[bytes] = []
    at = 0
    while True:
        ends = [end for end in (stream.find(b"\r", at), stream.find(b"\n", at)) if end >= 0]
        if not ends:
            return lines
        end = min(ends)
        lines.append(stream[at:end])
        at = end + 2 if stream[end : end + 2] == b"\r\n" else end + 1


line = st.one_of(
    st.sampled_from(
        [b"data", b"data:", b"data: ", b"data:  x", b"data:x", b": comment", b":", b"event: error",
         b"event:a", b"id: 1", b"retry: 5", b"datax: 1", b"data : 1", b"nonsense", b"Data: 1"]
    ),
    st.text(alphabet="ab: 你😀", max_size=6).map(lambda text: b"data: " + text.encode()),
)  # fmt: skip
line_ends = st.sampled_from([[b"\n"], [b"\n", b"\r", b"\r\n"]])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    bom = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    line_end = st.sampled_from(draw(line_ends))  # LF alone is read in a way of its own
    return bom + b"".join(
        draw(line) + draw(line_end) * draw(st.integers(1, 3))
        for _ in range(draw(st.integers(0, 20)))
    )


def split(stream: bytes, cuts: list[int]) -> list[bytes]:
    bounds = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[start:end] for start, end in itertools.pairwise(bounds)]


@given(stream=streams(), cuts=st.lists(st.integers(0, 500), max_size=20))
@example(stream=b"data: a\r\n\r\ndata: b\n\n", cuts=[9, 10, 11])
@example(stream=b"data: a\r\rdata: b\r\r", cuts=[])
@example(stream=b"data: a\n\n\n\ndata: b\n\n\n", cuts=[8])
def test_any_split_of_a_stream_gives_the_events_of_the_standard(
    stream: bytes, cuts: list[int]
) -> None:
    splitter = EventSplitter(LIMIT)
    events = [event for part in split(stream, cuts) for event in splitter.feed(part)]
    rest = splitter.finish()
    assert b"".join(event.raw for event in events) + (rest.raw if rest else b"") == stream
    assert [(event.name, event.data) for event in events if event.data is not None] == reference(
        stream
    )


def test_an_event_is_handed_on_with_the_byte_that_completes_it() -> None:
    for end in (b"\n\n", b"\r\r", b"\r\n\r"):
        splitter = EventSplitter(LIMIT)
        assert splitter.feed(b"data: x" + end[:-1]) == []
        (event,) = splitter.feed(end[-1:])
        assert event.data == b"x"


def test_a_late_line_feed_belongs_to_the_line_end_before_it() -> None:
    splitter = EventSplitter(LIMIT)
    assert [event.data for event in splitter.feed(b"data: x\r\n\r")] == [b"x"]
    assert [event.data for event in splitter.feed(b"\ndata: y\r\n\r\n")] == [b"y"]


def test_an_event_without_end_is_refused_at_the_limit() -> None:
    splitter = EventSplitter(1000)
    splitter.feed(b"data: " + b"x" * 900)
    with pytest.raises(UpstreamProtocolError):
        splitter.feed(b"x" * 200)


def test_the_unfinished_end_of_a_stream_can_be_looked_at() -> None:
    splitter = EventSplitter(LIMIT)
    assert splitter.feed(b"data: a\n\ndata: [DONE]\n")[0].data == b"a"
    rest = splitter.finish()
    assert rest is not None
    assert rest.data == b"[DONE]"
    assert splitter.finish() is None


@given(
    data=st.binary(max_size=40),
    name=st.sampled_from(["", "error"]),
    cuts=st.lists(st.integers(0, 99)),
)
def test_what_is_written_is_read_back(data: bytes, name: str, cuts: list[int]) -> None:
    splitter = EventSplitter(LIMIT)
    (event,) = [
        found for part in split(write_event(data, name), cuts) for found in splitter.feed(part)
    ]
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert (event.name, event.data) == (name.encode(), lines)
