"""RouteHealthFeed: what a replica reports and an operator orders is read by everybody."""

from collections.abc import AsyncIterator

import msgspec
import pytest
from msgspec import structs
from redis.asyncio import Redis

from adapters.memory.route_health import MemoryRouteHealthFeed
from adapters.redis.connection import connect
from adapters.redis.route_health import FORGOTTEN_AFTER_MS, ORDERS, RedisRouteHealthFeed
from application.ports.route_health import RouteHealthFeed
from domain.errors import ServiceUnavailable
from domain.identifiers import RouteId
from domain.routing.circuit import BreakerMark
from domain.routing.cool_down import CoolDown
from domain.routing.health import Drain, RouteHealth
from domain.routing.outcome_window import Tally
from domain.routing.standing import CircuitState

FULL = RouteHealth(
    route_id=RouteId("r1"),
    replica="one",
    at_ms=1_795_428_000_000,
    state=CircuitState.OPEN,
    breaker=BreakerMark(changed_at_ms=7, open_until_ms=9, openings=2, origin="one"),
    cool_down=CoolDown(ended_at_ms=3, until_ms=4, asked=True),
    drain=Drain(changed_at_ms=5, drained=True, by="ada"),
    tally=Tally(11, 12),
    ttft_ms=123.5,
    ttft_samples=4.25,
    in_flight=6,
)
PLAIN = RouteHealth(route_id=RouteId("r2"), replica="one", at_ms=1)


@pytest.fixture
async def in_memory() -> RouteHealthFeed:
    return MemoryRouteHealthFeed()


@pytest.fixture
async def in_redis(redis_url: str) -> AsyncIterator[RouteHealthFeed]:
    redis = connect(redis_url)
    yield RedisRouteHealthFeed(redis)
    await redis.aclose()


@pytest.fixture(params=["in_memory", "in_redis"])
def feed(request: pytest.FixtureRequest) -> RouteHealthFeed:
    return request.getfixturevalue(request.param)


async def test_nothing_is_known_before_anybody_reports(feed: RouteHealthFeed) -> None:
    await feed.publish([])
    assert list(await feed.read()) == []


async def test_reports_are_read_as_they_were_made(feed: RouteHealthFeed) -> None:
    await feed.publish([FULL, PLAIN])
    assert list(await feed.read()) == [FULL, PLAIN]


async def test_a_report_replaces_the_replicas_earlier_ones_and_no_others(
    feed: RouteHealthFeed,
) -> None:
    other = structs.replace(FULL, replica="two")
    await feed.publish([FULL, PLAIN])
    await feed.publish([other])
    await feed.publish([PLAIN])
    found = await feed.read()
    assert sorted(found, key=lambda each: each.replica) == [PLAIN, other]


async def test_the_last_order_on_a_route_holds(feed: RouteHealthFeed) -> None:
    order = structs.replace(FULL, replica="", in_flight=0)
    lifted = structs.replace(order, drain=Drain(changed_at_ms=6))
    elsewhere = structs.replace(order, route_id=RouteId("r2"))
    for each in (order, elsewhere, lifted):
        await feed.order(each)
    await feed.publish([PLAIN])
    found = await feed.read()
    assert {(each.route_id, each.replica): each for each in found} == {
        ("r1", ""): lifted,
        ("r2", ""): elsewhere,
        ("r2", "one"): PLAIN,
    }


async def test_in_redis_a_replica_is_forgotten_and_an_order_is_not(redis_url: str) -> None:
    redis = connect(redis_url)
    feed = RedisRouteHealthFeed(redis)
    await feed.publish([FULL])
    await feed.order(structs.replace(FULL, replica=""))
    left = await redis.pttl("{tw}:route-health:of:one")
    assert 0 < left <= FORGOTTEN_AFTER_MS
    assert await redis.pttl(ORDERS) == -1
    await redis.delete("{tw}:route-health:of:one")
    assert [each.replica for each in await feed.read()] == [""]
    assert await redis.exists("{tw}:route-health:replicas") == 0
    await redis.aclose()


async def test_what_another_version_wrote_is_passed_over(redis_url: str) -> None:
    redis = connect(redis_url)
    feed = RedisRouteHealthFeed(redis)
    await feed.publish([FULL])
    await feed.publish([structs.replace(PLAIN, replica="two")])
    await redis.set("{tw}:route-health:of:one", b"\xc1")
    await redis.execute_command("HSET", ORDERS, "r9", b"\xc1")
    assert [each.replica for each in await feed.read()] == ["two"]
    await redis.aclose()


async def test_a_store_that_is_away_is_said_to_be() -> None:
    redis = connect("redis://127.0.0.1:1/0", connect_timeout=0.2)
    away = RedisRouteHealthFeed(redis)
    for asked in (away.read(), away.publish([FULL]), away.order(FULL)):
        with pytest.raises(ServiceUnavailable):
            await asked
    await redis.aclose()


@pytest.mark.parametrize(
    "poison",
    [
        b"\x91\x82\xa8route_id\xa1\xff\xa7replica\xa1x",
        msgspec.msgpack.encode([structs.replace(PLAIN, ttft_ms=1e200)]),
        msgspec.msgpack.encode(
            [structs.replace(PLAIN, breaker=BreakerMark(changed_at_ms=2**64 - 1, origin="x"))]
        ),
        b"no message at all",
    ],
)
async def test_what_nobody_can_compute_with_is_passed_over(
    in_redis: RouteHealthFeed, redis_client: Redis, poison: bytes
) -> None:
    await in_redis.publish([FULL])
    await redis_client.sadd("{tw}:route-health:replicas", b"\xff\xfe")
    await redis_client.set(b"{tw}:route-health:of:\xff\xfe", poison)
    await redis_client.hset(ORDERS, "r9", poison)
    assert list(await in_redis.read()) == [FULL]
