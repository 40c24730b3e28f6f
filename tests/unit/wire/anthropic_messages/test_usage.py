"""Invoices: what Anthropic reports, and what was used of each kind."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from adapters.wire.anthropic_messages.usage import UsageTally
from domain.accounting.usage import KINDS, TokenUsage


def tally(*reports: Any) -> UsageTally:
    found = UsageTally()
    for report in reports:
        found.note(Raw(msgspec.json.encode(report)))
    return found


def run(kind: str, tokens_in: int, tokens_out: int, **more: int) -> dict[str, Any]:
    return {"type": kind, "input_tokens": tokens_in, "output_tokens": tokens_out, **more}


@pytest.mark.parametrize(
    ("report", "usage"),
    [
        pytest.param(
            {"input_tokens": 10, "output_tokens": 20},
            TokenUsage(input_uncached=10, output=20),
            id="plain",
        ),
        pytest.param(
            {
                "input_tokens": 50,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 100_000,
                "output_tokens": 503,
            },
            TokenUsage(input_uncached=50, cache_read=100_000, output=503),
            id="cache read on top of the input",
        ),
        pytest.param(
            {
                "input_tokens": 2048,
                "cache_read_input_tokens": 1800,
                "cache_creation_input_tokens": 248,
                "output_tokens": 503,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 148,
                    "ephemeral_1h_input_tokens": 100,
                },
            },
            TokenUsage(
                input_uncached=2048,
                cache_read=1800,
                cache_write_5m=148,
                cache_write_1h=100,
                output=503,
            ),
            id="cache written for both times",
        ),
        pytest.param(
            {"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": 9},
            TokenUsage(input_uncached=1, output=1, cache_write_5m=9),
            id="cache written, nobody says for how long",
        ),
        pytest.param(
            {
                "input_tokens": 1,
                "output_tokens": 1,
                "cache_creation": {"ephemeral_1h_input_tokens": 9},
            },
            TokenUsage(input_uncached=1, output=1, cache_write_1h=9),
            id="cache written for an hour, without the total",
        ),
        pytest.param(
            {
                "input_tokens": 30,
                "output_tokens": 1206,
                "output_tokens_details": {"thinking_tokens": 1192},
            },
            TokenUsage(input_uncached=30, output=14, reasoning=1192),
            id="thinking is part of the output",
        ),
        pytest.param(
            {
                "input_tokens": 30,
                "output_tokens": 10,
                "output_tokens_details": {"thinking_tokens": 12},
            },
            TokenUsage(input_uncached=30, reasoning=10),
            id="more thinking than output cannot be",
        ),
        pytest.param(
            {
                "input_tokens": 23_000,
                "output_tokens": 1000,
                "iterations": [run("compaction", 180_000, 3500), run("message", 23_000, 1000)],
            },
            TokenUsage(input_uncached=203_000, output=4500),
            id="summing up a context comes on top",
        ),
        pytest.param(
            {
                "input_tokens": 5,
                "output_tokens": 6,
                "iterations": [
                    run("advisor_message", 100, 50, cache_read_input_tokens=7),
                    run("message", 5, 6),
                ],
            },
            TokenUsage(input_uncached=105, output=56, cache_read=7),
            id="so does another model's advice",
        ),
        pytest.param({}, None, id="nothing said"),
        pytest.param({"input_tokens": None, "output_tokens": None}, None, id="nulls"),
        pytest.param({"input_tokens": "10", "output_tokens": 20}, None, id="texts"),
        pytest.param([1], None, id="a list"),
        pytest.param({"input_tokens": -5, "output_tokens": 2}, TokenUsage(output=2), id="negative"),
        pytest.param(
            {"input_tokens": 2**60, "output_tokens": 2}, TokenUsage(output=2), id="absurd"
        ),
    ],
)
def test_usage_is_taken_apart(report: Any, usage: TokenUsage | None) -> None:
    assert tally(report).usage == usage


def test_the_end_of_a_stream_completes_what_its_start_said() -> None:
    start = {
        "input_tokens": 2679,
        "cache_creation_input_tokens": 500,
        "cache_read_input_tokens": 40,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 400},
        "output_tokens": 3,
        "service_tier": "standard",
    }
    found = tally(start, {"output_tokens": 510})
    assert found.usage == TokenUsage(
        input_uncached=2679, cache_read=40, cache_write_5m=100, cache_write_1h=400, output=510
    )
    assert found.service_tier == "default"


def test_totals_at_the_end_replace_those_of_the_start() -> None:
    start = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 500,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 400},
        "output_tokens": 3,
    }
    end = {
        "input_tokens": 10_682,
        "cache_creation_input_tokens": 900,
        "cache_read_input_tokens": 5,
        "output_tokens": 510,
    }
    assert tally(start, end).usage == TokenUsage(
        input_uncached=10_682, cache_read=5, cache_write_5m=500, cache_write_1h=400, output=510
    )


def test_a_report_that_cannot_be_read_takes_nothing_away() -> None:
    assert tally({"input_tokens": 1, "output_tokens": 2}, "?").usage == TokenUsage(
        input_uncached=1, output=2
    )


NUMBERS = st.none() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=2)


@settings(deadline=None)
@given(
    report=st.dictionaries(
        st.sampled_from(
            ["input_tokens", "output_tokens", "cache_creation_input_tokens", "iterations", "x"]
        ),
        NUMBERS | st.lists(st.dictionaries(st.sampled_from(["type", "output_tokens"]), NUMBERS)),
    )
)
def test_whatever_is_reported_no_count_is_negative(report: dict[str, Any]) -> None:
    usage = tally(report).usage
    if usage is not None:
        assert all(getattr(usage, kind) >= 0 for kind in KINDS)
