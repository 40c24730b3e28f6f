"""Telemetry and MetricsPage: counted, summed over processes, bounded in labels."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import structs

from adapters.telemetry.bounded import MOST_CHILDREN, MOST_VALUES
from adapters.telemetry.metrics import MOST_TIMED, PrometheusTelemetry
from adapters.telemetry.none import NoTelemetry
from application.ports.telemetry import MetricsPage, Telemetry
from domain.records.events import Outcome
from entrypoints.metrics import forget_process
from tests.support.processes import python_environment
from tests.support.request_records import make_record


@pytest.fixture(params=[NoTelemetry, PrometheusTelemetry])
def telemetry(request: pytest.FixtureRequest) -> Telemetry:
    return request.param()


def sample(page: bytes, name: str, **labels: str) -> float | None:
    """Return the value of one sample, None when it is not on the page."""
    wanted = {f'{label}="{value}"' for label, value in labels.items()}
    for line in page.decode().splitlines():
        found = re.fullmatch(r"([a-z_]+)(?:\{(.*)\})? (\S+)", line)
        if found and found[1] == name:
            given = set((found[2] or "").split(",")) - {""}
            if given == wanted:
                return float(found[3])
    return None


def test_every_event_can_be_told(telemetry: Telemetry) -> None:
    telemetry.request_began()
    telemetry.request_ended(make_record(), model="gpt-4o")
    telemetry.request_ended(
        make_record(outcome=Outcome.DENIED, provider="", model_requested="\ud800"), model=""
    )
    telemetry.breaker_state("gpt-4o/openai", 2)
    telemetry.sink_lag("clickhouse", 1.5)
    telemetry.journal_size(4096)
    telemetry.rate_limited('user:requests/1m"\n')
    telemetry.rules_failed_open()
    telemetry.budgets_failed_open()
    telemetry.failed_closed()
    telemetry.budget_alert("user", "monthly", 80)
    telemetry.record_lost("requests", "unopened")


WHOSE = {"model": "gpt-4o", "provider": "openai"}


def test_a_request_counts_with_its_tokens_and_cost() -> None:
    metrics = PrometheusTelemetry()
    record = make_record(
        route_id="r1", tokens_input_uncached=11, tokens_output=7, cost_nano_usd=2_500_000_000
    )
    metrics.request_ended(record, model="gpt-4o")
    metrics.request_ended(record, model="gpt-4o")
    page = metrics.render()
    how = {"surface": "ai_gateway", "status": "200", "outcome": "ok", "stream": "false"}
    assert sample(page, "gateway_requests_total", **how, **WHOSE) == 2
    assert sample(page, "gateway_tokens_total", kind="input_uncached", **WHOSE) == 22
    assert sample(page, "gateway_tokens_total", kind="output", **WHOSE) == 14
    assert sample(page, "gateway_tokens_total", kind="cache_read", **WHOSE) is None
    assert sample(page, "gateway_cost_usd_total", **WHOSE) == 5.0


def test_a_request_is_in_flight_until_it_ends() -> None:
    metrics = PrometheusTelemetry()
    metrics.request_began()
    metrics.request_began()
    metrics.request_ended(make_record(), model="gpt-4o")
    assert sample(metrics.render(), "gateway_in_flight") == 1


def test_times_are_seconds_in_buckets_from_under_a_millisecond_to_minutes() -> None:
    metrics = PrometheusTelemetry()
    record = make_record(
        route_id="r1", stream=True, duration_ms=95_000.0, ttft_ms=640.0, gateway_ms=0.4
    )
    metrics.request_ended(record, model="gpt-4o")
    page = metrics.render()
    of = {"stream": "true", **WHOSE}
    assert sample(page, "gateway_request_duration_seconds_sum", **of) == 95.0
    assert sample(page, "gateway_request_duration_seconds_bucket", le="60.0", **of) == 0
    assert sample(page, "gateway_request_duration_seconds_bucket", le="120.0", **of) == 1
    assert sample(page, "gateway_time_to_first_token_seconds_bucket", le="0.5", **of) == 0
    assert sample(page, "gateway_time_to_first_token_seconds_bucket", le="0.75", **of) == 1
    assert sample(page, "gateway_overhead_seconds_bucket", le="0.00025") == 0
    assert sample(page, "gateway_overhead_seconds_bucket", le="0.0005") == 1


def test_a_refusal_is_no_sample_of_what_an_answer_takes() -> None:
    metrics = PrometheusTelemetry()
    refused = make_record(provider="", route_id="", ttft_ms=None, attempts=(), status=429)
    metrics.request_ended(refused, model="gpt-4o")
    page = metrics.render()
    of = {"model": "gpt-4o", "provider": "none", "stream": "false"}
    assert sample(page, "gateway_request_duration_seconds_count", **of) == 1
    assert sample(page, "gateway_overhead_seconds_count") == 0
    assert b"gateway_time_to_first_token_seconds_count" not in page


def test_every_attempt_counts_for_its_provider_with_what_became_of_it() -> None:
    metrics = PrometheusTelemetry()
    (attempt,) = make_record().attempts
    failed = structs.replace(attempt, provider="other", status=503, error_class="overloaded")
    metrics.request_ended(make_record(attempts=(failed, failed, attempt)), model="gpt-4o")
    page = metrics.render()
    name = "gateway_provider_attempts_total"
    assert sample(page, name, **{"provider": "other", "class": "overloaded"}) == 2
    assert sample(page, name, **{"provider": "openai", "class": "ok"}) == 1


def test_streams_that_had_begun_count_by_how_they_ended() -> None:
    metrics = PrometheusTelemetry()
    begun = make_record(route_id="r1", stream=True)
    never = structs.replace(begun, outcome=Outcome.TIMEOUT, ttft_ms=None)
    cut = structs.replace(begun, outcome=Outcome.UPSTREAM_ERROR)
    for record in (begun, begun, cut, never, make_record(route_id="r1")):
        metrics.request_ended(record, model="gpt-4o")
    page = metrics.render()
    assert sample(page, "gateway_stream_completion_total", outcome="ok") == 2
    assert sample(page, "gateway_stream_completion_total", outcome="upstream_error") == 1
    assert sample(page, "gateway_stream_completion_total", outcome="timeout") is None


def test_states_are_shown_as_they_were_told_last() -> None:
    metrics = PrometheusTelemetry()
    for state in (0, 2, 1):
        metrics.breaker_state("gpt-4o/openai", state)
    metrics.sink_lag("clickhouse", 2.5)
    metrics.journal_size(4096)
    page = metrics.render()
    assert sample(page, "circuit_breaker_state", route="gpt-4o/openai") == 1
    assert sample(page, "audit_sink_lag_seconds", sink="clickhouse") == 2.5
    assert sample(page, "journal_bytes") == 4096


def test_routes_beyond_the_bound_show_the_worst_of_them() -> None:
    metrics = PrometheusTelemetry()
    for number in range(203):
        metrics.breaker_state(f"m{number}/p", 0)
    for route, state in (("m201/p", 2), ("m202/p", 2), ("m202/p", 0)):
        metrics.breaker_state(route, state)
    assert sample(metrics.render(), "circuit_breaker_state", route="other") == 2


def test_lost_records_are_counted_by_stream_and_reason() -> None:
    metrics = PrometheusTelemetry()
    metrics.record_lost("requests", "unopened")
    page = metrics.render()
    assert sample(page, "audit_events_lost_total", stream="requests", reason="unopened") == 1


def test_limits_have_the_names_operators_know() -> None:
    metrics = PrometheusTelemetry()
    page: MetricsPage = metrics
    assert sample(page.render(), "gateway_rate_limiter_fail_closed_total") == 0
    metrics.rate_limited("user:requests/1m")
    metrics.rules_failed_open()
    metrics.budgets_failed_open()
    metrics.failed_closed()
    metrics.budget_alert("user", "monthly", 80)
    text = page.render()
    assert page.content_type.startswith("text/plain")
    assert sample(text, "gateway_rate_limited_total", label="user:requests/1m") == 1
    assert sample(text, "gateway_rate_limiter_fail_open_total") == 1
    assert sample(text, "gateway_budget_fail_open_total") == 1
    assert sample(text, "gateway_rate_limiter_fail_closed_total") == 1
    alert = {"subject_kind": "user", "period": "monthly", "threshold_pct": "80"}
    assert sample(text, "gateway_budget_alert_total", **alert) == 1


def test_a_model_that_does_not_exist_gets_no_label_of_its_own() -> None:
    metrics = PrometheusTelemetry()
    for number in range(3):
        record = make_record(model_requested=f"made-up-{number}", provider="", route_id="")
        metrics.request_ended(record, model="")
    page = metrics.render()
    assert b"made-up" not in page
    of = {"model": "unknown", "provider": "none", "stream": "false"}
    assert sample(page, "gateway_request_duration_seconds_count", **of) == 3


def test_a_label_is_bounded_the_others_stay_and_nothing_goes_uncounted() -> None:
    metrics = PrometheusTelemetry()
    record = make_record(route_id="r1")
    for number in range(MOST_VALUES + 50):
        metrics.request_ended(record, model=f"model-{number}")
    page = metrics.render()
    of = {"model": "other", "provider": "openai", "stream": "false"}
    assert sample(page, "gateway_request_duration_seconds_count", **of) == 50
    assert page.count(b"gateway_request_duration_seconds_count{") == MOST_VALUES + 1


def test_label_sets_are_bounded_where_each_label_is_within_its_bound() -> None:
    metrics = PrometheusTelemetry()
    for number in range(MOST_CHILDREN + 50):
        provider, model = f"p{number % 100}", f"m{number // 100 % 11}"
        metrics.request_ended(
            make_record(route_id="r1", provider=provider, attempts=()), model=model
        )
    page = metrics.render()
    assert page.count(b"gateway_cost_usd_total{") == MOST_CHILDREN + 1
    assert page.count(b"gateway_request_duration_seconds_count{") == MOST_TIMED + 1
    others = {"model": "other", "provider": "other"}
    one = make_record().cost_nano_usd / 1e9
    assert sample(page, "gateway_cost_usd_total", **others) == pytest.approx(50 * one)


_COUNT = """
import os, signal, sys
from pathlib import Path
from adapters.telemetry.metrics import PrometheusTelemetry
from tests.support.request_records import make_record
metrics = PrometheusTelemetry(Path(sys.argv[1]))
times, end = int(sys.argv[2]), sys.argv[3]
for number in range(times):
    metrics.rate_limited("user:requests/1m")
    metrics.request_began()
    metrics.request_ended(make_record(route_id="r1", gateway_ms=number), model="gpt-4o")
metrics.request_began()
metrics.breaker_state("gpt-4o/openai", 2 if end == "wait" else 0)
metrics.journal_size(times)
sys.stdout.buffer.write(metrics.render())
sys.stdout.flush()
if end == "wait":
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def counting_process(shared: Path, times: int, end: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", _COUNT, str(shared), str(times), end],
        env=python_environment() | {"PROMETHEUS_MULTIPROC_DIR": str(shared)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def test_any_process_shows_what_all_counted_also_those_that_were_killed(tmp_path: Path) -> None:
    with counting_process(tmp_path, 5, "wait") as one:
        assert one.stdout is not None
        assert one.stdout.readline(), "it has counted"
        with counting_process(tmp_path, 3, "render") as other:
            both, _ = other.communicate(timeout=60)
        forget_process(tmp_path, other.pid)
        one.communicate(timeout=60)
    assert sample(both, "gateway_rate_limited_total", label="user:requests/1m") == 8
    assert sample(both, "gateway_rate_limiter_fail_open_total") == 0
    assert sample(both, "gateway_in_flight") == 2
    assert sample(both, "circuit_breaker_state", route="gpt-4o/openai") == 2
    assert sample(both, "journal_bytes") == 5
    assert sample(both, "gateway_overhead_seconds_bucket", le="0.001") == 4
    assert sample(both, "gateway_overhead_seconds_count") == 8
    of = {"stream": "false", **WHOSE}
    assert sample(both, "gateway_request_duration_seconds_count", **of) == 8

    forget_process(tmp_path, one.pid)
    with counting_process(tmp_path, 1, "render") as later:
        page, _ = later.communicate(timeout=60)
    assert sample(page, "gateway_rate_limited_total", label="user:requests/1m") == 9
    assert sample(page, "gateway_overhead_seconds_count") == 9
    assert sample(page, "gateway_in_flight") == 1, "those of the dead are not served"
    assert sample(page, "circuit_breaker_state", route="gpt-4o/openai") == 0
