"""What requests come to in the metrics, as a scrape of the same gateway shows it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from adapters.telemetry.metrics import PrometheusTelemetry
from domain.inference.dialect import Surface
from domain.limits.rules import Holder, HolderKind, Metric, WindowRule
from domain.limits.windows import Window
from domain.secret import Secret
from tests.support.gateway_harness import GatewayHarness
from tests.support.openai_bodies import openai_completion, openai_error, openai_stream
from tests.support.scripted_upstream import ScriptedUpstream

TOKEN = "a-token-of-some-length"
HELLO = [{"role": "user", "content": "Hi"}]
LIMIT = 3
WITHIN_S = 10.0


@dataclass
class Scraped:
    """A gateway with one model, the provider behind it, and its metrics."""

    upstream: ScriptedUpstream
    http: httpx.AsyncClient

    async def sample(self, series: str) -> float:
        """Return the value of a series, 0 when it is not there."""
        answer = await self.http.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
        lines = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if line[:1] != "#")
        return float(lines.get(series, 0))

    async def becomes(self, series: str, value: float) -> None:
        async with asyncio.timeout(WITHIN_S):
            while await self.sample(series) != value:  # noqa: ASYNC110 - a scrape has no event
                await asyncio.sleep(0.02)

    async def ask(self, model: str = "gpt", *, stream: bool = False) -> int:
        body = {"model": model, "messages": HELLO, "stream": stream}
        return (await self.http.post("/v1/chat/completions", json=body)).status_code


@pytest.fixture
async def scraped() -> AsyncIterator[Scraped]:
    rule = WindowRule(
        id="rule",
        holder=Holder(HolderKind.USER, "user-1"),
        surface=Surface.AI_GATEWAY,
        metric=Metric.REQUESTS,
        window=Window.MINUTE,
        limit=LIMIT,
    )
    harness = GatewayHarness(
        limits=[rule], metrics=PrometheusTelemetry(), metrics_token=Secret(TOKEN)
    )
    harness.judge_every_answer_alone()
    key = {"authorization": f"Bearer {harness.add_key()}"}
    async with ScriptedUpstream() as upstream:
        harness.add_model("gpt", harness.add_openai(upstream.base_url))
        async with (
            harness.running() as gateway,
            httpx.AsyncClient(base_url=gateway.url, headers=key, timeout=30) as http,
        ):
            yield Scraped(upstream, http)


def requests(
    model: str, outcome: str, status: int, *, provider: str = "none", stream: str = "false"
) -> str:
    return (
        f'gateway_requests_total{{model="{model}",outcome="{outcome}",provider="{provider}",'
        f'status="{status}",stream="{stream}",surface="ai_gateway"}}'
    )


async def test_names_that_clients_invent_are_one_label(scraped: Scraped) -> None:
    for number in range(20):
        assert await scraped.ask(f"made-up-{number}") == 404
    answer = await scraped.http.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert "made-up" not in answer.text
    assert await scraped.sample(requests("unknown", "invalid", 404)) == 20


async def test_a_request_that_fails_counts_its_attempt_for_its_provider(scraped: Scraped) -> None:
    scraped.upstream.enqueue(openai_error(500), openai_completion())
    assert await scraped.ask() == 502
    assert await scraped.ask() == 200
    attempts = 'gateway_provider_attempts_total{class="%s",provider="upstream"}'
    assert await scraped.sample(attempts % "server_error") == 1
    assert await scraped.sample(attempts % "ok") == 1
    assert await scraped.sample(requests("gpt", "upstream_error", 502, provider="upstream")) == 1
    assert await scraped.sample("gateway_overhead_seconds_count") == 2


async def test_a_refusal_names_the_model_and_no_provider(scraped: Scraped) -> None:
    scraped.upstream.enqueue(*(openai_completion() for _ in range(LIMIT)))
    for _ in range(LIMIT):
        assert await scraped.ask() == 200
    assert await scraped.ask() == 429
    assert await scraped.sample(requests("gpt", "rate_limited", 429)) == 1
    assert await scraped.sample('gateway_rate_limited_total{label="user:requests/1m"}') == 1
    assert await scraped.sample("gateway_overhead_seconds_count") == LIMIT


async def test_a_stream_is_in_flight_to_its_end_and_counts_by_it(scraped: Scraped) -> None:
    gate = asyncio.Event()
    scraped.upstream.enqueue(*(openai_stream(gate=gate, pause_after=3) for _ in range(2)))
    body = {"model": "gpt", "messages": HELLO, "stream": True}
    completion = 'gateway_stream_completion_total{outcome="%s"}'
    async with scraped.http.stream("POST", "/v1/chat/completions", json=body) as answer:
        await anext(answer.aiter_bytes())
        assert await scraped.sample("gateway_in_flight") == 1
    await scraped.becomes("gateway_in_flight", 0)
    await scraped.becomes(completion % "client_cancelled", 1)

    gate.set()
    assert await scraped.ask(stream=True) == 200
    await scraped.becomes("gateway_in_flight", 0)
    assert await scraped.sample(completion % "ok") == 1
    of = '{model="gpt",provider="upstream",stream="true"}'
    assert await scraped.sample(f"gateway_time_to_first_token_seconds_count{of}") == 2
