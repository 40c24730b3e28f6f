"""What is asked: small and large bodies, streamed and not. The answers are the fake upstream's."""

import json
from dataclasses import dataclass

MODEL = "bench"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of request, sent again and again."""

    name: str
    body: bytes
    stream: bool


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


SCENARIOS = (
    Scenario("json 1 KB", _body(1_000, stream=False), stream=False),
    Scenario("json 11 KB", _body(11_000, stream=False), stream=False),
    Scenario("stream 50 chunks", _body(1_000, stream=True), stream=True),
)
