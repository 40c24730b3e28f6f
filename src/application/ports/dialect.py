"""A client-facing API: how its requests are read and its errors written."""

from abc import abstractmethod
from typing import Protocol

from msgspec import Struct

from domain.inference.dialect import Dialect
from domain.inference.head import RequestHead


class PublicError(Struct, frozen=True, kw_only=True):
    """An error as a client may see it, before it is put into a dialect's shape.

    Attributes:
        status: HTTP status.
        kind: coarse category: `invalid_request`, `authentication`, `permission`, `not_found`,
            `too_large`, `rate_limit`, `quota`, `overloaded`, `timeout`, `upstream`, `internal`.
        code: stable machine-readable code.
        limit: label of the limit of ours that refused, e.g. `user:requests/1m`.
        upstream_kind: error type as the provider named it, kept for same-format replies.
    """

    status: int
    kind: str
    code: str
    message: str
    param: str | None = None
    limit: str | None = None
    request_id: str = ""
    retry_after_ms: int | None = None
    upstream_kind: str | None = None


class DialectCodec(Protocol):
    """Reading requests and writing errors of one dialect."""

    @property
    @abstractmethod
    def dialect(self) -> Dialect:
        """Which dialect this is."""
        ...

    @property
    @abstractmethod
    def keep_alive(self) -> bytes:
        """Bytes that say nothing, for a stream that has been silent."""
        ...

    @abstractmethod
    def peek(self, body: bytes, max_depth: int) -> RequestHead:
        """Read the governing fields of a request body.

        Raises:
            InvalidRequest: not JSON, not UTF-8, nested deeper than `max_depth`, a required field is
                missing or of the wrong type, or a governing field is given twice.
        """
        ...

    @abstractmethod
    def error_body(self, error: PublicError) -> bytes:
        """Return the JSON body of an error answer."""
        ...

    @abstractmethod
    def stream_error(self, error: PublicError) -> bytes:
        """Return the bytes that end a running stream with an error."""
        ...
