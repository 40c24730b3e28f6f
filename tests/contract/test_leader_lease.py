"""LeaderLease: one holder per name, and a dead holder holds nothing."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from adapters.memory.leases import MemoryLeaderLease
from adapters.sql.engine import create_engine
from adapters.sql.leases import SqlLeaderLease
from application.ports.leases import LeaderLease
from domain.errors import ServiceUnavailable

Rivals = tuple[LeaderLease, LeaderLease]


@pytest.fixture
async def in_memory() -> Rivals:
    lease = MemoryLeaderLease()
    return lease, lease


@pytest.fixture
async def in_sql(postgres_url: str) -> AsyncIterator[Rivals]:
    engines = create_engine(postgres_url), create_engine(postgres_url)
    yield SqlLeaderLease(engines[0]), SqlLeaderLease(engines[1])
    for engine in engines:
        await engine.dispose()


@pytest.fixture(params=["in_memory", "in_sql"])
def rivals(request: pytest.FixtureRequest) -> Rivals:
    return request.getfixturevalue(request.param)


async def test_one_of_two_holds_a_name(rivals: Rivals) -> None:
    one, other = rivals
    async with one.hold("sweeper") as first, other.hold("sweeper") as second:
        assert (first, second) == (True, False)


async def test_the_same_process_does_not_hold_a_name_twice(rivals: Rivals) -> None:
    one, _ = rivals
    async with one.hold("sweeper") as first, one.hold("sweeper") as second:
        assert (first, second) == (True, False)


async def test_names_do_not_disturb_one_another(rivals: Rivals) -> None:
    one, other = rivals
    async with one.hold("sweeper") as first, other.hold("retention") as second:
        assert (first, second) == (True, True)


async def test_a_lease_is_given_back_also_after_a_failure(rivals: Rivals) -> None:
    one, other = rivals

    async def fail() -> None:
        async with one.hold("sweeper"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    for _ in range(3):
        async with other.hold("sweeper") as holds:
            assert holds
        async with one.hold("sweeper") as holds:
            assert holds


async def test_losing_takes_nothing_away_from_the_holder(rivals: Rivals) -> None:
    one, other = rivals
    async with one.hold("sweeper") as first:
        async with other.hold("sweeper") as second:
            pass
        async with other.hold("sweeper") as third:
            pass
    assert (first, second, third) == (True, False, False)


async def test_a_holder_whose_session_was_cut_holds_nothing(postgres_url: str) -> None:
    engine, rival = create_engine(postgres_url), create_engine(postgres_url)
    try:
        async with SqlLeaderLease(engine).hold("sweeper") as first:
            assert first
            async with rival.connect() as connection:
                await connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks"
                        " WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
                    )
                )
            async with SqlLeaderLease(rival).hold("sweeper") as second:
                assert second
    finally:
        await engine.dispose()
        await rival.dispose()


async def test_without_a_store_nobody_leads() -> None:
    engine = create_engine("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(ServiceUnavailable):
        async with SqlLeaderLease(engine).hold("sweeper"):
            pass
    await engine.dispose()
