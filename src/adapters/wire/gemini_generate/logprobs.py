"""`logprobsResult` as OpenAI's `logprobs` object, which is the canonical one, and back.

https://ai.google.dev/api/generate-content#LogprobsResult
"""

from typing import cast

from adapters.wire.gemini_generate.reading import SpelledMembers
from adapters.wire.reading import JsonObject


def read_logprobs(members: SpelledMembers | None) -> JsonObject | None:
    """Return the canonical object, or None when there is none."""
    if members is None:
        return None
    top = [list(entry.objects("candidates")) for entry in members.objects("topCandidates")]
    content: list[JsonObject] = []
    for place, chosen in enumerate(members.objects("chosenCandidates")):
        others = top[place] if place < len(top) else []
        content.append({**_read(chosen), "top_logprobs": [_read(other) for other in others]})
    return {"content": content, "refusal": None}


def write_logprobs(logprobs: JsonObject) -> JsonObject:
    """Return the members of `logprobsResult`."""
    content = _objects(logprobs.get("content"))
    return {
        "chosenCandidates": [_written(entry) for entry in content],
        "topCandidates": [
            {"candidates": [_written(other) for other in _objects(entry.get("top_logprobs"))]}
            for entry in content
        ],
    }


def _read(members: SpelledMembers) -> JsonObject:
    token = members.text("token") or ""
    return {
        "token": token,
        "logprob": members.number("logProbability") or 0.0,
        "bytes": list(token.encode()),
    }


def _written(entry: JsonObject) -> JsonObject:
    return {"token": entry.get("token"), "logProbability": entry.get("logprob")}


def _objects(value: object) -> list[JsonObject]:
    entries = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("JsonObject", entry) for entry in entries if isinstance(entry, dict)]
