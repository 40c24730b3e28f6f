"""Which distributed trace a request is part of (https://www.w3.org/TR/trace-context/).

Ids of spans follow from the id of the request's record and the number of the attempt. So a span can
be made when everything is over, and still be the parent that a provider was told beforehand.
"""

import re
from hashlib import blake2b

from msgspec import Struct

TraceHeaders = tuple[tuple[bytes, bytes], ...]

_FORM = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_STATE = re.compile(rb"[ -~]{1,512}")
_SAMPLED = 1
_SERVER_SPAN = 0


class TraceContext(Struct, frozen=True, kw_only=True):
    """The trace a request came with, or was given.

    Attributes:
        trace_id: 32 hex digits; empty while there is no trace.
        parent_id: the caller's span, 16 hex digits; empty where the trace begins here.
        flags: as the caller set them.
        state: the caller's `tracestate`, which belongs to others.
        recorded: spans of this request are exported.
    """

    trace_id: str = ""
    parent_id: str = ""
    flags: int = 0
    state: bytes = b""
    recorded: bool = False

    @property
    def sampled(self) -> bool:
        """Whether the caller records the trace."""
        return bool(self.flags & _SAMPLED)

    def upstream_headers(self, event_id: str, attempt: int) -> TraceHeaders:
        """Return the headers for an attempt; `attempt` counts from zero.

        Unless this request is recorded the caller's span is the parent of what happens upstream.
        """
        if not self.trace_id:
            return ()
        parent = attempt_span_id(event_id, attempt) if self.recorded else self.parent_id
        flags = self.flags | _SAMPLED if self.recorded else self.flags
        header = f"00-{self.trace_id}-{parent}-{flags:02x}".encode("ascii")
        headers: TraceHeaders = ((b"traceparent", header),)
        return (*headers, (b"tracestate", self.state)) if self.state else headers


NO_TRACE = TraceContext()


def read_trace_context(traceparent: bytes, tracestate: bytes = b"") -> TraceContext:
    """Return what the headers say; a malformed `traceparent` counts as none."""
    found = _FORM.fullmatch(traceparent)
    if found is None:
        return NO_TRACE
    version, trace_id, parent_id, flags, more = found.groups()
    if version == b"ff" or (version == b"00" and more):
        return NO_TRACE
    if not trace_id.strip(b"0") or not parent_id.strip(b"0"):
        return NO_TRACE
    return TraceContext(
        trace_id=trace_id.decode("ascii"),
        parent_id=parent_id.decode("ascii"),
        flags=int(flags, 16),
        state=tracestate if _STATE.fullmatch(tracestate) else b"",
    )


def new_trace_id(event_id: str) -> str:
    """Return the id of a trace that begins with this request.

    Not the record's id itself: samplers go by the last bits, which have to be even.
    """
    return blake2b(event_id.encode(), digest_size=16).hexdigest()


def server_span_id(event_id: str) -> str:
    """Return the id of the span of the whole request."""
    return _span_id(event_id, _SERVER_SPAN)


def attempt_span_id(event_id: str, attempt: int) -> str:
    """Return the id of the span of an attempt, counted from zero."""
    return _span_id(event_id, attempt + 1)


def _span_id(event_id: str, number: int) -> str:
    return blake2b(f"{event_id}/{number}".encode(), digest_size=8).hexdigest()
