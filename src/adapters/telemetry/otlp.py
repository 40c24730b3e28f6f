"""Traces over OTLP/HTTP. Imported only where the environment asks for traces.

The hot path puts a finished request into a bounded queue. A task makes spans of it, a few at a
time; a thread of the SDK sends them in batches, as `OTEL_BSP_*` and `OTEL_EXPORTER_OTLP_*` say.
"""

import asyncio
import contextlib
import logging
import threading
from collections import deque

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    set_span_in_context,
)

from adapters.telemetry.spans import Origin, spans_of
from application.ports.tracing import TracedRequest, Tracer
from domain.records.trace_context import TraceContext, new_trace_id

MOST_WAITING = 4096
"""Most finished requests of which no spans have been made yet."""
AT_ONCE = 16
"""Requests between two turns of the event loop: about a millisecond."""
EVERY_S = 0.25

_log = logging.getLogger(__name__)
# It writes malformed headers into the log as they are, and headers hold credentials.
logging.getLogger("opentelemetry.util.re").setLevel(logging.CRITICAL)


class OtlpTracer(Tracer):
    """Traces as the standard variables say; made once for a process."""

    def __init__(self, version: str, instance: str, *, most_waiting: int = MOST_WAITING) -> None:
        """Start the thread that exports. Nothing is connected yet.

        Raises:
            ValueError: a variable has a value that makes no sense.
        """
        resource = Resource.create({"service.version": version, "service.instance.id": instance})
        if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: "thinkwatch"}))
        # Only asked how it would sample: its own spans would cost what they cost on the hot path.
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._sampler = provider.sampler
        self._origin = Origin(resource, InstrumentationScope("thinkwatch", version))
        self._processor = BatchSpanProcessor(OTLPSpanExporter())
        self._waiting: deque[TracedRequest] = deque()
        self._most_waiting = most_waiting
        self._dropped = 0

    def begin(self, event_id: str, caller: TraceContext) -> TraceContext:
        """Implement `Tracer.begin`: the caller decides, or the sampler, as it is configured."""
        trace_id = caller.trace_id or new_trace_id(event_id)
        parent = _context_of(caller) if caller.trace_id else Context()
        verdict = self._sampler.should_sample(
            parent, int(trace_id, 16), "request", SpanKind.SERVER, {}, ()
        )
        if not verdict.decision.is_sampled():
            return caller
        return TraceContext(
            trace_id=trace_id,
            parent_id=caller.parent_id,
            flags=caller.flags | TraceFlags.SAMPLED,
            state=caller.state,
            recorded=True,
        )

    def request_ended(self, request: TracedRequest) -> None:
        """Implement `Tracer.request_ended`."""
        if len(self._waiting) >= self._most_waiting:
            self._dropped += 1
            return
        self._waiting.append(request)

    async def run(self) -> None:
        """Make spans until cancelled."""
        while True:
            await self._make_spans()
            if self._dropped:
                _log.warning("%d requests have no spans: too many at once", self._dropped)
                self._dropped = 0
            await asyncio.sleep(EVERY_S)

    async def drain(self, timeout_s: float) -> bool:
        """Send what there is, for at most `timeout_s` seconds; what is left then is dropped.

        Call once, after `run` has ended. Returns whether everything was handed over in time.
        """
        await self._make_spans()
        done, loop = asyncio.Event(), asyncio.get_running_loop()

        def shut() -> None:
            self._processor.shutdown()
            with contextlib.suppress(RuntimeError):  # the loop has ended before
                loop.call_soon_threadsafe(done.set)

        # Not a thread of the pool: the process would wait for it, and it for a silent collector.
        threading.Thread(target=shut, name="otlp-shutdown", daemon=True).start()
        try:
            async with asyncio.timeout(timeout_s):
                await done.wait()
        except TimeoutError:
            return False
        return True

    async def _make_spans(self) -> None:
        while self._waiting:
            for _ in range(min(AT_ONCE, len(self._waiting))):
                request = self._waiting.popleft()
                try:
                    spans = spans_of(request, self._origin)
                except Exception:  # noqa: BLE001 - one request must not end the traces of all
                    _log.exception("no spans of %s", request.record.event_id)
                    continue
                for span in spans:
                    self._processor.on_end(span)
            await asyncio.sleep(0)


def _context_of(caller: TraceContext) -> Context:
    span = SpanContext(
        int(caller.trace_id, 16),
        int(caller.parent_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(caller.flags),
    )
    return set_span_in_context(NonRecordingSpan(span), Context())
