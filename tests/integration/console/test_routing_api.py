"""The console's API of routing on a real database and a real exchange of reports: simulated requests, states, orders."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from adapters.redis.route_health import RedisRouteHealthFeed
from adapters.system.clock import SystemClock
from domain.identifiers import RouteId
from domain.routing.capabilities import Capabilities, Capability
from domain.routing.catalog import Model, ProviderKind, ProviderSpec, Route, Strategy
from domain.routing.circuit import BreakerMark
from domain.routing.cool_down import CoolDown
from domain.routing.health import RouteHealth
from domain.routing.outcome_window import Tally
from entrypoints.console.app import create_console_app
from tests.support.configuration import (
    Configuration,
    a_key,
    a_model,
    a_provider,
    a_route,
    a_user,
    sql_configuration,
)
from tests.support.console import console_over
from tests.support.live_server import live_server
from tests.support.routing_services import routing_services

ABSENT = "019a0000-0000-7000-8000-000000000009"
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
CHAT = {"model": "big", "messages": [{"role": "user", "content": "hello"}]}


@dataclass
class Office:
    """A console on real stores, and reports of a replica that the test plays."""

    http: httpx.AsyncClient
    stored: Configuration
    feed: RedisRouteHealthFeed
    reported: list[RouteHealth] = field(default_factory=list[RouteHealth])
    provider: ProviderSpec = field(default_factory=lambda: a_provider("vendor"))
    other: ProviderSpec = field(
        default_factory=lambda: a_provider("other", kind=ProviderKind.ANTHROPIC)
    )

    async def call(
        self, method: str, path: str, status: int, body: Any = None, **options: Any
    ) -> Any:
        """Return the parsed answer, which must have this status."""
        answer = await self.http.request(method, path, json=body, **options)
        assert answer.status_code == status, answer.text
        if status >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["request_id"]
        return answer.json()

    async def simulate(self, status: int = 200, **wish: Any) -> Any:
        return await self.call("POST", "/api/routing/simulate", status, wish)

    async def store(self, *models: Model) -> None:
        async with self.stored.uow.begin() as tx:
            for model in models:
                await tx.models.add(model)
            await tx.commit()

    async def report(self, route: Route, **health: Any) -> None:
        now_ms = SystemClock().now_ms()
        self.reported.append(
            RouteHealth(route_id=route.id, replica="gateway-1", at_ms=now_ms, **health)
        )
        await self.feed.publish(self.reported)

    async def orders(self) -> list[RouteHealth]:
        return [each for each in await self.feed.read() if not each.replica]


@pytest.fixture
async def office(postgres_url: str, redis_client: Redis) -> AsyncIterator[Office]:
    clock, feed = SystemClock(), RedisRouteHealthFeed(redis_client)
    async with sql_configuration(postgres_url) as stored:
        console = console_over(stored.uow, clock, routing=routing_services(stored.uow, clock, feed))
        async with (
            live_server(create_console_app(console)) as url,
            httpx.AsyncClient(
                base_url=url, headers={"authorization": "Bearer token"}, timeout=30
            ) as http,
        ):
            found = Office(http, stored, feed)
            async with stored.uow.begin() as tx:
                await tx.providers.add(found.provider)
                await tx.providers.add(found.other)
                await tx.commit()
            yield found


def seen(found: Any) -> list[tuple[str, int, str]]:
    return [(each["provider"], each["tier"], each["ranked_by"]) for each in found["attempts"]]


def reasons(found: Any) -> dict[str, str]:
    return {each["provider"]: each["reason"] for each in found["exclusions"]}


async def test_a_plan_is_told_with_tiers_scores_and_fallbacks(office: Office) -> None:
    small = a_model("small", a_route(office.other, "tiny"))
    big = a_model(
        "big",
        a_route(office.provider, "one"),
        a_route(office.other, "two", tier=1, weight=0),
        aliases=("latest",),
        fallbacks=("small",),
    )
    await office.store(small, big)
    found = await office.simulate(model="latest")
    assert (found["requested"], found["model"], found["strategy"]) == ("latest", "big", "weighted")
    assert seen(found) == [
        ("vendor", 0, "weighted"),
        ("other", 1, "weighted"),
        ("other", 0, "weighted"),
    ]
    first, _, last = found["attempts"]
    assert first == {
        "place": 1,
        "model": "big",
        "fallback": 0,
        "provider": "vendor",
        "route_id": big.routes[0].id,
        "upstream_model": "one",
        "tier": 0,
        "weight": 50,
        "ranked_by": "weighted",
        "score": 50.0,
        "unit": "weight",
        "share": 1.0,
        "assumed": False,
        "probe": False,
        "last_resort": False,
        "standing": {
            "circuit": "closed",
            "open_until_ms": None,
            "cool_down_until_ms": None,
            "drained": False,
            "ttft_ms": None,
            "in_flight": 0,
            "error_rate": 0.0,
        },
    }
    assert (last["model"], last["fallback"], last["upstream_model"]) == ("small", 1, "tiny")
    assert (found["exclusions"], found["kept_by"], found["retry_after_ms"]) == ([], None, None)


async def test_what_a_route_cannot_do_is_read_from_the_body(office: Office) -> None:
    blind = Capabilities(cannot=frozenset({Capability.IMAGES}), context_window=1_000)
    seeing = a_route(office.other)
    await office.store(a_model("big", a_route(office.provider, capabilities=blind), seeing))
    picture = [{"role": "user", "content": [PICTURE]}]
    found = await office.simulate(body={**CHAT, "messages": picture, "stream": True})
    assert found["features"] == ["images", "streaming"]
    assert [each["provider"] for each in found["attempts"]] == ["other"]
    (excluded,) = found["exclusions"]
    assert (excluded["reason"], excluded["detail"]) == ("capability_missing", "images")
    assert reasons(await office.simulate(model="big", features=["images"])) == {
        "vendor": "capability_missing"
    }
    long = await office.simulate(body={**CHAT, "max_tokens": 800}, input_tokens=300)
    assert (long["input_tokens"], long["output_tokens"]) == (300, 800)
    assert reasons(long) == {"vendor": "context_too_small"}
    fits = await office.simulate(body=CHAT)
    assert (len(fits["attempts"]), fits["exclusions"]) == (2, [])
    assert fits["input_tokens"] > 0


async def test_dialects_and_operations_are_served_as_the_gateway_serves_them(
    office: Office,
) -> None:
    await office.store(a_model("big", a_route(office.provider), a_route(office.other)))
    found = await office.simulate(model="big", dialect="openai", operation="embeddings")
    assert reasons(found) == {"other": "operation_not_served"}
    messages = [{"role": "user", "content": "hello"}]
    claude = {"model": "big", "max_tokens": 5, "messages": messages}
    found = await office.simulate(dialect="anthropic_messages", body=claude)
    assert (len(found["attempts"]), found["output_tokens"]) == (2, 5)
    contents = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    gemini: dict[str, Any] = {"dialect": "gemini_generate", "body": contents}
    assert len((await office.simulate(model="big", **gemini))["attempts"]) == 2
    assert (await office.simulate(400, **gemini))["errors"][0]["field"] == "model"


async def test_a_conversation_is_kept_on_its_route(office: Office) -> None:
    await office.store(a_model("big", a_route(office.provider), a_route(office.other)))
    plans = [await office.simulate(model="big", session_id="abc") for _ in range(5)]
    assert {plan["kept_by"] for plan in plans} == {"session"}
    assert len({tuple(seen(plan)) for plan in plans}) == 1
    assert plans[0]["attempts"][0]["ranked_by"] == "affinity"


async def test_a_key_that_may_not_use_the_model_gets_no_attempt(office: Office) -> None:
    user = a_user()
    narrow = a_key(user, models=("small", "latest"))
    async with office.stored.uow.begin() as tx:
        await tx.users.add(user)
        await tx.keys.add(narrow)
        await tx.commit()
    await office.store(
        a_model("small", a_route(office.provider), fallbacks=("big",)),
        a_model("big", a_route(office.other), aliases=("latest",)),
    )
    found = await office.simulate(model="big", key="ci")
    assert (found["attempts"], reasons(found)) == ([], {"other": "model_not_allowed"})
    by_alias = await office.simulate(model="latest", key="dev@example.com/ci")
    assert len(by_alias["attempts"]) == 1
    not_through_the_back_door = await office.simulate(model="small", key="ci")
    assert [each["model"] for each in not_through_the_back_door["attempts"]] == ["small"]
    assert reasons(not_through_the_back_door) == {"other": "model_not_allowed"}
    assert len((await office.simulate(model="big", user=user.email))["attempts"]) == 1
    await office.simulate(404, model="big", key="nobody")
    await office.simulate(400, model="big", key="ci", user=user.email)


async def test_a_model_is_guessed_by_its_prefix_only_while_the_setting_says_so(
    office: Office,
) -> None:
    await office.simulate(404, model="gpt-4o")
    async with office.stored.uow.begin() as tx:
        await tx.settings.put("routing.guess_model_by_prefix", True)
        await tx.commit()
    found = await office.simulate(model="gpt-4o")
    assert [each["upstream_model"] for each in found["attempts"]] == ["gpt-4o"]
    await office.simulate(404, model="mistral-large")


async def test_health_steers_the_plan_and_shows_in_the_list(office: Office) -> None:
    sick, well = a_route(office.provider), a_route(office.other)
    await office.store(a_model("big", sick, well, strategy=Strategy.LATENCY))
    now_ms = SystemClock().now_ms()
    await office.report(
        sick,
        breaker=BreakerMark(changed_at_ms=now_ms, open_until_ms=now_ms + 60_000, openings=1),
    )
    await office.report(well, ttft_ms=120.5, ttft_samples=4, in_flight=3, tally=Tally(9, 1))
    found = await office.simulate(model="big")
    assert seen(found) == [("other", 0, "latency"), ("vendor", 0, "last_resort")]
    assert found["attempts"][0]["score"] == 120.5
    (excluded,) = found["exclusions"]
    assert (excluded["reason"], excluded["until_ms"]) == ("circuit_open", now_ms + 60_000)
    listed = await office.call("GET", "/api/routing/routes", 200)
    states = {each["provider"]: each for each in listed["items"]}
    assert listed["total"] == 2
    assert states["vendor"]["standing"]["circuit"] == "open"
    assert states["vendor"]["standing"]["open_until_ms"] == now_ms + 60_000
    assert states["other"]["standing"] == {
        "circuit": "closed",
        "open_until_ms": None,
        "cool_down_until_ms": None,
        "drained": False,
        "ttft_ms": 120.5,
        "in_flight": 3,
        "error_rate": 0.1,
    }
    assert states["other"]["outcomes"] == 10


async def test_the_last_resort_and_the_wait_are_told(office: Office) -> None:
    cooling = a_route(office.provider)
    await office.store(a_model("big", cooling))
    now_ms = SystemClock().now_ms()
    until_ms = now_ms + 30_000
    await office.report(cooling, cool_down=CoolDown(until_ms=until_ms, asked=True))
    found = await office.simulate(model="big")
    assert (found["attempts"], found["throttled"]) == ([], True)
    assert 0 < found["retry_after_ms"] <= 30_000


async def test_a_route_is_drained_and_comes_back(office: Office) -> None:
    first, second = a_route(office.provider), a_route(office.other)
    await office.store(a_model("big", first, second))
    await office.report(first, in_flight=2, tally=Tally(1, 1))
    path = f"/api/routing/routes/{first.id}"
    dry = await office.call("POST", f"{path}/drain", 200, params={"dry_run": "true"})
    assert (dry["applied"], dry["item"]["standing"]["drained"]) == (False, True)
    assert await office.orders() == []
    done = await office.call("POST", f"{path}/drain", 200)
    assert (done["applied"], done["item"]["drained_by"]) == (True, "operator")
    assert (done["item"]["standing"]["in_flight"], done["item"]["outcomes"]) == (2, 2)
    (order,) = await office.orders()
    assert (order.in_flight, order.tally.volume, order.drain.drained) == (0, 0, True)
    assert reasons(await office.simulate(model="big")) == {"vendor": "drained"}
    back = await office.call("POST", f"{path}/undrain", 200)
    assert (back["item"]["drained_by"], back["item"]["standing"]["drained"]) == (None, False)
    assert len((await office.simulate(model="big"))["attempts"]) == 2


async def test_a_reset_closes_the_circuit_and_ends_the_cool_down(office: Office) -> None:
    sick = a_route(office.provider)
    await office.store(a_model("big", sick))
    now_ms = SystemClock().now_ms()
    await office.report(
        sick,
        breaker=BreakerMark(changed_at_ms=now_ms, open_until_ms=now_ms + 60_000, openings=3),
        cool_down=CoolDown(until_ms=now_ms + 60_000, asked=True),
        tally=Tally(0, 9),
    )
    done = await office.call("POST", f"/api/routing/routes/{sick.id}/reset", 200)
    standing = done["item"]["standing"]
    assert (standing["circuit"], standing["cool_down_until_ms"]) == ("closed", None)
    assert (standing["error_rate"], done["item"]["outcomes"]) == (0.0, 0)
    assert len((await office.simulate(model="big"))["attempts"]) == 1


async def test_the_list_is_walked_page_by_page(office: Office) -> None:
    routes = [a_route(office.provider, f"m{number}") for number in range(5)]
    await office.store(a_model("big", *routes, aliases=("latest",)))
    await office.store(a_model("small", a_route(office.other)))
    walked: list[str] = []
    query: dict[str, str] = {"limit": "2", "model": "latest"}
    while True:
        page = await office.call("GET", "/api/routing/routes", 200, params=query)
        walked += [each["id"] for each in page["items"]]
        assert page["total"] == 5
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert walked == sorted(route.id for route in routes)


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({}, "model"),
        ({"model": ""}, "model"),
        ({"model": "x" * 513}, "model"),
        ({"model": "big", "session_id": "s" * 513}, "session_id"),
        ({"model": "big", "operation": "embeddings"}, "operation"),
        ({"model": "big", "dialect": "openai"}, "operation"),
        ({"model": "big", "operation": "responses.delete"}, "operation"),
        ({"model": "big", "input_tokens": -1}, "input_tokens"),
        ({"model": "big", "output_tokens": 10**12}, "output_tokens"),
        ({"body": {}}, "body.model"),
        ({"body": {"model": "big", "messages": 5}}, "body.messages"),
        ({"body": {"model": 7, "messages": []}}, "body.model"),
    ],
)
async def test_a_wrong_wish_names_its_member(office: Office, wish: Any, field: str) -> None:
    await office.store(a_model("big", a_route(office.provider)))
    refused = await office.simulate(400, **wish)
    assert [each["field"] for each in refused["errors"]] == [field]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"model": "big", "models": 1}',
        b'{"model": "big", "dialect": "latin"}',
        b'{"model": "big", "features": ["telepathy"]}',
        b'{"model": "big", "input_tokens": 1e400}',
        b'{"model": "big", "body": []}',
        b'{"model": "big", "body": {"n": ' + b"9" * 400 + b"}}",
        b'{"model": "big", "body": {"messages": ' + b"[" * 300 + b"]" * 300 + b"}}",
        b'{"model": "big", "body": {"messages": ' + b"[" * 90_000 + b"]" * 90_000 + b"}}",
        b'{"model": "\xff"}',
        b'{"model": "big", "body": {"messages": [{"role": "user", "content": "\\ud800"}]}}',
    ],
)
async def test_hostile_bodies_are_refused_and_nothing_breaks(
    office: Office, content: bytes
) -> None:
    await office.store(a_model("big", a_route(office.provider)))
    answer = await office.http.post(
        "/api/routing/simulate", content=content, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_what_is_not_there_is_not_found(office: Office) -> None:
    for verb in ("drain", "undrain", "reset"):
        for route_id in (ABSENT, "..", "%00", "x" * 300):
            await office.call("POST", f"/api/routing/routes/{route_id}/{verb}", 404)
    await office.simulate(404, model="big")
    await office.call("GET", "/api/routing/routes", 404, params={"model": "big"})
    for query in ({"limit": "0"}, {"limit": "501"}, {"cursor": "'"}, {"limit": "x"}):
        await office.call("GET", "/api/routing/routes", 400, params=query)
    assert await office.orders() == []


async def test_a_guessed_route_takes_no_orders(office: Office) -> None:
    made_up = RouteId(f"prefix:{office.provider.id}")
    await office.call("POST", f"/api/routing/routes/{made_up}/drain", 404)
