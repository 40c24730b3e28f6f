"""The API a client speaks (dialect) and the API a provider speaks (wire format)."""

from enum import StrEnum


class Dialect(StrEnum):
    """Client-facing APIs."""

    OPENAI_CHAT = "openai_chat"


class WireFormat(StrEnum):
    """Provider-facing APIs. Equal values mean: bytes can pass through."""

    OPENAI_CHAT = "openai_chat"


class Surface(StrEnum):
    """The doors a key may open."""

    AI_GATEWAY = "ai_gateway"
    MCP_GATEWAY = "mcp_gateway"
    CONSOLE = "console"
