"""Nothing is traced unless the environment asks for it."""

from application.ports.tracing import TracedRequest, Tracer
from domain.records.trace_context import TraceContext


class NoTracer(Tracer):
    """Passes the caller's trace on."""

    def begin(self, event_id: str, caller: TraceContext) -> TraceContext:
        """Return the caller's trace."""
        del event_id
        return caller

    def request_ended(self, request: TracedRequest) -> None:
        """Do nothing."""
