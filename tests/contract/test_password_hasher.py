"""PasswordHasher: hashes that tell right from wrong and give nothing away."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from adapters.identity.passwords import Argon2Passwords
from application.ports.identity import PasswordHasher
from domain.errors import ServiceUnavailable
from domain.secret import Secret

RIGHT, WRONG = Secret("correct horse ✓"), Secret("correct horse")


@pytest.fixture
def hasher() -> PasswordHasher:
    return Argon2Passwords(time_cost=1, memory_kib=64, lanes=1)


async def test_a_hash_knows_its_password_and_no_other(hasher: PasswordHasher) -> None:
    hashed = await hasher.hash(RIGHT)
    assert await hasher.verify(RIGHT, hashed)
    assert not await hasher.verify(WRONG, hashed)


async def test_a_hash_is_salted_and_does_not_hold_the_password(hasher: PasswordHasher) -> None:
    first, second = await hasher.hash(RIGHT), await hasher.hash(RIGHT)
    assert first != second
    assert RIGHT.reveal() not in first


async def test_a_hash_made_at_another_cost_still_verifies(hasher: PasswordHasher) -> None:
    dearer = Argon2Passwords(time_cost=2, memory_kib=128, lanes=2)
    assert await hasher.verify(RIGHT, await dearer.hash(RIGHT))


@pytest.mark.parametrize("stored", ["", "plain", "$argon2id$v=19$m=64,t=1,p=1$AAAA", "\0"])
async def test_what_is_no_hash_matches_nothing(hasher: PasswordHasher, stored: str) -> None:
    assert not await hasher.verify(RIGHT, stored)


async def test_many_at_once_all_get_their_answer(hasher: PasswordHasher) -> None:
    hashes = await asyncio.gather(*(hasher.hash(RIGHT) for _ in range(12)))
    assert all(await asyncio.gather(*(hasher.verify(RIGHT, one) for one in hashes)))


async def test_nobody_has_no_password_and_costs_as_much_as_somebody(
    hasher: PasswordHasher,
) -> None:
    for guess in (RIGHT, WRONG, Secret("")):
        assert not await hasher.verify(guess, None)
    assert isinstance(hasher, Argon2Passwords)
    costs = (await hasher.hash(RIGHT)).rsplit("$", 2)[0]
    assert hasher.of_nobody.startswith(costs)
    assert not hasher.is_dated(hasher.of_nobody)


async def test_a_hash_made_at_another_cost_is_dated(hasher: PasswordHasher) -> None:
    dearer = Argon2Passwords(time_cost=2, memory_kib=128, lanes=2)
    assert hasher.is_dated(await dearer.hash(RIGHT))
    assert not hasher.is_dated(await hasher.hash(RIGHT))
    assert hasher.is_dated("plain")


async def test_a_crowd_is_sent_away_and_those_before_it_get_their_answer() -> None:
    hasher = Argon2Passwords(time_cost=1, memory_kib=64, lanes=1, most_waiting=3)
    answers = await asyncio.gather(*(hasher.hash(RIGHT) for _ in range(9)), return_exceptions=True)
    refused = [each for each in answers if isinstance(each, ServiceUnavailable)]
    assert len(refused) == 9 - 2 - 3
    assert all(each.retry_after_ms for each in refused)
    assert await hasher.verify(RIGHT, await hasher.hash(RIGHT)), "later there is room again"


@pytest.mark.skipif(sys.platform != "linux", reason="niceness is the whole process's elsewhere")
async def test_everything_else_goes_before_hashing(hasher: PasswordHasher) -> None:
    before = _niceness_of_threads()
    hashed = await hasher.hash(RIGHT)
    await hasher.verify(RIGHT, hashed)
    added = {
        thread: nice for thread, nice in _niceness_of_threads().items() if thread not in before
    }
    assert added
    assert set(added.values()) == {19}
    assert os.getpriority(os.PRIO_PROCESS, 0) < 19


def _niceness_of_threads() -> dict[str, int]:
    return {
        task.name: os.getpriority(os.PRIO_PROCESS, int(task.name))
        for task in Path("/proc/self/task").iterdir()
    }
