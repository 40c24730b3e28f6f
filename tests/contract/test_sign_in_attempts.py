"""SignInAttempts: counted before they are tried, by account and network, over every store."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.memory.sign_in_attempts import MemorySignInAttempts
from adapters.sql.engine import create_engine
from adapters.sql.sign_in_attempts import SqlSignInAttempts
from application.ports.sessions import SignInAttempts
from domain.access.throttle import (
    FORGOTTEN_AFTER_MS,
    FREE_OF_ACCOUNT,
    account_throttle,
    network_throttle,
)
from domain.errors import ServiceUnavailable
from tests.support.configuration import NOW_MS

HERE, ELSEWHERE = "203.0.113.7", "198.51.100.1"
ACCOUNT, NETWORK = account_throttle("a@example.com", HERE), network_throttle(HERE)


@pytest.fixture
async def in_memory() -> SignInAttempts:
    return MemorySignInAttempts()


@pytest.fixture
async def in_sql(postgres_url: str) -> AsyncIterator[SignInAttempts]:
    engine = create_engine(postgres_url)
    yield SqlSignInAttempts(engine)
    await engine.dispose()


@pytest.fixture(params=["in_memory", "in_sql"])
def attempts(request: pytest.FixtureRequest) -> SignInAttempts:
    return request.getfixturevalue(request.param)


async def fail(attempts: SignInAttempts, times: int, at_ms: int = NOW_MS) -> list[int]:
    return [await attempts.begin((ACCOUNT, NETWORK), at_ms) for _ in range(times)]


async def test_after_five_attempts_the_next_one_waits_longer_and_longer(
    attempts: SignInAttempts,
) -> None:
    assert await fail(attempts, FREE_OF_ACCOUNT) == [0] * FREE_OF_ACCOUNT
    assert await fail(attempts, 2) == [1_000, 1_000], "what waits is not counted"
    assert await fail(attempts, 1, NOW_MS + 1_000) == [0]
    assert await fail(attempts, 1, NOW_MS + 1_000) == [2_000]


async def test_many_at_once_get_no_more_tries_than_one_by_one(attempts: SignInAttempts) -> None:
    waits = await asyncio.gather(
        *(attempts.begin((ACCOUNT, NETWORK), NOW_MS) for _ in range(3 * FREE_OF_ACCOUNT))
    )
    assert waits.count(0) == FREE_OF_ACCOUNT


async def test_another_network_and_another_account_do_not_wait(attempts: SignInAttempts) -> None:
    await fail(attempts, FREE_OF_ACCOUNT)
    others = account_throttle("a@example.com", ELSEWHERE), account_throttle("b@example.com", HERE)
    for other in others:
        assert await attempts.begin((other,), NOW_MS) == 0


async def test_an_attempt_that_is_given_back_was_none(attempts: SignInAttempts) -> None:
    for _ in range(3 * NETWORK.free):
        assert await attempts.begin((ACCOUNT, NETWORK), NOW_MS) == 0
        await attempts.give_back((ACCOUNT, NETWORK))
    await attempts.give_back((ACCOUNT, NETWORK))
    assert await fail(attempts, FREE_OF_ACCOUNT + 1) == [0] * FREE_OF_ACCOUNT + [1_000]


async def test_a_forgotten_throttle_begins_anew_and_others_stay(attempts: SignInAttempts) -> None:
    other = account_throttle("b@example.com", HERE)
    for _ in range(FREE_OF_ACCOUNT):
        await attempts.begin((ACCOUNT, other), NOW_MS)
    await attempts.forget(ACCOUNT)
    assert await attempts.begin((ACCOUNT,), NOW_MS) == 0
    assert await attempts.begin((other,), NOW_MS) == 1_000


async def test_attempts_go_on_while_others_are_forgotten(attempts: SignInAttempts) -> None:
    async def one(number: int) -> None:
        if number % 2:
            await attempts.forget(ACCOUNT)
        else:
            assert await attempts.begin((ACCOUNT, NETWORK), NOW_MS) >= 0

    await asyncio.gather(*(one(number) for number in range(80)))


async def test_a_network_waits_over_all_accounts(attempts: SignInAttempts) -> None:
    for number in range(NETWORK.free):
        each = account_throttle(f"{number}@example.com", HERE)
        assert await attempts.begin((each, NETWORK), NOW_MS) == 0
    assert await attempts.begin((ACCOUNT, NETWORK), NOW_MS) > 0


async def test_after_an_hour_of_silence_all_is_forgotten(attempts: SignInAttempts) -> None:
    await fail(attempts, FREE_OF_ACCOUNT)
    later = NOW_MS + FORGOTTEN_AFTER_MS
    assert await attempts.begin((network_throttle(ELSEWHERE),), later) == 0
    assert await fail(attempts, FREE_OF_ACCOUNT, later) == [0] * FREE_OF_ACCOUNT


async def test_a_database_that_is_away_is_said_to_be() -> None:
    engine = create_engine("postgresql://nobody@127.0.0.1:1/none", pool_size=0)
    with pytest.raises(ServiceUnavailable):
        await SqlSignInAttempts(engine).begin((ACCOUNT,), NOW_MS)
    await engine.dispose()
