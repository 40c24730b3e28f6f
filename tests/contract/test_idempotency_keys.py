"""IdempotencyKeys: of concurrent claims one is stored, and kept with its answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.memory.idempotency import MemoryIdempotencyKeys
from adapters.sql.engine import create_engine
from adapters.sql.idempotency import SqlIdempotencyKeys
from application.ports.idempotency import IdempotencyKeys, KeptAnswer, KeyClaim
from domain.errors import ServiceUnavailable
from tests.support.limits import MONDAY_MS

ANSWER = KeptAnswer(status=201, body=b'{"limit":12.50}', headers={"Location": "/api/limits/1"})


@pytest.fixture
async def in_memory() -> IdempotencyKeys:
    return MemoryIdempotencyKeys()


@pytest.fixture
async def in_sql(postgres_url: str) -> AsyncIterator[IdempotencyKeys]:
    engine = create_engine(postgres_url)
    yield SqlIdempotencyKeys(engine)
    await engine.dispose()


@pytest.fixture(params=["in_memory", "in_sql"])
def keys(request: pytest.FixtureRequest) -> IdempotencyKeys:
    return request.getfixturevalue(request.param)


def a_claim(claim_id: str = "c1", **members: Any) -> KeyClaim:
    given: dict[str, Any] = {
        "key": "k",
        "operation": "POST /api/limits",
        "digest": "d",
        "claim_id": claim_id,
        "claimed_at_ms": MONDAY_MS,
    }
    return KeyClaim(**{**given, **members})


async def claimed(keys: IdempotencyKeys, claim: KeyClaim, expired_before_ms: int = 0) -> KeyClaim:
    found = await keys.claim(claim, expired_before_ms=expired_before_ms)
    assert found is not None
    return found


async def test_the_first_claim_stays_and_later_ones_see_it(keys: IdempotencyKeys) -> None:
    assert await claimed(keys, a_claim()) == a_claim()
    assert await claimed(keys, a_claim("c2", digest="e")) == a_claim()


async def test_of_many_at_once_one_is_stored(keys: IdempotencyKeys) -> None:
    found = await asyncio.gather(*(claimed(keys, a_claim(f"c{n}")) for n in range(8)))
    assert len({each.claim_id for each in found}) == 1


async def test_an_answer_is_kept_as_it_was(keys: IdempotencyKeys) -> None:
    await claimed(keys, a_claim())
    await keys.complete(a_claim("another"), KeptAnswer(status=500, body=b""))
    await keys.complete(a_claim(), ANSWER)
    assert (await claimed(keys, a_claim("c2"))).answer == ANSWER


async def test_a_released_key_is_free_and_only_its_holder_releases_it(
    keys: IdempotencyKeys,
) -> None:
    await claimed(keys, a_claim())
    await keys.release(a_claim("another"))
    assert (await claimed(keys, a_claim("c2"))).claim_id == "c1"
    await keys.release(a_claim())
    assert (await claimed(keys, a_claim("c3"))).claim_id == "c3"


async def test_an_expired_claim_does_not_count(keys: IdempotencyKeys) -> None:
    await claimed(keys, a_claim())
    await keys.complete(a_claim(), ANSWER)
    assert (await claimed(keys, a_claim("c2"), MONDAY_MS)).claim_id == "c1"
    later = a_claim("c3", claimed_at_ms=MONDAY_MS + 9)
    assert await claimed(keys, later, MONDAY_MS + 1) == later


@pytest.mark.parametrize("other", [{"key": "K"}, {"operation": "POST /api/budgets"}])
async def test_another_key_or_operation_is_another_claim(
    keys: IdempotencyKeys, other: dict[str, Any]
) -> None:
    await claimed(keys, a_claim())
    assert (await claimed(keys, a_claim("c2", **other))).claim_id == "c2"


async def test_a_database_that_is_away_is_said_to_be() -> None:
    engine = create_engine("postgresql://nobody@127.0.0.1:1/none", pool_size=0)
    with pytest.raises(ServiceUnavailable):
        await SqlIdempotencyKeys(engine).claim(a_claim(), expired_before_ms=0)
    await engine.dispose()
