"""Traces of real requests, as a collector receives them."""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping

import httpx
import pytest

from adapters.telemetry.otlp import OtlpTracer
from tests.support.gateway_harness import GatewayHarness, RunningGateway
from tests.support.openai_bodies import openai_completion, openai_error, openai_stream
from tests.support.otlp_collector import OtlpCollector, ReceivedSpan
from tests.support.scripted_upstream import ScriptedUpstream

SERVER, CLIENT = 2, 3
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
NOTHING: Mapping[str, str] = {}
SENT = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=1"}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[OtlpCollector]:
    with OtlpCollector() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=blue")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        yield running


async def ask(
    gateway: RunningGateway,
    key: str,
    *,
    model: str = "gpt",
    stream: bool = False,
    headers: Mapping[str, str] = NOTHING,
) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
    async with httpx.AsyncClient(base_url=gateway.url) as http:
        return await http.post(
            "/v1/chat/completions",
            content=json.dumps(body),
            headers={"authorization": f"Bearer {key}", **headers},
        )


async def sent(
    tracer: OtlpTracer, collector: OtlpCollector, count: int
) -> tuple[ReceivedSpan, list[ReceivedSpan]]:
    """Send what is waiting; return the span of the request and those of its attempts in order."""
    assert await tracer.drain(20)
    spans = await asyncio.to_thread(collector.wait_for, count)
    assert len(spans) == count
    (server,) = [span for span in spans if span.kind == SERVER]
    attempts = [span for span in spans if span.kind == CLIENT]
    return server, sorted(attempts, key=lambda span: span.start_ns)


async def test_a_request_is_a_span_with_one_below_for_every_attempt(
    collector: OtlpCollector,
) -> None:
    tracer = OtlpTracer("1.2.3", "gateway-1")
    harness = GatewayHarness(tracer=tracer)
    key = harness.add_key()
    async with ScriptedUpstream() as broken, ScriptedUpstream() as sound:
        routes = harness.add_openai(broken.url, name="one"), harness.add_openai(sound.url)
        harness.add_model("gpt", *routes, upstream_model="gpt-upstream")
        broken.enqueue(openai_error(500))
        sound.enqueue(openai_completion(model="gpt-upstream-2026"))
        async with harness.running() as gateway:
            before = time.time_ns()
            assert (await ask(gateway, key, headers=SENT)).status_code == 200
            after = time.time_ns()
            (record,) = await gateway.journal.wait_for(1)
            told = [
                (await upstream.next_request()).header("traceparent")
                for upstream in (broken, sound)
            ]
            server, attempts = await sent(tracer, collector, 3)
        port = int(sound.url.split(":")[2].split("/")[0])

    assert server.name == "chat gpt"
    assert (server.trace_id, server.parent_id, server.state) == (TRACE, PARENT, "vendor=1")
    assert record.trace_id == TRACE
    usage = {
        "gen_ai.usage.input_tokens": record.tokens_input_uncached + record.tokens_cache_read,
        "gen_ai.usage.output_tokens": record.tokens_output + record.tokens_reasoning,
    }
    assert record.tokens_output > 0
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "upstream",
        "gen_ai.request.model": "gpt",
        "gen_ai.response.model": "gpt-upstream-2026",
        "gen_ai.response.finish_reasons": ["stop"],
        "http.response.status_code": 200,
        "thinkwatch.request.id": record.request_id,
        "thinkwatch.outcome": "ok",
        **usage,
    }
    assert {name: server.attributes.get(name) for name in expected} == expected
    assert "error.type" not in server.attributes
    assert not server.failed
    slack = 5_000_000  # the record's clock counts in milliseconds
    assert before - slack <= server.start_ns < server.end_ns <= after + slack
    assert server.resource["service.name"] == "thinkwatch"
    assert server.resource["service.version"] == "1.2.3"
    assert server.resource["deployment.environment.name"] == "test"

    first, second = attempts
    assert told == [f"00-{TRACE}-{span.span_id}-01" for span in attempts]
    assert {span.parent_id for span in attempts} == {server.span_id}
    assert {span.trace_id for span in attempts} == {TRACE}
    assert first.failed
    assert first.name == "chat gpt-upstream"
    failure = {"error.type": "server_error", "http.response.status_code": 500}
    assert {name: first.attributes.get(name) for name in failure} == failure
    assert "gen_ai.usage.output_tokens" not in first.attributes
    assert not second.failed
    answer = {
        "gen_ai.provider.name": "upstream",
        "gen_ai.request.model": "gpt-upstream",
        "gen_ai.response.model": "gpt-upstream-2026",
        "server.address": "127.0.0.1",
        "server.port": port,
        **usage,
    }
    assert {name: second.attributes.get(name) for name in answer} == answer
    assert server.start_ns <= first.start_ns <= first.end_ns <= second.start_ns
    assert second.start_ns < second.end_ns <= server.end_ns

    (path, headers), *_ = collector.requests
    assert path == "/v1/traces"
    assert headers["x-tenant"] == "blue"


async def test_a_stream_is_one_exchange_to_its_end(collector: OtlpCollector) -> None:
    tracer = OtlpTracer("1", "g")
    harness = GatewayHarness(tracer=tracer)
    key = harness.add_key()
    async with ScriptedUpstream() as upstream:
        harness.add_model("gpt", harness.add_openai(upstream.url))
        upstream.enqueue(openai_stream())
        async with harness.running() as gateway:
            assert (await ask(gateway, key, stream=True)).status_code == 200
            (record,) = await gateway.journal.wait_for(1)
            told = (await upstream.next_request()).header("traceparent")
            server, (attempt,) = await sent(tracer, collector, 2)
    assert attempt.end_ns == server.end_ns
    assert server.attributes["thinkwatch.time_to_first_token_ms"] == record.ttft_ms
    assert server.parent_id == ""
    assert server.trace_id == record.trace_id, "the record names the trace that began here"
    assert told == f"00-{server.trace_id}-{attempt.span_id}-01"


async def test_a_refusal_is_a_span_without_attempts_and_texts_of_strangers_do_no_harm(
    collector: OtlpCollector,
) -> None:
    tracer = OtlpTracer("1", "g")
    harness = GatewayHarness(tracer=tracer)
    key = harness.add_key()
    async with harness.running() as gateway:
        answer = await ask(gateway, key, model="\ud800" + "x" * 1000)
        assert answer.status_code in (400, 404)
        server, attempts = await sent(tracer, collector, 1)
    assert attempts == []
    assert server.attributes["thinkwatch.outcome"] == "invalid"
    assert server.attributes["error.type"] == "invalid"
    assert not server.failed, "it is the caller's mistake"
    assert len(server.name) <= 256


async def test_what_the_caller_does_not_sample_is_passed_on_and_not_recorded(
    collector: OtlpCollector,
) -> None:
    tracer = OtlpTracer("1", "g")
    harness = GatewayHarness(tracer=tracer)
    key = harness.add_key()
    parent = SENT["traceparent"][:-1] + "0"
    async with ScriptedUpstream() as upstream:
        harness.add_model("gpt", harness.add_openai(upstream.url))
        upstream.enqueue(openai_completion())
        async with harness.running() as gateway:
            await ask(gateway, key, headers={"traceparent": parent})
            assert (await upstream.next_request()).header("traceparent") == parent
            await gateway.journal.wait_for(1)
            assert await tracer.drain(20)
    assert collector.spans == []


async def test_without_tracing_the_callers_trace_goes_upstream_as_it_came() -> None:
    harness = GatewayHarness()
    key = harness.add_key()
    async with ScriptedUpstream() as upstream:
        harness.add_model("gpt", harness.add_openai(upstream.url))
        upstream.enqueue(openai_completion(), openai_completion())
        async with harness.running() as gateway:
            await ask(gateway, key, headers=SENT)
            request = await upstream.next_request()
            assert request.header("traceparent") == SENT["traceparent"]
            assert request.header("tracestate") == "vendor=1"
            await ask(gateway, key)
            assert (await upstream.next_request()).header("traceparent") is None


async def test_a_share_of_requests_is_traced_when_the_sampler_says_so(
    collector: OtlpCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    tracer = OtlpTracer("1", "g")
    harness = GatewayHarness(tracer=tracer)
    harness.add_model("gpt", harness.add_demo())
    key = harness.add_key()
    async with harness.running() as gateway:
        for _ in range(40):
            await ask(gateway, key)
        records = await gateway.journal.wait_for(40)
        assert await tracer.drain(20)
    recorded = {span.trace_id for span in collector.spans}
    assert 5 < len(recorded) < 35
    assert recorded == {record.trace_id for record in records} - {""}


async def test_a_collector_that_does_not_answer_holds_nobody_up(
    collector: OtlpCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
    collector.deaf = True
    tracer = OtlpTracer("1", "g", most_waiting=5)
    harness = GatewayHarness(tracer=tracer)
    harness.add_model("gpt", harness.add_demo())
    key = harness.add_key()
    async with harness.running() as gateway:
        for _ in range(8):  # nobody makes spans: three are more than may wait
            assert (await ask(gateway, key)).status_code == 200
        started = time.monotonic()
        assert not await tracer.drain(0.2)
        assert time.monotonic() - started < 1.5
    spans = await asyncio.to_thread(collector.wait_for, 10)
    assert len(spans) == 10, "two for each of the five"
