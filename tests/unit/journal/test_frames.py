"""The framing: damage is found wherever it strikes and costs no more than it touches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.journal.frames import HEADER_SIZE, MAGIC, Frame, Gap, Kind, frame, parse

BEFORE, VICTIM, AFTER = b'{"n":1}', b'{"n":2,"t":"\xc3\xa9"}', b'{"n":3}'
FRAMES = [frame(Kind.OPEN, BEFORE), frame(Kind.CLOSE, VICTIM), frame(Kind.CLOSE, AFTER)]
WHOLE = b"".join(FRAMES)


def payloads(data: bytes, *, complete: bool = True) -> list[bytes]:
    return [item.payload for item in parse(data, complete=complete) if isinstance(item, Frame)]


def gaps(data: bytes, *, complete: bool = True) -> list[Gap]:
    return [item for item in parse(data, complete=complete) if isinstance(item, Gap)]


def test_frames_come_back_with_kind_and_end() -> None:
    assert list(parse(WHOLE, complete=True)) == [
        Frame(Kind.OPEN, BEFORE, len(FRAMES[0])),
        Frame(Kind.CLOSE, VICTIM, len(FRAMES[0]) + len(FRAMES[1])),
        Frame(Kind.CLOSE, AFTER, len(WHOLE)),
    ]


@pytest.mark.parametrize("offset", range(len(FRAMES[1])))
def test_a_flipped_bit_anywhere_costs_exactly_the_frame_it_hits(offset: int) -> None:
    for bit in range(8):
        damaged = bytearray(WHOLE)
        damaged[len(FRAMES[0]) + offset] ^= 1 << bit
        assert payloads(bytes(damaged)) == [BEFORE, AFTER]
        assert gaps(bytes(damaged)) == [Gap(len(FRAMES[0]) + len(FRAMES[1]), torn=False)]


@pytest.mark.parametrize("length", range(len(FRAMES[2])))
def test_a_torn_last_frame_is_cut_at_every_length(length: int) -> None:
    torn = WHOLE[: len(WHOLE) - len(FRAMES[2]) + length]
    assert payloads(torn) == [BEFORE, VICTIM]
    assert gaps(torn) == ([Gap(len(torn), torn=True)] if length else [])


@pytest.mark.parametrize("zeros", [1, HEADER_SIZE, 4096])
def test_zeros_that_a_power_cut_leaves_behind_are_a_torn_end(zeros: int) -> None:
    assert payloads(WHOLE + bytes(zeros)) == [BEFORE, VICTIM, AFTER]
    assert gaps(WHOLE + bytes(zeros)) == [Gap(len(WHOLE) + zeros, torn=True)]


@pytest.mark.parametrize("length", range(1, len(WHOLE)))
def test_an_unfinished_read_stops_before_the_first_unfinished_frame(length: int) -> None:
    ends = [len(FRAMES[0]), len(FRAMES[0]) + len(FRAMES[1])]
    items = list(parse(WHOLE[:length], complete=False))
    assert [item.end for item in items] == [end for end in ends if end <= length]
    assert all(isinstance(item, Frame) for item in items)


def test_a_kind_of_the_future_is_damage_not_data() -> None:
    stranger = bytearray(FRAMES[1])
    stranger[len(MAGIC)] = ord("X")
    assert payloads(FRAMES[0] + bytes(stranger) + FRAMES[2]) == [BEFORE, AFTER]


def test_a_frame_whose_length_points_past_the_end_hides_nothing_behind_it() -> None:
    huge = bytearray(FRAMES[1])
    huge[4:8] = (1000).to_bytes(4, "little")
    assert payloads(FRAMES[0] + bytes(huge) + FRAMES[2]) == [BEFORE, AFTER]


@given(st.lists(st.text().map(str.encode), max_size=6), st.binary(max_size=40))
def test_garbage_at_the_end_never_becomes_a_record(texts: list[bytes], garbage: bytes) -> None:
    data = b"".join(frame(Kind.CLOSE, text) for text in texts)
    assert payloads(data + garbage) == texts


@given(st.lists(st.text(min_size=1).map(str.encode), min_size=1, max_size=6), st.data())
def test_any_single_damage_costs_at_most_one_frame(texts: list[bytes], data: st.DataObject) -> None:
    whole = bytearray(b"".join(frame(Kind.CLOSE, text) for text in texts))
    offset = data.draw(st.integers(0, len(whole) - 1))
    whole[offset] ^= data.draw(st.integers(1, 255))
    found = payloads(bytes(whole))
    assert len(found) == len(texts) - 1
    assert len(gaps(bytes(whole))) == 1
