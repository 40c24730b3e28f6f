"""The dialects of the gateway, and which one a path belongs to."""

from collections.abc import Callable

from msgspec import Struct

from application.ports.dialect import DialectCodec
from domain.inference.dialect import Operation


class Dialects(Struct, frozen=True, kw_only=True):
    """One codec per dialect.

    Attributes:
        gemini: streams as server-sent events.
        gemini_array: makes one that streams one JSON array; it serves one answer.
        relay: makes the codec of an operation beyond conversations, for one content type.
        kept_response: answers that a provider keeps.
    """

    openai_chat: DialectCodec
    openai_responses: DialectCodec
    anthropic: DialectCodec
    gemini: DialectCodec
    gemini_array: Callable[[], DialectCodec]
    bedrock: DialectCodec
    kept_response: DialectCodec
    relay: Callable[[Operation, bytes], DialectCodec]

    def of_path(self, path: str) -> DialectCodec:
        """Return the dialect in which a request for `path` is answered when nothing serves it."""
        if path.startswith("/v1/messages"):
            return self.anthropic
        if path.startswith("/v1beta/") or (path.startswith("/v1/models/") and ":" in path):
            return self.gemini
        if path.startswith("/model/"):
            return self.bedrock
        if path.startswith("/v1/responses"):
            return self.openai_responses
        return self.openai_chat
