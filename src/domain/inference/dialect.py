"""The API a client speaks (dialect) and the API a provider speaks (wire format)."""

from enum import StrEnum


class Dialect(StrEnum):
    """Client-facing APIs.

    `OPENAI` is OpenAI's API beyond conversations (embeddings, images, audio, …), which is relayed
    and never translated.
    """

    OPENAI_CHAT = "openai_chat"
    OPENAI_RESPONSES = "openai_responses"
    ANTHROPIC_MESSAGES = "anthropic_messages"
    GEMINI_GENERATE = "gemini_generate"
    BEDROCK_CONVERSE = "bedrock_converse"
    OPENAI = "openai"


class WireFormat(StrEnum):
    """Provider-facing APIs. Equal values mean: bytes can pass through."""

    OPENAI_CHAT = "openai_chat"
    OPENAI_RESPONSES = "openai_responses"
    ANTHROPIC_MESSAGES = "anthropic_messages"
    GEMINI_GENERATE = "gemini_generate"
    BEDROCK_CONVERSE = "bedrock_converse"


class Operation(StrEnum):
    """What is asked of a model, independent of the dialect."""

    CHAT = "chat"
    COUNT_TOKENS = "count_tokens"
    RETRIEVE_RESPONSE = "responses.retrieve"
    DELETE_RESPONSE = "responses.delete"
    CANCEL_RESPONSE = "responses.cancel"
    LIST_RESPONSE_INPUT = "responses.input_items"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    MODERATIONS = "moderations"
    RERANK = "rerank"
    IMAGES_GENERATIONS = "images.generations"
    IMAGES_EDITS = "images.edits"
    IMAGES_VARIATIONS = "images.variations"
    AUDIO_SPEECH = "audio.speech"
    AUDIO_TRANSCRIPTIONS = "audio.transcriptions"
    AUDIO_TRANSLATIONS = "audio.translations"


class Surface(StrEnum):
    """The doors a key may open."""

    AI_GATEWAY = "ai_gateway"
    MCP_GATEWAY = "mcp_gateway"
    CONSOLE = "console"
