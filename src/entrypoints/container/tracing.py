"""Traces of a gateway process, where the environment asks for them."""

import structlog

from adapters.telemetry.untraced import NoTracer
from application.ports.tracing import Tracer
from entrypoints.config import environment
from entrypoints.container.process import Process
from entrypoints.tracing import tracing_wanted
from entrypoints.version import VERSION

log = structlog.get_logger(__name__)


def open_tracer(process: Process) -> Tracer:
    """Return what makes spans; what cannot be done is logged, and no reason not to serve."""
    tracing = tracing_wanted(environment())
    if tracing.complaint is not None:
        log.warning("tracing_off", reason=tracing.complaint)
    if not tracing.wanted:
        return NoTracer()
    # Only now: importing it takes a fifth of a second, which nobody pays who does not trace.
    from adapters.telemetry.otlp import OtlpTracer  # noqa: PLC0415

    try:
        tracer = OtlpTracer(VERSION, process.instance)
    except ValueError as error:
        log.warning("tracing_off", reason=str(error))
        return NoTracer()
    process.tasks.run_forever("trace-spans", tracer.run)
    process.drains.then(tracer.drain)
    return tracer
