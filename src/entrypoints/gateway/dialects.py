"""The dialects of the gateway, and which one a path belongs to."""

from msgspec import Struct

from application.ports.dialect import DialectCodec


class Dialects(Struct, frozen=True, kw_only=True):
    """One codec per dialect.

    Attributes:
        gemini: streams as server-sent events.
        gemini_array: streams as one JSON array.
    """

    openai_chat: DialectCodec
    openai_responses: DialectCodec
    anthropic: DialectCodec
    gemini: DialectCodec
    gemini_array: DialectCodec
    bedrock: DialectCodec

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
