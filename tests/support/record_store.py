"""A store of request records, seen from both sides."""

from msgspec import Struct

from application.ports.records import Sink
from application.ports.request_log import RequestLog


class Store(Struct, frozen=True):
    """Where records go in and come out."""

    sink: Sink
    log: RequestLog
