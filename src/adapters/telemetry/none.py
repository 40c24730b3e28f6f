"""Nothing is counted while nobody may look."""

from application.ports.telemetry import Telemetry
from domain.records.events import RequestRecord


class NoTelemetry(Telemetry):
    """Used while `METRICS_BEARER_TOKEN` is not set."""

    def request_ended(self, record: RequestRecord) -> None:
        """Do nothing."""

    def rate_limited(self, label: str) -> None:
        """Do nothing."""

    def shadow_exceeded(self, label: str) -> None:
        """Do nothing."""

    def rules_failed_open(self) -> None:
        """Do nothing."""

    def budgets_failed_open(self) -> None:
        """Do nothing."""

    def failed_closed(self) -> None:
        """Do nothing."""

    def budget_alert(self, subject_kind: str, period: str, percent: int) -> None:
        """Do nothing."""

    def record_lost(self, stream: str, reason: str) -> None:
        """Do nothing."""

    def breaker_state(self, route: str, state: int) -> None:
        """Do nothing."""
