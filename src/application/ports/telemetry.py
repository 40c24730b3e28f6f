"""What is counted for operators (operations.md section 5). Never waits and never raises."""

from abc import abstractmethod
from typing import Protocol

from domain.records.events import RequestRecord


class Telemetry(Protocol):
    """Events of this process that become metrics."""

    @abstractmethod
    def request_ended(self, record: RequestRecord) -> None:
        """Count a request with its tokens and cost; once per final record."""
        ...

    @abstractmethod
    def rate_limited(self, label: str) -> None:
        """Count a refusal; `label` names the limit, e.g. `user:requests/1m`."""
        ...

    @abstractmethod
    def shadow_exceeded(self, label: str) -> None:
        """Count a request that a limit in shadow mode would have refused."""
        ...

    @abstractmethod
    def rules_failed_open(self) -> None:
        """Count a request that no rate or concurrency rule checked: the limit store was down."""
        ...

    @abstractmethod
    def budgets_failed_open(self) -> None:
        """Count a request that no budget checked: the limit store was down."""
        ...

    @abstractmethod
    def failed_closed(self) -> None:
        """Count a request that was refused because the limit store was down."""
        ...

    @abstractmethod
    def budget_alert(self, subject_kind: str, period: str, percent: int) -> None:
        """Count an alert of a budget."""
        ...

    @abstractmethod
    def record_lost(self, stream: str, reason: str) -> None:
        """Count a record that could not be kept; `stream` is the kind of records."""
        ...

    @abstractmethod
    def breaker_state(self, route: str, state: int) -> None:
        """Show the circuit breaker of a route: 0 closed, 1 half-open, 2 open.

        Told at every change and once when a route is first known, by every process. `route` is a
        name people know, such as `gpt-4o/openai`, and unique. One that is gone is told as closed:
        series of several processes cannot be taken back.
        """
        ...


class MetricsPage(Protocol):
    """What `/metrics` shows."""

    content_type: str

    @abstractmethod
    def render(self) -> bytes:
        """Return the metrics of all processes of this server. Reads files: not for event loops."""
        ...
