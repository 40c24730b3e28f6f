"""What is asked: small and large bodies, streamed and not, passed through and translated.

The answers are the fake upstream's, always in Chat Completions. In a translated scenario ThinkWatch
is asked in Anthropic's Messages and has to answer in it; the others are asked what it sends on.
"""

import json
from dataclasses import dataclass

MODEL = "bench"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of request, sent again and again."""

    name: str
    body: bytes
    stream: bool
    translated: bytes | None = None


def _body(size: int, *, stream: bool) -> bytes:
    """An ordinary chat request of about `size` bytes: a conversation, not one long string."""
    messages = [{"role": "system", "content": "You answer briefly and to the point."}]
    request = {"model": MODEL, "stream": stream, "temperature": 0.2, "messages": messages}

    def encoded() -> bytes:
        return json.dumps(request, separators=(",", ":"), ensure_ascii=False).encode()

    while len(encoded()) < size - 420:
        role = "assistant" if len(messages) % 2 == 0 else "user"
        text = f'Turn {len(messages)}: "{"some words and ünïcode " * 15}"\n'
        messages.append({"role": role, "content": text})
    messages.append({"role": "user", "content": ""})
    messages[-1]["content"] = "x" * max(0, size - len(encoded()))
    return encoded()


def _translated(body: bytes) -> bytes:
    """Return the same request as a client of Anthropic's API writes it."""
    request = json.loads(body)
    system, *messages = request["messages"]
    asked = {
        "model": request["model"],
        "max_tokens": 1024,
        "stream": request["stream"],
        "temperature": request["temperature"],
        "system": [{"type": "text", "text": system["content"]}],
        "messages": [
            {"role": m["role"], "content": [{"type": "text", "text": m["content"]}]}
            for m in messages
        ],
    }
    return json.dumps(asked, separators=(",", ":"), ensure_ascii=False).encode()


def _scenarios() -> tuple[Scenario, ...]:
    found: list[Scenario] = []
    for size in (1_000, 64_000):
        for stream in (False, True):
            body = _body(size, stream=stream)
            name = f"{'stream' if stream else 'json'} {size // 1000} KB"
            found += (
                Scenario(name, body, stream),
                Scenario(f"{name}, translated", body, stream, _translated(body)),
            )
    return tuple(found)


SCENARIOS = _scenarios()
