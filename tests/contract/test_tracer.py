"""What every tracer promises: a trace for each request, and nothing that could hold it up."""

from collections.abc import Iterator

import pytest

from adapters.telemetry.otlp import OtlpTracer
from adapters.telemetry.untraced import NoTracer
from application.ports.tracing import TracedAttempt, TracedRequest, Tracer
from domain.records.trace_context import NO_TRACE, TraceContext
from tests.support.otlp_collector import OtlpCollector
from tests.support.request_records import make_record

CALLER = TraceContext(trace_id="4bf92f3577b34da6a3ce929d0e0e4736", parent_id="00f067aa0ba902b7")


@pytest.fixture(params=["none", "otlp"])
def tracer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tracer]:
    if request.param == "none":
        yield NoTracer()
        return
    with OtlpCollector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        yield OtlpTracer("1", "test")


def test_the_callers_trace_goes_on(tracer: Tracer) -> None:
    for flags in (0, 1):
        caller = TraceContext(trace_id=CALLER.trace_id, parent_id=CALLER.parent_id, flags=flags)
        begun = tracer.begin("event", caller)
        assert (begun.trace_id, begun.parent_id) == (CALLER.trace_id, CALLER.parent_id)


def test_what_is_recorded_has_a_trace(tracer: Tracer) -> None:
    begun = tracer.begin("event", NO_TRACE)
    assert bool(begun.trace_id) == begun.recorded
    assert begun.parent_id == ""


def test_more_requests_than_anybody_fetches_are_no_error(tracer: Tracer) -> None:
    record = make_record(error_class="\ud800", model_requested="\ud800")
    traced = TracedAttempt(
        attempt=record.attempts[0], provider_kind="openai", base_url="http://[", ended_ms=1.0
    )
    context = TraceContext(trace_id=CALLER.trace_id, recorded=True)
    for _ in range(10_000):
        tracer.request_ended(TracedRequest(record=record, context=context, attempts=(traced,)))
