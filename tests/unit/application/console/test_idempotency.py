"""A request with an idempotency key is carried out once."""

import asyncio

import pytest

from adapters.memory.idempotency import MemoryIdempotencyKeys
from adapters.system.identifiers import UuidGenerator
from application.console.idempotency import (
    KEPT_MS,
    IdempotencyKeyReused,
    IdempotentRequests,
    OutcomeUnknown,
)
from application.ports.idempotency import KeptAnswer
from domain.errors import Conflict, DomainError, InvalidRequest, ServiceUnavailable
from tests.support.manual_clock import ManualClock


class Work:
    """Counts how often it is carried out."""

    def __init__(self, *errors: DomainError) -> None:
        self.done = 0
        self.errors = list(errors)
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def __call__(self) -> KeptAnswer:
        self.done += 1
        await self.may_end.wait()
        if self.errors:
            raise self.errors.pop()
        return KeptAnswer(status=201, body=str(self.done).encode())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def requests(clock: ManualClock) -> IdempotentRequests:
    return IdempotentRequests(MemoryIdempotencyKeys(), clock, UuidGenerator())


async def test_the_second_request_gets_the_answer_of_the_first(
    requests: IdempotentRequests, clock: ManualClock
) -> None:
    work = Work()
    first = await requests.once("k", "POST /a", b"x", work)
    clock.advance(KEPT_MS / 1000)
    assert await requests.once("k", "POST /a", b"x", work) == (first[0], True)
    assert (first[1], work.done) == (False, 1)
    clock.advance(0.001)
    await requests.once("k", "POST /a", b"x", work)
    assert work.done == 2


async def test_other_content_is_refused(requests: IdempotentRequests) -> None:
    work = Work()
    await requests.once("k", "POST /a", b"x", work)
    with pytest.raises(IdempotencyKeyReused):
        await requests.once("k", "POST /a", b"y", work)
    assert work.done == 1


async def test_a_second_request_during_the_first_does_nothing(requests: IdempotentRequests) -> None:
    work = Work()
    work.may_end.clear()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(requests.once("k", "POST /a", b"x", work))
        tasks.create_task(_refused(requests, work))
    assert work.done == 1


async def _refused(requests: IdempotentRequests, work: Work) -> None:
    with pytest.raises(OutcomeUnknown):
        await requests.once("k", "POST /a", b"x", work)
    work.may_end.set()


async def test_after_a_refusal_the_key_may_try_again(requests: IdempotentRequests) -> None:
    work = Work(Conflict("taken"))
    with pytest.raises(Conflict, match="taken"):
        await requests.once("k", "POST /a", b"x", work)
    assert not (await requests.once("k", "POST /a", b"x", work))[1]


async def test_what_may_have_been_done_is_not_done_again(requests: IdempotentRequests) -> None:
    work = Work(ServiceUnavailable("away"))
    with pytest.raises(ServiceUnavailable):
        await requests.once("k", "POST /a", b"x", work)
    with pytest.raises(OutcomeUnknown):
        await requests.once("k", "POST /a", b"x", work)
    assert work.done == 1


@pytest.mark.parametrize("key", ["", "k" * 256, "schlüssel", "a\x00b"])
async def test_a_malformed_key_is_refused(requests: IdempotentRequests, key: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await requests.once(key, "POST /a", b"x", Work())
    assert refused.value.param == "Idempotency-Key"
