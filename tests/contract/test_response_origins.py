"""ResponseOrigins: what was remembered is found, by everybody, until it is forgotten."""

from collections.abc import AsyncIterator

import pytest
from msgspec import structs

from adapters.memory.response_origins import MemoryResponseOrigins
from adapters.redis.connection import connect
from adapters.redis.response_origins import KEPT_FOR_S, RedisResponseOrigins
from application.ports.response_origins import ResponseOrigin, ResponseOrigins
from domain.accounting.usage import TokenUsage
from domain.errors import ServiceUnavailable

ORIGIN = ResponseOrigin(
    response_id="resp_1", provider_id="p1", model="gpt-5", lineage_id="l1", user_id="u1"
)


@pytest.fixture
async def in_memory() -> ResponseOrigins:
    return MemoryResponseOrigins()


@pytest.fixture
async def in_redis(redis_url: str) -> AsyncIterator[ResponseOrigins]:
    redis = connect(redis_url)
    yield RedisResponseOrigins(redis)
    await redis.aclose()


@pytest.fixture(params=["in_memory", "in_redis"])
def origins(request: pytest.FixtureRequest) -> ResponseOrigins:
    return request.getfixturevalue(request.param)


async def test_what_is_remembered_is_found(origins: ResponseOrigins) -> None:
    await origins.remember(ORIGIN)
    assert await origins.find("resp_1") == ORIGIN
    assert await origins.find("resp_2") is None


async def test_what_was_charged_is_kept_with_it(origins: ResponseOrigins) -> None:
    guessed = structs.replace(ORIGIN, charged=TokenUsage(input_uncached=7, output=3))
    await origins.remember(guessed)
    assert await origins.find("resp_1") == guessed


async def test_a_later_one_replaces_an_earlier_one(origins: ResponseOrigins) -> None:
    later = ResponseOrigin(response_id="resp_1", provider_id="p2", model="gpt-5", lineage_id="l2")
    await origins.remember(ORIGIN)
    await origins.remember(later)
    assert await origins.find("resp_1") == later


async def test_what_is_forgotten_is_gone_and_forgetting_again_is_fine(
    origins: ResponseOrigins,
) -> None:
    await origins.remember(ORIGIN)
    await origins.forget("resp_1")
    await origins.forget("resp_1")
    assert await origins.find("resp_1") is None


async def test_in_redis_it_lives_for_thirty_days(redis_url: str) -> None:
    redis = connect(redis_url)
    await RedisResponseOrigins(redis).remember(ORIGIN)
    left = await redis.ttl("tw:response:resp_1")
    await redis.aclose()
    assert KEPT_FOR_S - 60 < left <= KEPT_FOR_S


async def test_a_store_that_is_away_is_said_to_be() -> None:
    redis = connect("redis://127.0.0.1:1/0", connect_timeout=0.2)
    away = RedisResponseOrigins(redis)
    for asked in (away.find("resp_1"), away.remember(ORIGIN), away.forget("resp_1")):
        with pytest.raises(ServiceUnavailable):
            await asked
    await redis.aclose()
