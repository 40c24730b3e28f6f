"""Limits at the gateway: refusals, headers, settlement on every exit."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator

import httpx
import openai
import pytest
from msgspec import structs

from adapters.memory.limits import MemoryLimitStore
from adapters.system.clock import SystemClock
from domain.inference.dialect import Surface
from domain.limits.amounts import NOTHING
from domain.limits.budgets import BudgetUnit
from domain.limits.periods import Period
from domain.limits.reservations import Admitted, Claim, Rejected
from domain.limits.rules import (
    BudgetCap,
    ConcurrencyCap,
    Enforcement,
    Holder,
    HolderKind,
    Limit,
    Metric,
    Mode,
    WindowRule,
)
from domain.limits.windows import Window
from domain.records.events import Outcome, RequestRecord
from domain.subjects import Subject, SubjectChain, SubjectKind
from tests.support.answers import Answer, Drop, answer
from tests.support.gateway_harness import GatewayHarness, RunningGateway
from tests.support.openai_bodies import completion, error, openai_completion, openai_stream
from tests.support.scripted_upstream import ReceivedRequest, ScriptedUpstream

MODEL = "gpt-4o"
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 10}
AI = Surface.AI_GATEWAY
USER = Holder(HolderKind.USER, "user-1")


def requests_rule(
    limit: int, holder: Holder = USER, *, window: Window = Window.MINUTE, **more: object
) -> WindowRule:
    rule = WindowRule(
        id=f"rule-{holder.kind}-{window}-{limit}",
        holder=holder,
        surface=AI,
        metric=Metric.REQUESTS,
        window=window,
        limit=limit,
    )
    return structs.replace(rule, **more)


@pytest.fixture
def harness(upstream: ScriptedUpstream) -> GatewayHarness:
    harness = GatewayHarness()
    harness.add_model(MODEL, harness.add_openai(upstream.base_url))
    return harness


@pytest.fixture
def key(harness: GatewayHarness) -> str:
    return harness.add_key()


class Session:
    """A running gateway and a client of it."""

    def __init__(self, gateway: RunningGateway, client: httpx.AsyncClient) -> None:
        self.gateway = gateway
        self.client = client

    async def ask(self, **fields: object) -> httpx.Response:
        return await self.client.post("/v1/chat/completions", json={**BODY, **fields})

    async def used(self, limit: Limit, provider: str | None = None) -> int:
        """Return what a limit of the user (or of a provider) stands at."""
        await self.gateway.settlements.idle()
        subject = (
            Subject(SubjectKind.PROVIDER, provider)
            if provider is not None
            else Subject(SubjectKind.USER, "user-1")
        )
        policy = self.gateway.runtime.get().limits
        entries = policy.bind(SubjectChain((subject,)), AI, SystemClock().now_ms()).entries
        usage = await self.gateway.store.usage(entries, NOTHING)
        (reading,) = [
            reading
            for entry, reading in zip(entries, usage.readings, strict=True)
            if entry.limit_id == limit.id
        ]
        return reading.used

    async def record(self, count: int = 1) -> RequestRecord:
        return (await self.gateway.journal.wait_for(count))[-1]


@contextlib.asynccontextmanager
async def session(harness: GatewayHarness, key: str, *limits: Limit) -> AsyncGenerator[Session]:
    harness.limits = list(limits)
    async with (
        harness.running() as gateway,
        httpx.AsyncClient(base_url=gateway.url, headers={"api-key": key}, timeout=20) as client,
    ):
        yield Session(gateway, client)


async def test_the_request_over_a_limit_is_429_with_label_wait_and_record(
    harness: GatewayHarness, key: str, upstream: ScriptedUpstream
) -> None:
    rule, wide = requests_rule(2), requests_rule(100, window=Window.HOUR)
    upstream.always(openai_completion())
    async with session(harness, key, rule, wide) as running:
        accepted = [await running.ask() for _ in range(2)]
        refused = await running.ask()
        assert [reply.status_code for reply in accepted] == [200, 200]
        assert accepted[0].headers["x-ratelimit-limit-requests"] == "2"
        assert accepted[0].headers["x-ratelimit-remaining-requests"] == "1"
        assert refused.status_code == 429
        assert "user:requests/1m" in refused.json()["error"]["message"]
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        assert refused.json()["error"]["limit"] == "user:requests/1m"
        assert refused.headers["x-thinkwatch-limit"] == "user:requests/1m"
        assert 1 <= int(refused.headers["retry-after"]) <= 61
        assert refused.headers["x-ratelimit-remaining-requests"] == "0"
        record = await running.record(3)
        assert (record.outcome, record.status) == (Outcome.RATE_LIMITED, 429)
        assert record.limit_label == "user:requests/1m"
        assert record.limit_usages == {"user:requests/1m": 2, "user:requests/1h": 2}
        assert record.weighted_tokens == 0
        # nothing was counted for the refused one, in no rule
        assert await running.used(wide) == 2
    assert len(upstream.requests) == 2


async def test_tokens_and_budgets_are_charged_what_the_record_says(
    harness: GatewayHarness, key: str, upstream: ScriptedUpstream
) -> None:
    tokens = WindowRule(
        id="t", holder=USER, surface=AI, metric=Metric.TOKENS, window=Window.DAY, limit=10_000
    )
    budget = BudgetCap(id="b", holder=USER, period=Period.MONTHLY, limit=10_000)
    usd = BudgetCap(id="u", holder=USER, period=Period.DAILY, limit=10**12, unit=BudgetUnit.USD)
    async with session(harness, key, tokens, budget, usd) as running:
        upstream.enqueue(openai_completion(), openai_stream())
        await running.ask()
        await running.ask(stream=True)
        records = await running.gateway.journal.wait_for(2)
        spent = sum(record.weighted_tokens for record in records)
        assert spent == 58
        assert await running.used(tokens) == spent
        assert await running.used(budget) == spent
        assert await running.used(usd) == sum(record.cost_nano_usd for record in records)
        assert running.gateway.settlements.open == {}


async def test_a_strict_limit_gives_back_what_was_not_used(
    harness: GatewayHarness, key: str, upstream: ScriptedUpstream
) -> None:
    strict = WindowRule(
        id="t",
        holder=USER,
        surface=AI,
        metric=Metric.TOKENS,
        window=Window.DAY,
        limit=1000,
        enforcement=Enforcement.STRICT,
    )
    async with session(harness, key, strict) as running:
        upstream.enqueue(openai_completion())
        assert (await running.ask()).status_code == 200
        assert await running.used(strict) == 29
        refused = await running.ask(max_tokens=5000)
        assert refused.status_code == 429
        assert await running.used(strict) == 29


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [400, 401, 429, 500])
async def test_a_failed_request_counts_as_a_request_without_tokens(
    harness: GatewayHarness, key: str, upstream: ScriptedUpstream, status: int, stream: bool
) -> None:
    rule = requests_rule(10)
    strict = BudgetCap(
        id="b",
        holder=USER,
        period=Period.MONTHLY,
        limit=10_000,
        enforcement=Enforcement.STRICT,
    )
    harness.judge_every_answer_alone()
    async with session(harness, key, rule, strict) as running:
        upstream.enqueue(answer(status, body=error()))
        await running.ask(stream=stream)
        assert await running.used(rule) == 1
        assert await running.used(strict) == 0
        assert running.gateway.settlements.open == {}


async def test_a_request_refused_before_going_upstream_costs_nothing(
    harness: GatewayHarness, key: str
) -> None:
    rule = requests_rule(10)
    async with session(harness, key, rule) as running:
        assert (await running.ask(model="unheard-of")).status_code == 404
        harness.models[MODEL] = structs.replace(harness.models[MODEL], routes=())
        assert (await running.ask()).status_code == 503
        assert await running.used(rule) == 0
        assert running.gateway.settlements.open == {}


async def test_concurrency_is_held_by_the_stream_and_given_back_however_it_ends(
    harness: GatewayHarness, key: str, upstream: ScriptedUpstream
) -> None:
    cap = ConcurrencyCap(id="c", holder=USER, surface=AI, limit=1)
    async with session(harness, key, cap) as running:
        gate = asyncio.Event()
        upstream.enqueue(openai_stream(pause_after=2, gate=gate))
        body = {**BODY, "stream": True}
        async with running.client.stream("POST", "/v1/chat/completions", json=body) as first:
            await anext(first.aiter_bytes())
            refused = await running.ask()
            assert refused.status_code == 429
            assert "user:concurrency" in refused.json()["error"]["message"]
        # the first client has hung up
        await upstream.next_disconnect()
        await running.gateway.journal.wait_for(2)
        assert await running.used(cap) == 0
        upstream.enqueue(
            openai_stream(("Hel",), usage=None, done=False, then=[Drop()]), openai_completion()
        )
        assert (await running.ask(stream=True)).status_code == 200
        await running.gateway.journal.wait_for(3)
        await running.gateway.settlements.idle()
        assert (await running.ask()).status_code == 200


async def test_a_shadow_rule_reports_and_refuses_nothing(
    harness: GatewayHarness, key: str, upstream: ScriptedUpstream
) -> None:
    shadow = requests_rule(1, mode=Mode.SHADOW)
    upstream.always(openai_completion())
    async with session(harness, key, shadow) as running:
        replies = [await running.ask() for _ in range(3)]
        assert [reply.status_code for reply in replies] == [200, 200, 200]
        assert "x-ratelimit-limit-requests" not in replies[0].headers
        assert await running.used(shadow) == 3
        assert running.gateway.events.shadows == ["user:requests/1m"] * 2


async def test_a_full_provider_fails_over_and_is_named_when_all_are_full(
    harness: GatewayHarness, key: str, upstream: ScriptedUpstream
) -> None:
    first = harness.add_openai(upstream.base_url, name="first")
    second = harness.add_openai(upstream.base_url, name="second")
    harness.add_model(MODEL, first, second)
    rules = [
        requests_rule(1, Holder(HolderKind.PROVIDER, provider)) for provider in (first, second)
    ]
    rules = [structs.replace(rule, id=f"p{n}") for n, rule in enumerate(rules)]
    own = requests_rule(10)
    upstream.always(openai_completion())
    async with session(harness, key, *rules, own) as running:
        replies = [await running.ask() for _ in range(3)]
        records = await running.gateway.journal.wait_for(3)
        assert [reply.status_code for reply in replies] == [200, 200, 429]
        assert [record.provider for record in records[:2]] == ["first", "second"]
        assert "provider:requests/1m" in replies[2].json()["error"]["message"]
        assert records[2].limit_label == "provider:requests/1m"
        assert await running.used(rules[0], first) == 1
        # the third was never sent anywhere, so it costs the user nothing
        assert await running.used(own) == 2


async def test_a_failure_is_told_before_a_full_provider_and_counted_as_recorded(
    harness: GatewayHarness, key: str, upstream: ScriptedUpstream
) -> None:
    first = harness.add_openai(upstream.base_url, name="first")
    second = harness.add_openai(upstream.base_url, name="second")
    harness.add_model(MODEL, first, second)
    full = requests_rule(0, Holder(HolderKind.PROVIDER, second))
    tokens = WindowRule(
        id="t",
        holder=Holder(HolderKind.PROVIDER, first),
        surface=AI,
        metric=Metric.TOKENS,
        window=Window.DAY,
        limit=10_000,
    )
    own = BudgetCap(id="b", holder=USER, period=Period.MONTHLY, limit=10_000)
    upstream.always(openai_stream((), usage=None, done=False, then=[Drop()]))
    async with session(harness, key, full, tokens, own) as running:
        reply = await running.ask(stream=True)
        assert reply.status_code == 502
        record = await running.record()
        assert (record.outcome, record.provider) == (Outcome.UPSTREAM_ERROR, "first")
        assert await running.used(tokens, first) == record.weighted_tokens
        assert await running.used(own) == record.weighted_tokens


async def test_two_keys_of_one_user_share_his_limit_and_have_their_own(
    harness: GatewayHarness, key: str, upstream: ScriptedUpstream
) -> None:
    other = harness.add_key()
    per_key = [
        structs.replace(requests_rule(2, Holder(HolderKind.API_KEY, f"lineage-{n}")), id=f"k{n}")
        for n in (1, 2)
    ]
    upstream.always(openai_completion())
    async with session(harness, key, requests_rule(3), *per_key) as running:
        assert [(await running.ask()).status_code for _ in range(3)] == [200, 200, 429]
        running.client.headers["api-key"] = other
        replies = [await running.ask() for _ in range(2)]
        assert [reply.status_code for reply in replies] == [200, 429]
        assert "user:requests/1m" in replies[1].json()["error"]["message"]


class AnswerLost(MemoryLimitStore):
    """Counts, and then keeps its answer back."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.counted = asyncio.Event()
        self.lose = False

    async def admit(self, claim: Claim) -> Admitted | Rejected:
        verdict = await super().admit(claim)
        if self.lose:
            self.counted.set()
            await asyncio.Event().wait()
        return verdict


async def test_a_client_that_leaves_while_limits_are_checked_costs_nothing(
    harness: GatewayHarness, key: str
) -> None:
    rule = requests_rule(10)
    harness.limit_store = store = AnswerLost()
    async with session(harness, key, rule) as running:
        store.lose = True
        waiting = asyncio.ensure_future(running.ask())
        async with asyncio.timeout(10):
            await store.counted.wait()
        store.lose = False
        waiting.cancel()
        record = await running.record()
        assert record.outcome is Outcome.CLIENT_CANCELLED
        assert await running.used(rule) == 0


def respond_up_to_the_bound(request: ReceivedRequest) -> Answer:
    """Generate as much as the request allows; without a bound, far more."""
    asked = request.json()
    bound = asked.get("max_tokens") or asked.get("max_completion_tokens") or 1_000_000
    payload = completion(content="Hello")
    payload["usage"] = {
        "prompt_tokens": 3,
        "completion_tokens": bound,
        "total_tokens": 3 + bound,
    }
    return answer(200, body=json.dumps(payload).encode())


def strict_tokens(limit: int, **more: object) -> WindowRule:
    rule = WindowRule(
        id="rule-strict",
        holder=USER,
        surface=AI,
        metric=Metric.TOKENS,
        window=Window.MINUTE,
        limit=limit,
        enforcement=Enforcement.STRICT,
    )
    return structs.replace(rule, **more)


@pytest.mark.parametrize("unbounded", [{}, {"max_tokens": None}, {"max_completion_tokens": 0}])
async def test_a_strict_limit_holds_for_requests_without_a_bound_of_their_own(
    harness: GatewayHarness, key: str, upstream: ScriptedUpstream, unbounded: dict[str, object]
) -> None:
    strict = strict_tokens(10_000)
    upstream.always(respond_up_to_the_bound)
    body = {"model": MODEL, "messages": BODY["messages"], **unbounded}
    async with session(harness, key, strict) as running:
        replies = [await running.client.post("/v1/chat/completions", json=body) for _ in range(4)]
        assert [reply.status_code for reply in replies] == [200, 200, 429, 429]
        assert (
            replies[0].headers["x-thinkwatch-warnings"]
            == "max_output_tokens=4096 set by a strict limit"
        )
        assert await running.used(strict) == 2 * (3 + 4_096)
    for request in upstream.requests:
        assert request.json()["max_tokens"] == 4_096
        assert not request.json().get("max_completion_tokens")


@pytest.mark.parametrize(
    "rule",
    [
        strict_tokens(10_000_000, enforcement=Enforcement.SOFT),
        strict_tokens(10_000_000, mode=Mode.SHADOW),
    ],
    ids=["soft", "shadow"],
)
async def test_only_a_limit_that_needs_it_bounds_the_output(
    harness: GatewayHarness, key: str, upstream: ScriptedUpstream, rule: WindowRule
) -> None:
    upstream.always(respond_up_to_the_bound)
    async with session(harness, key, rule) as running:
        body = {"model": MODEL, "messages": BODY["messages"]}
        reply = await running.client.post("/v1/chat/completions", json=body)
        assert reply.status_code == 200
        assert "x-thinkwatch-warnings" not in reply.headers
    assert "max_tokens" not in upstream.requests[0].json()


async def test_an_image_is_reserved_as_an_image_and_not_as_text(
    harness: GatewayHarness, key: str, upstream: ScriptedUpstream
) -> None:
    inline = "data:image/png;base64," + "A" * 200_000
    urls = [inline, "https://example.com/a.png"]
    content = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    messages = [{"role": "user", "content": content}]
    upstream.always(openai_completion())
    async with session(harness, key, strict_tokens(4_000)) as running:
        assert (await running.ask(messages=messages)).status_code == 429, "two images: 4,000 tokens"
    async with session(harness, key, strict_tokens(4_200)) as running:
        assert (await running.ask(messages=messages)).status_code == 200


async def test_a_spent_budget_is_a_quota_that_clients_do_not_wait_for(
    harness: GatewayHarness, key: str, upstream: ScriptedUpstream
) -> None:
    cap = BudgetCap(
        id="cap-1",
        holder=USER,
        period=Period.MONTHLY,
        unit=BudgetUnit.WEIGHTED_TOKENS,
        limit=1,
        enforcement=Enforcement.STRICT,
    )
    async with session(harness, key, cap) as running:
        client = openai.AsyncOpenAI(base_url=f"{running.gateway.url}/v1", api_key=key)
        async with client:
            with pytest.raises(openai.RateLimitError) as caught:
                await client.chat.completions.create(
                    model=MODEL, messages=[{"role": "user", "content": "Hi"}], max_tokens=10
                )
        assert (caught.value.code, caught.value.type) == ("insufficient_quota",) * 2
        assert caught.value.response.headers["x-thinkwatch-limit"] == "user:budget/monthly"
        assert len(running.gateway.journal.records) == 1, "the SDK did not try again"
