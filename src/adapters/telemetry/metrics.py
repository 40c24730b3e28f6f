"""Metrics for Prometheus, merged over all processes of a server.

With `PROMETHEUS_MULTIPROC_DIR` in the environment of a process before it starts, prometheus-client
keeps every value in a memory-mapped file there: increments survive `kill -9`, and any process can
merge all files. The parent wipes the directory when a server starts; counters of processes that
died since stay, so they never go back. Gauges tell of processes that live: the parent removes those
of one that died (`forget_process`). On a full disk values stay in the memory of their process, and
the page lacks them until there is room (adapters/telemetry/reserved.py).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from adapters.telemetry.bounded import Bound, LabelValues
from adapters.telemetry.reserved import reserve_before_mapping
from application.ports.telemetry import MetricsPage, Telemetry
from domain.records.events import Outcome, RequestRecord

UNKNOWN_MODEL = "unknown"
"""Label of requests for anything that is no model of ours."""
NO_PROVIDER = "none"
"""Label of requests that were sent to nobody."""
ATTEMPT_OK = "ok"
"""Class of attempts without a failure."""
MOST_TIMED = 300
"""Most label sets of a histogram, each of which is about twenty series."""

# Seconds. A refusal takes less than a millisecond, a long answer minutes.
DURATION_BUCKETS = (
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600,
)  # fmt: skip
FIRST_TOKEN_BUCKETS = (
    0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 8, 13, 20, 30, 60, 120,
)  # fmt: skip
OVERHEAD_BUCKETS = (
    0.00025, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1, 2.5, 5, 15, 60,
)  # fmt: skip

_TOKENS = (
    ("input_uncached", "tokens_input_uncached"),
    ("cache_read", "tokens_cache_read"),
    ("cache_write_5m", "tokens_cache_write_5m"),
    ("cache_write_1h", "tokens_cache_write_1h"),
    ("audio_in", "tokens_audio_in"),
    ("output", "tokens_output"),
    ("reasoning", "tokens_reasoning"),
    ("audio_out", "tokens_audio_out"),
)


class PrometheusTelemetry(Telemetry, MetricsPage):
    """Counts in this process, shows what all processes counted."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, shared: Path | None = None) -> None:
        """`shared` is the directory of all processes' values; None: this process alone."""
        reserve_before_mapping()
        make = _Maker()
        self._registry = make.registry
        self._shared = shared
        self._requests = make.counter(
            "gateway_requests",
            "Requests that ended.",
            "surface", "model", "provider", "status", "outcome", "stream",
        )  # fmt: skip
        self._durations = make.histogram(
            "gateway_request_duration_seconds",
            "Time from the head of a request to the end of its answer.",
            DURATION_BUCKETS,
            "model", "provider", "stream",
        )  # fmt: skip
        self._first_tokens = make.histogram(
            "gateway_time_to_first_token_seconds",
            "Time from the head of a request to the first generated content.",
            FIRST_TOKEN_BUCKETS,
            "model", "provider", "stream",
        )  # fmt: skip
        self._overhead = make.histogram(
            "gateway_overhead_seconds",
            "Time of requests that were sent upstream in which nothing was waited for from there.",
            OVERHEAD_BUCKETS,
        ).of()
        self._in_flight = make.gauge(
            "gateway_in_flight", "Requests that are being served.", "livesum"
        ).of()
        self._tokens = make.counter(
            "gateway_tokens", "Raw tokens by kind.", "model", "provider", "kind"
        )
        self._cost = make.counter("gateway_cost_usd", "Cost in US dollars.", "model", "provider")
        self._attempts = make.counter(
            "gateway_provider_attempts",
            "Attempts at providers by what became of them.",
            "provider",
            "class",
        )
        self._streams = make.counter(
            "gateway_stream_completion", "Streams that had begun, by how they ended.", "outcome"
        )
        self._breakers = make.gauge(
            "circuit_breaker_state",
            "Circuit breaker of a route: 0 closed, 1 half-open, 2 open.",
            "livemax",
            "route",
        )
        self._circuits: dict[str, int] = {}
        self._rate_limited = make.counter(
            "gateway_rate_limited", "Requests refused by a limit.", "label"
        )
        self._shadow = make.counter(
            "gateway_shadow_limit_exceeded",
            "Requests a limit in shadow mode would have refused.",
            "label",
        )
        self._rules_open = make.counter(
            "gateway_rate_limiter_fail_open",
            "Requests let through without rate rules: the limit store was down.",
        ).of()
        self._budgets_open = make.counter(
            "gateway_budget_fail_open",
            "Requests let through without budgets: the limit store was down.",
        ).of()
        self._closed = make.counter(
            "gateway_rate_limiter_fail_closed",
            "Requests refused because the limit store was down.",
        ).of()
        self._alerts = make.counter(
            "gateway_budget_alert",
            "Budgets that reached a threshold.",
            "subject_kind",
            "period",
            "threshold_pct",
        )
        self._lost = make.counter(
            "audit_events_lost", "Records that could not be kept.", "stream", "reason"
        )
        self._sink_lag = make.gauge(
            "audit_sink_lag_seconds",
            "Age of the oldest record on the bus that a sink does not have yet.",
            "livemax",
            "sink",
        )
        self._journal = make.gauge(
            "journal_bytes", "Bytes of records on disk on their way to the sinks.", "livemax"
        ).of()

    def request_began(self) -> None:
        """See `Telemetry`."""
        self._in_flight.inc()

    def request_ended(self, record: RequestRecord, *, model: str) -> None:
        """See `Telemetry`."""
        self._in_flight.dec()
        model = model or UNKNOWN_MODEL
        provider = record.provider or NO_PROVIDER
        stream = "true" if record.stream else "false"
        self._requests.of(
            record.surface, model, provider, str(record.status), record.outcome.value, stream
        ).inc()
        self._durations.of(model, provider, stream).observe(record.duration_ms / 1000)
        for attempt in record.attempts:
            self._attempts.of(attempt.provider, attempt.error_class or ATTEMPT_OK).inc()
        if not record.route_id:
            return  # refused: no tokens, no cost, and its time is not what is added to an answer
        self._overhead.observe(record.gateway_ms / 1000)
        if record.ttft_ms is not None:
            self._first_tokens.of(model, provider, stream).observe(record.ttft_ms / 1000)
        if record.stream and (record.ttft_ms is not None or record.outcome is Outcome.OK):
            self._streams.of(record.outcome.value).inc()
        for kind, field in _TOKENS:
            if amount := getattr(record, field):
                self._tokens.of(model, provider, kind).inc(amount)
        if record.cost_nano_usd:
            self._cost.of(model, provider).inc(record.cost_nano_usd / 1e9)

    def rate_limited(self, label: str) -> None:
        """See `Telemetry`."""
        self._rate_limited.of(label).inc()

    def shadow_exceeded(self, label: str) -> None:
        """See `Telemetry`."""
        self._shadow.of(label).inc()

    def rules_failed_open(self) -> None:
        """See `Telemetry`."""
        self._rules_open.inc()

    def budgets_failed_open(self) -> None:
        """See `Telemetry`."""
        self._budgets_open.inc()

    def failed_closed(self) -> None:
        """See `Telemetry`."""
        self._closed.inc()

    def budget_alert(self, subject_kind: str, period: str, percent: int) -> None:
        """See `Telemetry`."""
        self._alerts.of(subject_kind, period, str(percent)).inc()

    def record_lost(self, stream: str, reason: str) -> None:
        """See `Telemetry`."""
        self._lost.of(stream, reason).inc()

    def breaker_state(self, route: str, state: int) -> None:
        """See `Telemetry`."""
        # Beyond the bound several routes share a child: it shows the worst of them.
        child = self._breakers.of(route)
        self._circuits.pop(route, None)
        if state:
            self._circuits[route] = state
        shared = (kept for name, kept in self._circuits.items() if self._breakers.of(name) is child)
        child.set(max(shared, default=0))

    def sink_lag(self, sink: str, seconds: float) -> None:
        """See `Telemetry`."""
        self._sink_lag.of(sink).set(seconds)

    def journal_size(self, size: int) -> None:
        """See `Telemetry`."""
        self._journal.set(size)

    def render(self) -> bytes:
        """See `MetricsPage`."""
        if self._shared is None:
            return generate_latest(self._registry)
        merged = CollectorRegistry()
        MultiProcessCollector(merged, path=str(self._shared))
        return generate_latest(merged)


class _Maker:
    """Makes the metrics of one registry; labels of the same name share their values."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._values: dict[str, LabelValues] = {}

    def counter(self, name: str, documentation: str, *labels: str) -> Bound[Counter]:
        return Bound(
            Counter(name, documentation, labels, registry=self.registry), *self._labels(labels)
        )

    def gauge(
        self, name: str, documentation: str, over: Literal["livesum", "livemax"], *labels: str
    ) -> Bound[Gauge]:
        """`over` says what the values of several processes come to."""
        gauge = Gauge(name, documentation, labels, registry=self.registry, multiprocess_mode=over)
        return Bound(gauge, *self._labels(labels))

    def histogram(
        self, name: str, documentation: str, buckets: Sequence[float], *labels: str
    ) -> Bound[Histogram]:
        histogram = Histogram(name, documentation, labels, registry=self.registry, buckets=buckets)
        return Bound(histogram, *self._labels(labels), most_children=MOST_TIMED)

    def _labels(self, names: tuple[str, ...]) -> list[LabelValues]:
        return [self._values.setdefault(name, LabelValues()) for name in names]
