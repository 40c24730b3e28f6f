"""What a request meets on its way over several routes, and what its client and its record see."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import httpx
import pytest
from msgspec import structs

from adapters.system.clock import SystemClock
from domain.accounting.pricing import Price, PriceList
from domain.identifiers import PriceId, RouteId
from domain.inference.dialect import Surface
from domain.limits.amounts import NOTHING
from domain.limits.budgets import BudgetUnit
from domain.limits.periods import Period
from domain.limits.rules import BudgetCap, Holder, HolderKind
from domain.records.events import Outcome
from domain.routing.capabilities import Capabilities, Capability
from domain.routing.circuit import BreakerPolicy
from domain.routing.standing import CircuitState, RouteStanding
from domain.routing.tracker import HealthPolicy
from domain.subjects import Subject, SubjectChain, SubjectKind
from tests.support.answers import Answer, Drop, Reset, Stall, answer, stream
from tests.support.gateway_harness import GatewayHarness, RunningGateway
from tests.support.openai_bodies import error, openai_completion, openai_stream
from tests.support.scripted_upstream import ScriptedUpstream

BODY = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 10}
JSON = [("content-type", "application/json")]
ASIDE = [("retry-after", "30"), *JSON]


@pytest.fixture
async def second() -> AsyncIterator[ScriptedUpstream]:
    """Another provider."""
    async with ScriptedUpstream() as running:
        yield running
        assert running.errors == []


@pytest.fixture
def harness(upstream: ScriptedUpstream, second: ScriptedUpstream) -> GatewayHarness:
    """A model with two routes, the second only for when the first fails."""
    harness = GatewayHarness()
    harness.add_model(
        "m",
        harness.add_openai(upstream.base_url, name="first"),
        harness.add_openai(second.base_url, name="second"),
    )
    return harness


@asynccontextmanager
async def serving(
    harness: GatewayHarness, **key: object
) -> AsyncGenerator[tuple[RunningGateway, httpx.AsyncClient]]:
    headers = {"x-api-key": harness.add_key(**key)}
    async with (
        harness.running() as gateway,
        httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=20) as client,
    ):
        yield gateway, client


async def ask(client: httpx.AsyncClient, **fields: object) -> httpx.Response:
    return await client.post("/v1/chat/completions", json={**BODY, **fields})


SSE = [("content-type", "text/event-stream")]
FAULTS: dict[str, tuple[Answer, str]] = {
    "500": (answer(500, body=error()), "server_error"),
    "503": (answer(503, body=error()), "overloaded"),
    "429": (answer(429, body=error(), headers=ASIDE), "rate_limited"),
    "408": (answer(408, body=error()), "server_error"),
    "401": (answer(401, body=error()), "bad_credential"),
    "403": (answer(403, body=error()), "bad_credential"),
    "silence": (answer(200, before_head=[Stall()]), "timeout"),
    "garbage": (answer(200, body=b"<html>", headers=[("content-type", "text/html")]), "protocol"),
    "a reset": (stream([Reset()], headers=SSE), "reset"),
    "nothing but a head": (stream([Drop()], headers=SSE), "reset"),
}


@pytest.mark.parametrize(
    ("fault", "streamed"),
    [(fault, False) for fault in FAULTS if FAULTS[fault][1] != "reset"]
    + [(fault, True) for fault in FAULTS],
)
async def test_what_one_route_fails_at_another_one_serves(
    harness: GatewayHarness,
    upstream: ScriptedUpstream,
    second: ScriptedUpstream,
    fault: str,
    streamed: bool,
) -> None:
    script, error_class = FAULTS[fault]
    harness.settings = {"upstream.first_byte_timeout_ms": 200}
    upstream.enqueue(script)
    second.enqueue(openai_stream() if streamed else openai_completion("from the second"))
    async with serving(harness) as (gateway, client):
        reply = await ask(client, stream=streamed)
        assert reply.status_code == 200
        assert "error" not in reply.text
        (record,) = await gateway.journal.wait_for(1)
    assert (record.outcome, record.provider) == (Outcome.OK, "second")
    tried = [(attempt.provider, attempt.error_class) for attempt in record.attempts]
    assert tried == [("first", error_class), ("second", "")]
    assert all(attempt.duration_ms >= 0 for attempt in record.attempts)


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422])
async def test_what_is_the_requests_own_fault_is_told_as_it_is_and_never_tried_again(
    harness: GatewayHarness, upstream: ScriptedUpstream, status: int
) -> None:
    upstream.always(answer(status, body=error("No such 'top_p'.", param="top_p")))
    async with serving(harness) as (gateway, client):
        for _ in range(8):
            reply = await ask(client)
            assert reply.status_code == status
            assert reply.json()["error"]["message"] == "No such 'top_p'."
        records = await gateway.journal.wait_for(8)
        standing = gateway.board.standing(RouteId("m-0"), records[-1].started_at_ms)
    assert len(upstream.requests) == 8
    assert {record.attempts[0].error_class for record in records} == {"client_error"}
    assert (standing.circuit, standing.error_rate) == (CircuitState.CLOSED, 0)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_credential_that_every_provider_refuses_is_a_bad_gateway(
    harness: GatewayHarness, upstream: ScriptedUpstream, second: ScriptedUpstream, status: int
) -> None:
    upstream.enqueue(answer(status, body=error()))
    second.enqueue(answer(status, body=error()))
    async with serving(harness) as (gateway, client):
        assert (await ask(client)).status_code == 502
        (record,) = await gateway.journal.wait_for(1)
    assert [attempt.status for attempt in record.attempts] == [status, status]
    assert record.error_code == "upstream_credential_rejected"


async def test_a_route_is_asked_again_after_a_pause_when_no_other_is_left(
    harness: GatewayHarness, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    upstream.enqueue(answer(500, body=error()), openai_completion("at last"))
    second.enqueue(answer(401, body=error()))
    async with serving(harness) as (gateway, client):
        reply = await ask(client)
        assert reply.json()["choices"][0]["message"]["content"] == "at last"
        (record,) = await gateway.journal.wait_for(1)
    assert [attempt.provider for attempt in record.attempts] == ["first", "second", "first"]


async def test_a_pause_the_provider_asks_for_is_waited_for(
    harness: GatewayHarness, upstream: ScriptedUpstream
) -> None:
    harness.add_model("m", harness.add_openai(upstream.base_url, name="first"))
    upstream.enqueue(
        answer(429, body=error(), headers=[("retry-after", "1"), *JSON]), openai_completion()
    )
    async with serving(harness) as (gateway, client):
        assert (await ask(client)).status_code == 200
        (record,) = await gateway.journal.wait_for(1)
    assert record.duration_ms >= 1_000


async def test_a_longer_pause_is_the_clients_to_make_and_no_request_is_sent_meanwhile(
    harness: GatewayHarness, upstream: ScriptedUpstream
) -> None:
    harness.add_model("m", harness.add_openai(upstream.base_url, name="first"))
    upstream.enqueue(answer(429, body=error(), headers=ASIDE))
    async with serving(harness) as (gateway, client):
        for _ in range(3):
            reply = await ask(client)
            assert reply.status_code == 429
            assert 28 <= int(reply.headers["retry-after"]) <= 30
        await gateway.journal.wait_for(3)
    assert len(upstream.requests) == 1


async def test_a_client_that_hangs_up_during_a_pause_ends_it(
    harness: GatewayHarness, upstream: ScriptedUpstream
) -> None:
    harness.add_model("m", harness.add_openai(upstream.base_url, name="first"))
    upstream.enqueue(answer(429, body=error(), headers=[("retry-after", "9"), *JSON]))
    async with serving(harness) as (gateway, client):
        asking = asyncio.ensure_future(ask(client))
        await upstream.next_request()
        async with asyncio.timeout(10):
            while gateway.board.standing(RouteId("m-0"), 0).in_flight:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.01)
        asking.cancel()  # in the pause: the attempt is over, and the next has to wait for 9 s
        (record,) = await gateway.journal.wait_for(1, within_s=3)
        assert record.outcome is Outcome.CLIENT_CANCELLED
        assert [attempt.error_class for attempt in record.attempts] == ["rate_limited"]
        assert gateway.board.standing(RouteId("m-0"), record.started_at_ms).in_flight == 0
    assert len(upstream.requests) == 1


async def test_a_route_that_keeps_failing_is_left_alone_until_a_probe_finds_it_well(
    harness: GatewayHarness, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    harness.health_policy = HealthPolicy(
        breaker=BreakerPolicy(consecutive_failures=3, open_ms=3_000, longest_open_ms=3_000)
    )
    upstream.always(answer(500, body=error()))
    second.always(openai_completion())
    async with serving(harness) as (gateway, client):
        for _ in range(10):
            assert (await ask(client)).status_code == 200
        assert len(upstream.requests) == 3
        upstream.always(openai_completion())
        asked = 15
        async with asyncio.timeout(20):
            while len(upstream.requests) < 4:  # until the opening is over
                assert (await ask(client)).status_code == 200
                asked += 1
                await asyncio.sleep(0.1)
        for _ in range(5):
            assert (await ask(client)).status_code == 200
        records = await gateway.journal.wait_for(asked)
    assert [record.provider for record in records[-5:]] == ["first"] * 5


async def test_when_every_route_is_out_one_is_asked_all_the_same_and_the_client_is_told_when_to_return(
    harness: GatewayHarness, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    harness.health_policy = HealthPolicy(breaker=BreakerPolicy(consecutive_failures=1))
    for each in (upstream, second):
        each.always(answer(500, body=error()))
    async with serving(harness) as (gateway, client):
        assert (await ask(client)).status_code == 502
        before = len(upstream.requests) + len(second.requests)
        reply = await ask(client)
        assert reply.status_code == 503
        assert reply.json()["error"]["code"] == "no_route_available"
        assert 1 <= int(reply.headers["retry-after"]) <= 5
        assert len(upstream.requests) + len(second.requests) == before + 1
        record = (await gateway.journal.wait_for(2))[-1]
        assert record.outcome is Outcome.UPSTREAM_ERROR
        upstream.always(openai_completion())
        second.always(openai_completion())
        assert (await ask(client)).status_code == 200


async def test_who_loses_the_race_for_the_probe_of_the_only_route_is_served_all_the_same(
    harness: GatewayHarness, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.health_policy = HealthPolicy(breaker=BreakerPolicy(open_ms=1, hold_back_ms=0))
    upstream.always(openai_completion())
    async with serving(harness) as (gateway, client):
        long_ago_ms = SystemClock().now_ms() - 1_000  # so that the opening is over
        gateway.board.tracker(RouteId("m-0")).breaker.trip(long_ago_ms)
        assert gateway.board.begin(RouteId("m-0"), SystemClock().now_ms()) is not None
        # As the plan was made, the probe was still to be had.

        def standing(route_id: RouteId, now_ms: int) -> RouteStanding:
            if route_id == RouteId("m-0"):
                return RouteStanding(circuit=CircuitState.HALF_OPEN, open_until_ms=now_ms)
            return RouteStanding(drained=True)

        monkeypatch.setattr(gateway.board, "standing", standing)
        assert (await ask(client)).status_code == 200
        assert len(upstream.requests) == 1


async def test_a_conversation_stays_on_its_route_and_moves_when_that_fails(
    harness: GatewayHarness, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    model = harness.models["m"]
    side_by_side = tuple(structs.replace(route, tier=0) for route in model.routes)
    harness.models["m"] = structs.replace(model, routes=side_by_side)
    for each in (upstream, second):
        each.always(openai_completion())
    async with serving(harness) as (gateway, client):
        for session in range(8):
            for _ in range(4):
                await client.post(
                    "/v1/chat/completions", json=BODY, headers={"x-session-id": f"s{session}"}
                )
        for _ in range(4):
            await ask(client, prompt_cache_key="a conversation")
        records = await gateway.journal.wait_for(36)
        homes = [{r.provider for r in records[i : i + 4]} for i in range(0, 36, 4)]
        assert all(len(home) == 1 for home in homes)
        assert len(set[str]().union(*homes)) == 2
        home = records[-1].provider
        (upstream if home == "first" else second).always(answer(500, body=error()))
        assert (await ask(client, prompt_cache_key="a conversation")).status_code == 200
        record = (await gateway.journal.wait_for(37))[-1]
    assert record.attempts[0].provider == home
    assert record.provider != home


async def used(gateway: RunningGateway, kind: SubjectKind, subject_id: str) -> int:
    """Return what the one limit of a subject stands at."""
    await gateway.settlements.idle()
    chain = SubjectChain((Subject(kind, subject_id),))
    policy = gateway.runtime.get().limits
    entries = policy.bind(chain, Surface.AI_GATEWAY, SystemClock().now_ms()).entries
    (reading,) = (await gateway.store.usage(entries, NOTHING)).readings
    return reading.used


def priced(name: str, input_price: str) -> PriceList:
    return PriceList.of(
        [
            Price(
                id=PriceId(f"price-{name}"),
                effective_from_ms=0,
                input=Decimal(input_price),
                output=Decimal(input_price),
            )
        ]
    )


async def test_a_fallback_model_is_charged_at_its_own_price(
    harness: GatewayHarness, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    harness.add_model("big", harness.add_openai(upstream.base_url, name="first"))
    harness.add_model(
        "small", harness.add_openai(second.base_url, name="second"), upstream_model="tiny"
    )
    big, small = harness.models["big"], harness.models["small"]
    harness.models["big"] = structs.replace(big, fallbacks=("small",), prices=priced("big", "10"))
    harness.models["small"] = structs.replace(small, prices=priced("small", "1"))
    budget = BudgetCap(
        id="usd",
        holder=Holder(HolderKind.USER, "user-1"),
        period=Period.MONTHLY,
        limit=10**12,
        unit=BudgetUnit.USD,
    )
    of_model = BudgetCap(
        id="small",
        holder=Holder(HolderKind.MODEL, "model-small"),
        period=Period.MONTHLY,
        limit=10**12,
        unit=BudgetUnit.USD,
    )
    harness.limits = [budget, of_model]
    upstream.always(answer(500, body=error()))
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    second.always(openai_completion(usage=usage))
    async with serving(harness) as (gateway, client):
        assert (await ask(client, model="big")).status_code == 200
        (record,) = await gateway.journal.wait_for(1)
        assert await used(gateway, SubjectKind.USER, "user-1") == 12_000
        assert await used(gateway, SubjectKind.MODEL, "model-small") == 12_000
        assert gateway.settlements.open == {}
    assert (record.model_requested, record.provider) == ("big", "second")
    assert second.requests[0].json()["model"] == "tiny"
    assert record.price_id == "price-small"
    assert record.cost_nano_usd == 12_000


async def test_a_fallback_is_not_a_way_around_the_keys_list_of_models(
    harness: GatewayHarness, upstream: ScriptedUpstream
) -> None:
    harness.add_model("small", harness.add_demo())
    harness.models["m"] = structs.replace(
        harness.models["m"], fallbacks=("small",), routes=harness.models["m"].routes[:1]
    )
    upstream.always(answer(401, body=error()))
    async with serving(harness, models=("m",)) as (_, client):
        assert (await ask(client)).status_code == 502
        assert (await ask(client, model="small")).status_code == 403


@pytest.mark.parametrize("listed", ["fast", "m"])
async def test_an_alias_is_served_by_its_model_to_keys_that_may_use_either(
    harness: GatewayHarness, upstream: ScriptedUpstream, listed: str
) -> None:
    harness.aliases = {"fast": "m"}
    upstream.always(openai_completion())
    async with serving(harness, models=(listed,)) as (gateway, client):
        assert (await ask(client, model="fast")).status_code == 200
        (record,) = await gateway.journal.wait_for(1)
        listed_models = (await client.get("/v1/models")).json()["data"]
    assert (record.model_requested, record.price_id) == ("fast", "price-1")
    assert [each["id"] for each in listed_models] == sorted({"fast", listed})


async def test_an_alias_of_a_model_the_key_may_not_use_is_refused_like_an_unknown_name(
    harness: GatewayHarness,
) -> None:
    harness.aliases = {"fast": "m"}
    async with serving(harness, models=("other",)) as (_, client):
        for name in ("fast", "unheard-of"):
            reply = await ask(client, model=name)
            assert (reply.status_code, reply.json()["error"]["code"]) == (403, "model_not_allowed")


async def test_a_route_that_cannot_see_images_is_not_asked_and_a_model_that_cannot_is_a_400(
    harness: GatewayHarness, second: ScriptedUpstream
) -> None:
    blind = Capabilities(cannot=frozenset({Capability.IMAGES}))
    model = harness.models["m"]
    first, other = model.routes
    harness.models["m"] = structs.replace(
        model, routes=(structs.replace(first, capabilities=blind), other)
    )
    harness.models["blind"] = structs.replace(model, name="blind", capabilities=blind)
    second.always(openai_completion())
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    messages = [{"role": "user", "content": [picture]}]
    async with serving(harness) as (gateway, client):
        assert (await ask(client, messages=messages)).status_code == 200
        reply = await ask(client, messages=messages, model="blind")
        assert reply.status_code == 400
        assert "images" in reply.json()["error"]["message"]
        first_record, refused = await gateway.journal.wait_for(2)
    assert [attempt.provider for attempt in first_record.attempts] == ["second"]
    assert (refused.attempts, refused.cost_nano_usd) == ((), 0)


async def test_a_route_counts_as_busy_to_the_last_byte_and_a_cut_answer_counts_against_it(
    harness: GatewayHarness, upstream: ScriptedUpstream
) -> None:
    gate = asyncio.Event()
    upstream.enqueue(
        openai_stream(
            ("Hel", "lo"), usage=None, done=False, pause_after=2, gate=gate, then=[Drop()]
        )
    )
    now_ms = SystemClock().now_ms
    async with serving(harness) as (gateway, client):
        route = RouteId("m-0")
        async with client.stream(
            "POST", "/v1/chat/completions", json={**BODY, "stream": True}
        ) as reply:
            parts = reply.aiter_bytes()
            await anext(parts)
            assert gateway.board.standing(route, now_ms()).in_flight == 1
            gate.set()
            rest = b"".join([part async for part in parts])
        assert b'"error"' in rest
        (record,) = await gateway.journal.wait_for(1)
        assert [attempt.error_class for attempt in record.attempts] == ["after_content"]
        standing = gateway.board.standing(route, now_ms())
        assert (standing.in_flight, standing.error_rate) == (0, 1)


async def test_a_route_that_is_full_is_passed_over_and_what_it_took_is_given_back(
    harness: GatewayHarness, upstream: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    model = harness.models["m"]
    first, other = model.routes
    harness.models["m"] = structs.replace(
        model, routes=(structs.replace(first, max_in_flight=1), other)
    )
    gate = asyncio.Event()
    upstream.enqueue(openai_stream(pause_after=2, gate=gate), openai_completion())
    second.always(openai_completion())
    body = {**BODY, "stream": True}
    async with serving(harness) as (gateway, client):
        async with client.stream("POST", "/v1/chat/completions", json=body) as reply:
            parts = reply.aiter_bytes()
            await anext(parts)
            assert (await ask(client)).status_code == 200
            gate.set()
            async for _ in parts:
                pass
        await gateway.journal.wait_for(2)
        await gateway.settlements.idle()
        assert (await ask(client)).status_code == 200
        passed, _, after = await gateway.journal.wait_for(3)
    tried = [(attempt.provider, attempt.error_class) for attempt in passed.attempts]
    assert tried == [("first", "limited"), ("second", "")]
    assert after.provider == "first"
