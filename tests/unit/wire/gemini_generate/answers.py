"""Answers as the Gemini API gives them."""

import json
from typing import Any

USAGE = {"promptTokenCount": 8, "candidatesTokenCount": 3, "totalTokenCount": 11}
COUNTED = {"input_uncached": 8, "output": 3}


def candidate(*parts: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    """Return a candidate."""
    found: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if finish:
        found["finishReason"] = finish
    return found | more


def answer(*candidates: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an answer or chunk."""
    members = {"usageMetadata": USAGE, "modelVersion": "gemini-2.5-flash", "responseId": "resp-1"}
    return {"candidates": list(candidates), **members, **more}


def event(body: dict[str, Any] | bytes) -> bytes:
    """Return an event as Google's servers write them."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"data: " + data + b"\r\n\r\n"


def text(words: str, **more: Any) -> dict[str, Any]:
    """Return a part."""
    return {"text": words, **more}


def call(name: str = "look", **more: Any) -> dict[str, Any]:
    """Return a part."""
    return {"functionCall": {"name": name, "args": {"at": 1}, **more}}


ERROR = {"error": {"code": 400, "message": "No such thing.", "status": "INVALID_ARGUMENT"}}
OVERLOADED = {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}
