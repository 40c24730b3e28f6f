"""Clock, IdGenerator and Randomness: what use cases rely on."""

import time
import uuid

import pytest

from adapters.system.clock import SystemClock
from adapters.system.identifiers import UuidGenerator
from adapters.system.randomness import SystemRandomness
from application.ports.clock import Clock, IdGenerator, Randomness

MANY = 5_000


@pytest.fixture
def clock() -> Clock:
    return SystemClock()


@pytest.fixture
def ids() -> IdGenerator:
    return UuidGenerator()


@pytest.fixture
def randomness() -> Randomness:
    return SystemRandomness()


def test_wall_time_is_unix_time_in_milliseconds(clock: Clock) -> None:
    before = time.time_ns() // 1_000_000
    now = clock.now_ms()
    assert before <= now <= time.time_ns() // 1_000_000


def test_monotonic_time_never_goes_back(clock: Clock) -> None:
    readings = [clock.monotonic() for _ in range(MANY)]
    assert readings == sorted(readings)


def test_ids_are_distinct_uuids_of_version_7(ids: IdGenerator) -> None:
    made = [ids.new_id() for _ in range(MANY)]
    assert len(set(made)) == MANY
    assert {uuid.UUID(one).version for one in made} == {7}
    assert {uuid.UUID(one).variant for one in made} == {uuid.RFC_4122}
    assert all(one == str(uuid.UUID(one)) for one in made), "canonical lower-case text"


def test_ids_sort_by_the_time_they_were_made(ids: IdGenerator) -> None:
    made = [ids.new_id() for _ in range(MANY)]
    assert made == sorted(made)


def test_an_id_holds_the_millisecond_it_was_made_in(ids: IdGenerator, clock: Clock) -> None:
    before = clock.now_ms()
    held = uuid.UUID(ids.new_id()).int >> 80
    assert before <= held <= clock.now_ms()


@pytest.mark.parametrize("count", [0, 1, 48])
def test_token_bytes_are_as_many_as_asked_for(randomness: Randomness, count: int) -> None:
    assert len(randomness.token_bytes(count)) == count


def test_token_bytes_never_repeat(randomness: Randomness) -> None:
    assert len({randomness.token_bytes(16) for _ in range(MANY)}) == MANY


def test_rolls_fill_zero_to_one_without_reaching_one(randomness: Randomness) -> None:
    rolls = [randomness.roll() for _ in range(MANY)]
    assert all(0.0 <= roll < 1.0 for roll in rolls)
    # Chance of a false alarm: below 1e-200 for an empty tenth among 5,000 rolls.
    assert {int(roll * 10) for roll in rolls} == set(range(10))
