import asyncio

import pytest

from application.gateway.authenticate import FRESH_S, Authenticator
from application.ports.clock import Clock
from application.ports.directory import KeyDirectory
from domain.errors import (
    CredentialConflict,
    CredentialInvalid,
    CredentialMissing,
    KeyExpired,
    KeyRevoked,
    OwnerInactive,
    ServiceUnavailable,
    SurfaceNotAllowed,
)
from domain.identifiers import ApiKeyId, LineageId
from domain.inference.dialect import Surface
from domain.keys.api_key import Caller, KeyState
from domain.keys.secret import key_hash, mint

KEY = mint(bytes(range(48))).reveal()
OTHER_KEY = mint(bytes(48)).reveal()
AI = Surface.AI_GATEWAY
HERE = "127.0.0.1"
OUTAGE_GRACE_S = 60.0


class HandSetClock(Clock):
    def __init__(self) -> None:
        self.seconds = 1_000.0

    def now_ms(self) -> int:
        return int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds


class CountingDirectory(KeyDirectory):
    """A directory in a dict that counts questions, can be held up, and can be down."""

    def __init__(self, callers: dict[bytes, Caller]) -> None:
        self.callers = callers
        self.questions = 0
        self.down = False
        self.gate: asyncio.Event | None = None
        self.asked = asyncio.Event()
        self.touched: dict[str, int] = {}

    async def find(self, key_hash: bytes) -> Caller | None:
        self.questions += 1
        found = self.callers.get(key_hash)
        self.asked.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.down:
            raise ServiceUnavailable("down")
        return found

    async def touch(self, last_used_ms: dict[str, int]) -> None:
        if self.down:
            raise ServiceUnavailable("down")
        self.touched |= last_used_ms


def caller(**changes: object) -> Caller:
    fields: dict[str, object] = {
        "key_id": ApiKeyId("k1"),
        "lineage_id": LineageId("l1"),
        "key_name": "ci",
        "state": KeyState.ACTIVE,
        "surfaces": frozenset({AI}),
    }
    return Caller(**{**fields, **changes})  # pyright: ignore[reportArgumentType]


@pytest.fixture
def clock() -> HandSetClock:
    return HandSetClock()


@pytest.fixture
def directory() -> CountingDirectory:
    return CountingDirectory({key_hash(KEY): caller()})


@pytest.fixture
def keys(directory: CountingDirectory, clock: HandSetClock) -> Authenticator:
    return Authenticator(directory, clock, lambda: OUTAGE_GRACE_S)


async def test_a_known_key_is_looked_up_once_while_it_is_fresh(
    keys: Authenticator, directory: CountingDirectory, clock: HandSetClock
) -> None:
    first = await keys.authenticate([KEY], AI, HERE)
    clock.seconds += FRESH_S - 0.1
    assert await keys.authenticate([KEY], AI, HERE) is first
    assert directory.questions == 1


async def test_a_key_is_read_again_after_five_seconds_without_confirmation(
    keys: Authenticator, directory: CountingDirectory, clock: HandSetClock
) -> None:
    await keys.authenticate([KEY], AI, HERE)
    directory.callers[key_hash(KEY)] = caller(state=KeyState.REVOKED)
    clock.seconds += FRESH_S
    with pytest.raises(KeyRevoked):
        await keys.authenticate([KEY], AI, HERE)


async def test_a_confirmed_revision_keeps_keys_fresh_without_a_query(
    keys: Authenticator, directory: CountingDirectory, clock: HandSetClock
) -> None:
    await keys.authenticate([KEY], AI, HERE)
    for _ in range(10):
        clock.seconds += FRESH_S - 1
        keys.confirm()
        await keys.authenticate([KEY], AI, HERE)
    assert directory.questions == 1


async def test_an_event_ends_trust_at_once(
    keys: Authenticator, directory: CountingDirectory
) -> None:
    await keys.authenticate([KEY], AI, HERE)
    directory.callers[key_hash(KEY)] = caller(state=KeyState.REVOKED)
    keys.invalidate()
    with pytest.raises(KeyRevoked):
        await keys.authenticate([KEY], AI, HERE)


async def test_a_lookup_begun_before_an_event_does_not_answer_after_it(
    keys: Authenticator, directory: CountingDirectory
) -> None:
    directory.gate = asyncio.Event()
    slow = asyncio.ensure_future(keys.authenticate([KEY], AI, HERE))
    await asyncio.wait_for(directory.asked.wait(), 5)
    directory.callers[key_hash(KEY)] = caller(state=KeyState.REVOKED)
    keys.invalidate()
    late = asyncio.ensure_future(keys.authenticate([KEY], AI, HERE))
    await asyncio.sleep(0)
    directory.gate.set()
    await slow  # it came before the change
    with pytest.raises(KeyRevoked):
        await late
    with pytest.raises(KeyRevoked):
        await keys.authenticate([KEY], AI, HERE)


async def test_a_hundred_waiting_requests_ask_once_and_survive_one_of_them_leaving(
    keys: Authenticator, directory: CountingDirectory
) -> None:
    directory.gate = asyncio.Event()
    waiting = [asyncio.ensure_future(keys.authenticate([KEY], AI, HERE)) for _ in range(100)]
    await asyncio.wait_for(directory.asked.wait(), 5)
    waiting[0].cancel()
    directory.gate.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert all(isinstance(answer, Caller) for answer in answers[1:])
    assert directory.questions == 1


async def test_known_keys_are_served_while_the_directory_is_down_but_not_for_ever(
    keys: Authenticator, directory: CountingDirectory, clock: HandSetClock
) -> None:
    await keys.authenticate([KEY], AI, HERE)
    directory.down = True
    clock.seconds += FRESH_S + 1
    await keys.authenticate([KEY], AI, HERE)
    clock.seconds += OUTAGE_GRACE_S
    with pytest.raises(ServiceUnavailable):
        await keys.authenticate([KEY], AI, HERE)


async def test_unknown_keys_are_unavailable_not_refused_while_the_directory_is_down(
    keys: Authenticator, directory: CountingDirectory
) -> None:
    directory.down = True
    with pytest.raises(ServiceUnavailable):
        await keys.authenticate([KEY], AI, HERE)


async def test_a_key_created_after_a_refusal_works_within_the_bound(
    keys: Authenticator, directory: CountingDirectory, clock: HandSetClock
) -> None:
    with pytest.raises(CredentialInvalid):
        await keys.authenticate([OTHER_KEY], AI, HERE)
    directory.callers[key_hash(OTHER_KEY)] = caller()
    clock.seconds += FRESH_S
    keys.confirm()  # the poll says nothing changed, but a refusal is never prolonged by it
    await keys.authenticate([OTHER_KEY], AI, HERE)


@pytest.mark.parametrize(
    "malformed",
    ["", "tw-", "sk-abc", KEY[:-1], KEY + "0", KEY[:-1] + ("0" if KEY[-1] != "0" else "1"), "é"],
)
async def test_a_malformed_key_is_refused_without_a_question(
    keys: Authenticator, directory: CountingDirectory, malformed: str
) -> None:
    with pytest.raises(CredentialInvalid):
        await keys.authenticate([malformed], AI, HERE)
    assert directory.questions == 0


async def test_no_key_and_two_different_keys_are_refused(keys: Authenticator) -> None:
    with pytest.raises(CredentialMissing):
        await keys.authenticate([], AI, HERE)
    with pytest.raises(CredentialConflict):
        await keys.authenticate([KEY, OTHER_KEY], AI, HERE)
    await keys.authenticate([KEY, KEY], AI, HERE)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"state": KeyState.REVOKED}, KeyRevoked),
        ({"state": KeyState.ROTATED, "grace_ends_at_ms": 1_000_000}, KeyExpired),
        ({"state": KeyState.ROTATED}, KeyExpired),
        ({"expires_at_ms": 1_000_000}, KeyExpired),
        ({"owner_active": False}, OwnerInactive),
        ({"surfaces": frozenset({Surface.MCP_GATEWAY})}, SurfaceNotAllowed),
        ({"inactivity_ms": 1000, "created_at_ms": 999_000}, KeyExpired),
    ],
)
async def test_each_reason_to_refuse_has_its_own_error(
    keys: Authenticator,
    directory: CountingDirectory,
    changes: dict[str, object],
    refusal: type[Exception],
) -> None:
    directory.callers[key_hash(KEY)] = caller(**changes)
    with pytest.raises(refusal):
        await keys.authenticate([KEY], AI, HERE)


async def test_a_rotated_key_works_until_its_grace_ends(
    keys: Authenticator, directory: CountingDirectory, clock: HandSetClock
) -> None:
    directory.callers[key_hash(KEY)] = caller(state=KeyState.ROTATED, grace_ends_at_ms=1_002_000)
    await keys.authenticate([KEY], AI, HERE)
    clock.seconds += 2
    with pytest.raises(KeyExpired):
        await keys.authenticate([KEY], AI, HERE)


async def test_a_key_in_steady_use_never_becomes_inactive(
    keys: Authenticator, directory: CountingDirectory, clock: HandSetClock
) -> None:
    directory.callers[key_hash(KEY)] = caller(inactivity_ms=60_000, created_at_ms=1_000_000)
    for _ in range(10):
        clock.seconds += 30
        keys.confirm()
        await keys.authenticate([KEY], AI, HERE)
    assert directory.questions == 1


async def test_uses_seen_by_another_replica_keep_a_key_alive(
    keys: Authenticator, directory: CountingDirectory, clock: HandSetClock
) -> None:
    directory.callers[key_hash(KEY)] = caller(inactivity_ms=60_000, created_at_ms=1_000_000)
    await keys.authenticate([KEY], AI, HERE)
    directory.callers[key_hash(KEY)] = caller(
        inactivity_ms=60_000, created_at_ms=1_000_000, last_used_at_ms=1_090_000
    )
    clock.seconds += 100
    keys.confirm()
    await keys.authenticate([KEY], AI, HERE)


async def test_last_uses_are_written_once_and_kept_over_an_outage(
    keys: Authenticator, directory: CountingDirectory, clock: HandSetClock
) -> None:
    await keys.authenticate([KEY], AI, HERE)
    directory.down = True
    with pytest.raises(ServiceUnavailable):
        await keys.flush_last_used()
    directory.down = False
    await keys.flush_last_used()
    assert directory.touched == {"k1": 1_000_000}
    directory.touched.clear()
    await keys.flush_last_used()
    assert directory.touched == {}
