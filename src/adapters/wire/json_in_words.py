"""Asking for JSON in words, where a model cannot be held to it by the API."""

import msgspec

from adapters.wire.reading import JsonObject

_ENCODER = msgspec.json.Encoder()
_JSON_ONLY = "Answer with one JSON object and nothing else: no text around it, no code fence."


def json_in_words(schema: JsonObject | None) -> str:
    """Return the instruction to answer in JSON, of this schema if there is one."""
    if schema is None:
        return _JSON_ONLY
    return f"{_JSON_ONLY} It must match this JSON schema:\n{_ENCODER.encode(schema).decode()}"
