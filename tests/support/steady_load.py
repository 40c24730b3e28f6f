"""A steady mixture of whole answers and streams, and what its clients see of them."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx

from tests.support.answers import Answer
from tests.support.installation import Installation
from tests.support.openai_bodies import openai_completion, openai_stream
from tests.support.scripted_upstream import ReceivedRequest

CLIENTS = 24


def healthy(request: ReceivedRequest) -> Answer:
    """Answer as asked: whole, or as a stream."""
    return openai_stream() if request.json().get("stream") else openai_completion()


@dataclass
class Tally:
    """What the clients saw."""

    outcomes: Counter[str] = field(default_factory=Counter[str])
    seconds: list[float] = field(default_factory=list[float])

    @property
    def total(self) -> int:
        return sum(self.outcomes.values())

    def line(self, name: str) -> str:
        ordered = sorted(self.seconds)
        share = 100 * self.outcomes["ok"] / max(1, self.total)
        p50, p99 = (1000 * ordered[int(part * (len(ordered) - 1))] for part in (0.5, 0.99))
        return f"| {name} | {self.total} | {share:.2f} % | {p50:.0f} ms | {p99:.0f} ms |"


async def ask(client: httpx.AsyncClient, model: str, *, stream: bool) -> str:
    """Send one request; return `ok`, or what was wrong."""
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "Hi"}]}
    try:
        reply = await client.post("/chat/completions", json=body)
    except httpx.TransportError as failure:
        return type(failure).__name__
    if reply.status_code != 200:
        return f"{reply.status_code} {reply.text[:200]}"
    if not stream:
        return "ok" if reply.json()["choices"][0]["message"]["content"] else "empty"
    # After its first content nobody else can go on with an answer.
    return "ok" if reply.text.rstrip().endswith("data: [DONE]") else "cut in mid-stream"


async def load(installation: Installation, model: str, tally: Tally, stop: asyncio.Event) -> None:
    """Keep `CLIENTS` clients asking until told to stop."""
    limits = httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
    async with installation.client(limits=limits) as client:

        async def one(number: int) -> None:
            while not stop.is_set():
                began = time.monotonic()
                tally.outcomes[await ask(client, model, stream=number % 2 == 0)] += 1
                tally.seconds.append(time.monotonic() - began)

        await asyncio.gather(*(one(number) for number in range(CLIENTS)))


async def spell(installation: Installation, model: str, seconds: float) -> Tally:
    """Load for a while and return what was seen."""
    tally, stop = Tally(), asyncio.Event()
    loading = asyncio.ensure_future(load(installation, model, tally, stop))
    await asyncio.sleep(seconds)
    stop.set()
    await loading
    return tally
