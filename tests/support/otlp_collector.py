"""A stand-in for an OpenTelemetry collector: takes spans over OTLP/HTTP and keeps them."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as wire

PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """One span as it came, with the attributes of its resource."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    state: str
    kind: int
    failed: bool
    start_ns: int
    end_ns: int
    attributes: dict[str, object]
    resource: dict[str, object]


@dataclass
class OtlpCollector:
    """Listens on a free port while it is entered; `deaf` holds every answer back."""

    deaf: bool = False
    spans: list[ReceivedSpan] = field(default_factory=list[ReceivedSpan])
    requests: list[tuple[str, dict[str, str]]] = field(
        default_factory=list[tuple[str, dict[str, str]]]
    )

    def __post_init__(self) -> None:
        self._arrived = threading.Condition()
        self._ended = threading.Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector._take(self.path, dict(self.headers), body)
                if collector.deaf:
                    collector._ended.wait(PATIENCE_S)
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()

    def wait_for(self, count: int) -> list[ReceivedSpan]:
        """Return all spans once there are `count`. Blocks."""
        deadline = time.monotonic() + PATIENCE_S
        with self._arrived:
            while len(self.spans) < count:
                assert self._arrived.wait(deadline - time.monotonic()), f"{len(self.spans)} came"
            return list(self.spans)

    def _take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        message: Any = wire.ExportTraceServiceRequest()
        message.ParseFromString(body)
        found = [
            _span(span, _attributes(group.resource.attributes))
            for group in message.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]
        with self._arrived:
            self.requests.append((path, {key.lower(): value for key, value in headers.items()}))
            self.spans += found
            self._arrived.notify_all()


def _span(span: Any, resource: dict[str, object]) -> ReceivedSpan:
    return ReceivedSpan(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        state=span.trace_state,
        kind=span.kind,
        failed=span.status.code == 2,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        resource=resource,
    )


def _attributes(pairs: Sequence[Any]) -> dict[str, object]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> object:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind)
