"""Distributed traces (operations.md section 5). Never waits and never raises."""

from abc import abstractmethod
from typing import Protocol

from msgspec import Struct

from domain.records.events import Attempt, RequestRecord
from domain.records.trace_context import TraceContext


class TracedAttempt(Struct, frozen=True, kw_only=True):
    """An attempt with what its record does not say.

    Attributes:
        ended_ms: when it had an answer or had failed, in milliseconds since the request arrived.
        base_url: where the provider is, as configured; None where its kind says so.
    """

    attempt: Attempt
    provider_kind: str
    base_url: str | None
    ended_ms: float


class TracedRequest(Struct, frozen=True, kw_only=True):
    """A request that has ended. `attempts` are those of the record, in the same order."""

    record: RequestRecord
    context: TraceContext
    attempts: tuple[TracedAttempt, ...]


class Tracer(Protocol):
    """Decides which requests are traced, and makes spans of them when they have ended.

    Span ids are those of `domain.records.trace_context`.
    """

    @abstractmethod
    def begin(self, event_id: str, caller: TraceContext) -> TraceContext:
        """Return the trace of a request that has arrived with `caller`'s.

        `recorded` says whether `request_ended` is to be told; then there is a trace id.
        """
        ...

    @abstractmethod
    def request_ended(self, request: TracedRequest) -> None:
        """Take the spans of a request; they are made and exported later, or dropped if too many."""
        ...
