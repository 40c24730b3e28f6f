"""One log on standard error: our own events and those of libraries, as text or JSON lines."""

import logging
import sys

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
# Their "info" is about every start, request or statement.
_CHATTY = (
    "uvicorn",
    "uvicorn.error",
    "httpx",
    "httpcore",
    "alembic",
    "asyncio",
    "clickhouse_connect",
)


def configure_logging(level: str, style: str) -> None:
    """Set up logging for this process.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        style: `text` for people, `json` for collectors: one object per line.
    """
    threshold = _LEVELS[level]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendering: list[Processor] = (
        # The renderer's own traceback may show local variables, and with them secrets.
        [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
        if style == "text"
        else [structlog.processors.format_exc_info, _json_line]
    )
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    logging.basicConfig(handlers=[handler], level=threshold, force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))


def _json_line(logger: WrappedLogger, method: str, event: EventDict) -> str:
    """Render an event; what JSON cannot hold becomes its `repr`, for a log line must not fail."""
    del logger, method
    return msgspec.json.encode(event, enc_hook=repr).decode()
