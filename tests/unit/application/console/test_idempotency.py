"""A request with an idempotency key is carried out once."""

from hashlib import sha256

import pytest

from adapters.memory.idempotency import MemoryIdempotencyKeys
from adapters.system.identifiers import UuidGenerator
from application.console.idempotency import (
    KEPT_MS,
    IdempotencyKeyReused,
    IdempotentRequests,
    OutcomeUnknown,
)
from application.ports.idempotency import KeptAnswer, KeyClaim
from domain.errors import InvalidRequest
from domain.secret import Secret
from tests.support.manual_clock import ManualClock

ANSWER = KeptAnswer(status=201, body=b"1")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def requests(clock: ManualClock) -> IdempotentRequests:
    return IdempotentRequests(
        MemoryIdempotencyKeys(), clock, UuidGenerator(), secret=Secret("of this test")
    )


async def begun(requests: IdempotentRequests) -> KeyClaim:
    claim = await requests.begin("k", "POST /a", b"x")
    assert isinstance(claim, KeyClaim)
    return claim


async def test_the_second_request_gets_the_answer_of_the_first_for_a_day(
    requests: IdempotentRequests, clock: ManualClock
) -> None:
    await requests.keep(await begun(requests), ANSWER)
    clock.advance(KEPT_MS / 1000)
    assert await requests.begin("k", "POST /a", b"x") == ANSWER
    clock.advance(0.001)
    await begun(requests)


async def test_other_content_is_refused(requests: IdempotentRequests) -> None:
    await requests.keep(await begun(requests), ANSWER)
    with pytest.raises(IdempotencyKeyReused):
        await requests.begin("k", "POST /a", b"y")


async def test_another_operation_has_keys_of_its_own(requests: IdempotentRequests) -> None:
    await requests.keep(await begun(requests), ANSWER)
    assert isinstance(await requests.begin("k", "POST /b", b"y"), KeyClaim)


async def test_a_second_request_during_the_first_does_nothing(requests: IdempotentRequests) -> None:
    await begun(requests)
    with pytest.raises(OutcomeUnknown):
        await requests.begin("k", "POST /a", b"x")


async def test_after_a_refusal_the_key_may_try_again(requests: IdempotentRequests) -> None:
    await requests.release(await begun(requests))
    await begun(requests)


@pytest.mark.parametrize("key", ["", "k" * 256, "schlüssel", "a\x00b"])
async def test_a_malformed_key_is_refused(requests: IdempotentRequests, key: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await requests.begin(key, "POST /a", b"x")
    assert refused.value.param == "Idempotency-Key"


async def test_nobody_guesses_from_the_store_what_was_asked(clock: ManualClock) -> None:
    keys = [MemoryIdempotencyKeys(), MemoryIdempotencyKeys()]
    digests: list[str] = []
    for number, store in enumerate(keys):
        requests = IdempotentRequests(store, clock, UuidGenerator(), secret=Secret(str(number)))
        digests.append((await begun(requests)).digest)
    assert digests[0] != digests[1]
    assert sha256(b"x").hexdigest() not in digests
