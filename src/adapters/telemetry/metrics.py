"""Counters for Prometheus, summed over all processes of a server.

With `PROMETHEUS_MULTIPROC_DIR` in the environment of a process before it starts, prometheus-client
keeps every value in a memory-mapped file there: increments survive `kill -9`, and any process can
add all files up. The parent wipes the directory when a server starts; files of processes that died
since stay, so counters never go back.
"""

from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from application.ports.telemetry import MetricsPage, Telemetry
from domain.records.events import RequestRecord

# Most label sets of one metric. Names come from configuration, but it may be large, and what is
# asked for but does not exist never gets a label of its own.
MOST_CHILDREN = 1000
OTHER = "other"

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


class BoundCounter:
    """A counter whose label sets are bound once and bounded in number."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: tuple[str, ...],
        registry: CollectorRegistry,
        *,
        most_children: int = MOST_CHILDREN,
    ) -> None:
        """Label sets beyond `most_children` are counted with `other` for every label."""
        self._counter = Counter(name, documentation, labels, registry=registry)
        self._children: dict[tuple[str, ...], Counter] = {}
        self._most_children = most_children
        self._rest = (OTHER,) * len(labels)

    def add(self, *labels: str, amount: float = 1) -> None:
        """Add `amount` to the child of these label values."""
        child = self._children.get(labels)
        if child is None:
            if len(self._children) >= self._most_children:
                labels = self._rest
            child = self._counter.labels(*labels) if labels else self._counter
            self._children[labels] = child
        child.inc(amount)


class PrometheusTelemetry(Telemetry, MetricsPage):
    """Counts in this process, shows what all processes counted."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, shared: Path | None = None) -> None:
        """`shared` is the directory of all processes' values; None: this process alone."""
        registry = CollectorRegistry()
        self._registry = registry
        self._shared = shared
        self._requests = BoundCounter(
            "gateway_requests",
            "Requests that ended.",
            ("surface", "model", "provider", "status", "outcome", "stream"),
            registry,
        )
        self._tokens = BoundCounter(
            "gateway_tokens", "Raw tokens by kind.", ("model", "provider", "kind"), registry
        )
        self._cost = BoundCounter(
            "gateway_cost_usd", "Cost in US dollars.", ("model", "provider"), registry
        )
        self._rate_limited = BoundCounter(
            "gateway_rate_limited", "Requests refused by a limit.", ("label",), registry
        )
        self._shadow = BoundCounter(
            "gateway_shadow_limit_exceeded",
            "Requests a limit in shadow mode would have refused.",
            ("label",),
            registry,
        )
        self._lost = BoundCounter(
            "audit_events_lost",
            "Records that could not be kept.",
            ("stream", "reason"),
            registry,
        )
        self._rules_open = BoundCounter(
            "gateway_rate_limiter_fail_open",
            "Requests let through without rate rules: the limit store was down.",
            (),
            registry,
        )
        self._budgets_open = BoundCounter(
            "gateway_budget_fail_open",
            "Requests let through without budgets: the limit store was down.",
            (),
            registry,
        )
        self._closed = BoundCounter(
            "gateway_rate_limiter_fail_closed",
            "Requests refused because the limit store was down.",
            (),
            registry,
        )
        self._alerts = BoundCounter(
            "gateway_budget_alert",
            "Budgets that reached a threshold.",
            ("subject_kind", "period", "threshold_pct"),
            registry,
        )
        # Of several processes the one that sees it worst, while it lives.
        self._breakers = Gauge(
            "circuit_breaker_state",
            "Circuit breaker of a route: 0 closed, 1 half-open, 2 open.",
            ("route",),
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._routes: set[str] = set()

    def request_ended(self, record: RequestRecord) -> None:
        """See `Telemetry`."""
        # A model that was only asked for is text from outside; a route makes it one of ours.
        model = record.model_requested if record.route_id else ""
        provider = record.provider
        self._requests.add(
            record.surface,
            model,
            provider,
            str(record.status),
            record.outcome.value,
            "true" if record.stream else "false",
        )
        for kind, field in _TOKENS:
            if amount := getattr(record, field):
                self._tokens.add(model, provider, kind, amount=amount)
        if record.cost_nano_usd:
            self._cost.add(model, provider, amount=record.cost_nano_usd / 1e9)

    def rate_limited(self, label: str) -> None:
        """See `Telemetry`."""
        self._rate_limited.add(label)

    def shadow_exceeded(self, label: str) -> None:
        """See `Telemetry`."""
        self._shadow.add(label)

    def rules_failed_open(self) -> None:
        """See `Telemetry`."""
        self._rules_open.add()

    def budgets_failed_open(self) -> None:
        """See `Telemetry`."""
        self._budgets_open.add()

    def failed_closed(self) -> None:
        """See `Telemetry`."""
        self._closed.add()

    def budget_alert(self, subject_kind: str, period: str, percent: int) -> None:
        """See `Telemetry`."""
        self._alerts.add(subject_kind, period, str(percent))

    def record_lost(self, stream: str, reason: str) -> None:
        """See `Telemetry`."""
        self._lost.add(stream, reason)

    def breaker_state(self, route: str, state: int) -> None:
        """See `Telemetry`."""
        if len(self._routes) < MOST_CHILDREN:
            self._routes.add(route)
        self._breakers.labels(route if route in self._routes else OTHER).set(state)

    def render(self) -> bytes:
        """See `MetricsPage`."""
        if self._shared is None:
            return generate_latest(self._registry)
        summed = CollectorRegistry()
        MultiProcessCollector(summed, path=str(self._shared))
        return generate_latest(summed)
