"""Telemetry and MetricsPage: counted, summed over processes, bounded in labels."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.telemetry.metrics import MOST_CHILDREN, PrometheusTelemetry
from adapters.telemetry.none import NoTelemetry
from application.ports.telemetry import MetricsPage, Telemetry
from domain.records.events import Outcome
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
    telemetry.request_ended(make_record())
    telemetry.request_ended(
        make_record(outcome=Outcome.DENIED, provider="", model_requested="\ud800")
    )
    telemetry.rate_limited('user:requests/1m"\n')
    telemetry.rules_failed_open()
    telemetry.budgets_failed_open()
    telemetry.failed_closed()
    telemetry.budget_alert("user", "monthly", 80)
    telemetry.record_lost("requests", "unopened")
    telemetry.breaker_state("gpt-4o/openai", 2)


def test_a_request_counts_with_its_tokens_and_cost() -> None:
    metrics = PrometheusTelemetry()
    record = make_record(
        route_id="r1", tokens_input_uncached=11, tokens_output=7, cost_nano_usd=2_500_000_000
    )
    metrics.request_ended(record)
    metrics.request_ended(record)
    page = metrics.render()
    whose = {"model": "gpt-4o", "provider": "openai"}
    assert (
        sample(
            page,
            "gateway_requests_total",
            surface="ai_gateway",
            status="200",
            outcome="ok",
            stream="false",
            **whose,
        )
        == 2
    )
    assert sample(page, "gateway_tokens_total", kind="input_uncached", **whose) == 22
    assert sample(page, "gateway_tokens_total", kind="output", **whose) == 14
    assert sample(page, "gateway_tokens_total", kind="cache_read", **whose) is None
    assert sample(page, "gateway_cost_usd_total", **whose) == 5.0


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
        metrics.request_ended(
            make_record(model_requested=f"made-up-{number}", provider="", route_id="")
        )
    assert b"made-up" not in metrics.render()


def test_labels_are_bounded_and_nothing_goes_uncounted() -> None:
    metrics = PrometheusTelemetry()
    for number in range(MOST_CHILDREN + 50):
        metrics.rate_limited(f"label-{number}")
    text = metrics.render()
    assert text.count(b"gateway_rate_limited_total{") == MOST_CHILDREN + 1
    assert sample(text, "gateway_rate_limited_total", label="other") == 50


_COUNT = """
import os, signal, sys
from pathlib import Path
from adapters.telemetry.metrics import PrometheusTelemetry
metrics = PrometheusTelemetry(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    metrics.rate_limited("user:requests/1m")
if sys.argv[3] == "die":
    os.kill(os.getpid(), signal.SIGKILL)
sys.stdout.buffer.write(metrics.render())
"""


def counting_process(shared: Path, times: int, end: str) -> bytes:
    return subprocess.run(
        [sys.executable, "-c", _COUNT, str(shared), str(times), end],
        env=python_environment() | {"PROMETHEUS_MULTIPROC_DIR": str(shared)},
        capture_output=True,
        check=False,
        timeout=60,
    ).stdout


def test_any_process_shows_what_all_counted_also_those_that_were_killed(tmp_path: Path) -> None:
    counting_process(tmp_path, 5, "die")
    page = counting_process(tmp_path, 3, "render")
    assert sample(page, "gateway_rate_limited_total", label="user:requests/1m") == 8
    assert sample(page, "gateway_rate_limiter_fail_open_total") == 0


def test_the_circuit_of_a_route_is_shown_as_it_was_told_last() -> None:
    metrics = PrometheusTelemetry()
    for state in (2, 1, 0, 2):
        metrics.breaker_state("gpt-4o/openai", state)
    page = metrics.render()
    assert sample(page, "circuit_breaker_state", route="gpt-4o/openai") == 2
