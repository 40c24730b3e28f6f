"""Trace context: what is honoured, what goes on, and ids that can be told beforehand."""

import pytest

from domain.records.trace_context import (
    NO_TRACE,
    TraceContext,
    attempt_span_id,
    new_trace_id,
    read_trace_context,
    server_span_id,
)

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
GIVEN = f"00-{TRACE}-{PARENT}-01".encode()


def test_a_well_formed_header_is_read() -> None:
    context = read_trace_context(GIVEN, b"vendor=1")
    assert context == TraceContext(trace_id=TRACE, parent_id=PARENT, flags=1, state=b"vendor=1")
    assert context.sampled
    assert not read_trace_context(GIVEN[:-1] + b"0").sampled


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"00",
        GIVEN.upper(),
        GIVEN + b"-more",
        b"ff" + GIVEN[2:],
        GIVEN.replace(TRACE.encode(), b"0" * 32),
        GIVEN.replace(PARENT.encode(), b"0" * 16),
        GIVEN + b"\n",
        b" " + GIVEN,
    ],
)
def test_anything_else_counts_as_none(header: bytes) -> None:
    assert read_trace_context(header, b"vendor=1") is NO_TRACE


def test_a_later_version_is_read_as_far_as_this_one_goes() -> None:
    assert read_trace_context(b"01" + GIVEN[2:] + b"-more").trace_id == TRACE


@pytest.mark.parametrize("state", [b"a=1\r\nx-evil: 1", b"a=\xff", b"x" * 513])
def test_a_state_that_is_no_header_is_left_out(state: bytes) -> None:
    assert read_trace_context(GIVEN, state).state == b""


def test_without_a_trace_nothing_goes_upstream() -> None:
    assert NO_TRACE.upstream_headers("event", 0) == ()


def test_who_does_not_take_part_passes_the_trace_on() -> None:
    context = read_trace_context(GIVEN, b"vendor=1")
    expected = ((b"traceparent", GIVEN), (b"tracestate", b"vendor=1"))
    assert context.upstream_headers("event", 3) == expected


def test_who_takes_part_is_the_parent_of_what_happens_upstream() -> None:
    context = TraceContext(trace_id=TRACE, parent_id=PARENT, recorded=True)
    ((_, header),) = context.upstream_headers("event", 1)
    assert header == f"00-{TRACE}-{attempt_span_id('event', 1)}-01".encode()


def test_ids_follow_from_the_record_and_differ() -> None:
    ids = {server_span_id("a"), attempt_span_id("a", 0), attempt_span_id("a", 1)}
    ids |= {server_span_id("b"), attempt_span_id("b", 0)}
    assert len(ids) == 5
    assert attempt_span_id("a", 0) == attempt_span_id("a", 0)
    assert {len(one) for one in ids} == {16}
    assert len(new_trace_id("a")) == 32


def test_new_traces_are_spread_evenly_for_samplers_that_go_by_their_last_bits() -> None:
    last = [int(new_trace_id(f"0190a0b0-0000-7000-8000-{n:012}")[16:], 16) for n in range(4000)]
    sampled = sum(value < 2**64 // 4 for value in last)
    assert 900 < sampled < 1100
