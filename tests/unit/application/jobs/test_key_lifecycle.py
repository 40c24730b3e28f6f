"""Keys looked after: warned of, rotated and handed over, closed; each once over all replicas."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from msgspec import Struct
from msgspec.structs import replace
from structlog.testing import capture_logs

from adapters.crypto.cipher import AesGcmCipher
from adapters.memory.leases import MemoryLeaderLease
from adapters.sql.engine import create_engine
from adapters.sql.leases import SqlLeaderLease
from adapters.system.randomness import SystemRandomness
from application.console.key_handovers import KeyHandoverDesk
from application.instants import instant_or_none
from application.jobs.key_lifecycle import SLACK_MS, KeyLifecycle
from application.ports.audit_log import AuditFilter
from application.ports.leases import LeaderLease
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.access.accounts import SERVICE_DOMAIN, Role, User, UserKind
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.errors import NotFound
from domain.inference.dialect import Surface
from domain.keys.policy import ApiKey
from domain.keys.secret import key_hash
from tests.support.acting import OPERATOR, acting
from tests.support.configuration import (
    NOW_MS,
    Configuration,
    a_key,
    a_user,
    memory_configuration,
    sql_configuration,
)
from tests.support.key_services import key_lifecycle, key_services
from tests.support.manual_clock import ManualClock

DAY_S = 86_400
DAY_MS = DAY_S * 1000


class Office(Struct):
    """A store, a clock, and two replicas of the job."""

    stored: Configuration
    clock: ManualClock
    desk: KeyHandoverDesk
    replicas: tuple[KeyLifecycle, KeyLifecycle]

    async def put(self, user: User, *keys: ApiKey) -> User:
        async with self.stored.uow.begin() as tx:
            if await tx.users.find(user.id) is None:
                await tx.users.add(user)
            for key in keys:
                await tx.keys.add(key)
            await tx.commit()
        return user

    async def after(self, days: float) -> list[str]:
        """Let time pass, run both replicas at once; return what they recorded."""
        self.clock.advance(days * DAY_S)
        before = (await self.stored.archive.head()).sequence
        await asyncio.gather(*(each.round() for each in self.replicas))
        rows = await self.stored.archive.rows(before, 100)
        return [row.entry().action for row in rows]

    async def works(self, secret: str) -> bool:
        caller = await self.stored.directory.find(key_hash(secret))
        assert caller is not None
        try:
            caller.check(Surface.AI_GATEWAY, self.clock.now_ms())
        except Exception:  # noqa: BLE001 - whatever closes it
            return False
        return True

    async def token(self, by: Actor) -> str:
        (waiting,) = (await self.desk.pending(by)).items
        return (waiting.link or "").rpartition("/")[2]


class Interrupted(UnitOfWork):
    """Lets something happen between finding abandoned keys and closing the first."""

    def __init__(self, uow: UnitOfWork, interruption: Callable[[], Awaitable[object]]) -> None:
        self._uow = uow
        self._interruption = interruption
        self.transactions = 0

    @asynccontextmanager
    async def begin(self, *, exclusive: bool = False) -> AsyncGenerator[Transaction]:
        self.transactions += 1
        if self.transactions == 3:  # those whose grace ended are looked for first
            await self._interruption()
        async with self._uow.begin(exclusive=exclusive) as tx:
            yield tx


def an_office(stored: Configuration, *leases: LeaderLease) -> Office:
    clock = ManualClock(NOW_MS)
    one, other = (key_lifecycle(stored.audited, lease, clock) for lease in leases)
    desk = key_services(stored.audited, clock).handovers
    return Office(stored, clock, desk, (one, other))


@pytest.fixture
def in_memory() -> Office:
    lease = MemoryLeaderLease()
    return an_office(memory_configuration(), lease, lease)


@pytest.fixture
async def in_sql(postgres_url: str) -> AsyncIterator[Office]:
    engines = create_engine(postgres_url), create_engine(postgres_url)
    async with sql_configuration(postgres_url) as stored:
        yield an_office(stored, *map(SqlLeaderLease, engines))
    for engine in engines:
        await engine.dispose()


@pytest.fixture(params=["in_memory", "in_sql"])
def office(request: pytest.FixtureRequest) -> Office:
    return request.getfixturevalue(request.param)


async def test_each_threshold_is_warned_of_once(office: Office) -> None:
    user = a_user()
    await office.put(user, a_key(user, expires_at_ms=NOW_MS + 20 * DAY_MS))
    assert await office.after(5) == []
    with capture_logs() as logs:
        assert await office.after(1) == ["key.expiry_warning"]
    told = [each for each in logs if each["event"] == "key_expires_soon"]
    assert [(each["days"], each["key_name"]) for each in told] == [(14, "ci")]
    assert await office.after(1) == []
    assert await office.after(6) == ["key.expiry_warning"]
    assert await office.after(4) == ["key.expiry_warning"]
    assert await office.after(2) == ["key.expiry_warning"]
    assert await office.after(2) == []


async def test_a_key_rotates_by_itself_and_its_owner_collects_the_secret_once(
    office: Office,
) -> None:
    user = a_user()
    key = a_key(user, rotation_period_ms=90 * DAY_MS)
    await office.put(user, key)
    await office.put(a_user("other@example.com"))
    assert await office.after(82.9) == []
    with capture_logs() as logs:
        assert await office.after(0.1) == ["key.rotate"]
    (told,) = [each for each in logs if each["event"] == "key_handover_waits"]
    owner = acting(user)
    token = await office.token(owner)
    assert told["link"] == f"/api/keys/handovers/{token}"
    other = acting(a_user("third@example.com", role=Role.SUPER_ADMIN))
    for by in (other, OPERATOR, acting(user, Permission.KEYS_ROTATE)):
        assert (await office.desk.pending(by)).items == ()
        with pytest.raises(NotFound):
            await office.desk.take(by, token)
    with pytest.raises(NotFound):
        await office.desk.take(owner, "another")
    results = await asyncio.gather(
        *(office.desk.take(owner, token) for _ in range(3)), return_exceptions=True
    )
    (taken,) = [each for each in results if not isinstance(each, BaseException)]
    assert all(isinstance(each, NotFound) for each in results if each is not taken)
    assert taken.lineage_id == key.lineage_id
    assert await office.works(taken.secret or "")
    assert (await office.desk.pending(owner)).items == ()
    events = await office.stored.archive.search(
        AuditFilter(action="key.take_handover"), before=None, limit=9
    )
    assert [each.entry().actor_id for each in events] == [user.id]
    assert (taken.secret or "?") not in repr(logs)
    assert all((taken.secret or "") not in each.content for each in events)


async def test_a_secret_not_collected_in_time_waits_on_and_is_not_replaced(office: Office) -> None:
    user = a_user()
    old = a_key(user, rotation_period_ms=20 * DAY_MS, inactivity_ms=15 * DAY_MS)
    await office.put(user, old)
    office.clock.advance(12 * DAY_S)
    await office.stored.directory.touch({old.id: office.clock.now_ms()})
    assert await office.after(1) == ["key.rotate"]
    assert await office.after(6.9) == []
    assert await office.after(0.2) == ["key.end_grace"]
    assert await office.after(100) == []
    taken = await office.desk.take(acting(user), await office.token(acting(user)))
    assert await office.works(taken.secret or "")
    assert taken.state == "active"


async def test_a_waiting_secret_lives_as_long_as_its_key_even_when_that_is_extended(
    office: Office,
) -> None:
    user = a_user()
    key = a_key(user, rotation_period_ms=20 * DAY_MS, expires_at_ms=NOW_MS + 25 * DAY_MS)
    await office.put(user, key)
    assert await office.after(13) == ["key.rotate"]
    async with office.stored.uow.begin() as tx:
        extended = replace(key.policy, expires_at_ms=NOW_MS + 90 * DAY_MS)
        await tx.keys.change_policy(key.lineage_id, extended)
        await tx.commit()
    assert await office.after(20) == ["key.end_grace"]
    (waiting,) = (await office.desk.pending(acting(user))).items
    assert waiting.expires_at == instant_or_none(NOW_MS + 90 * DAY_MS)
    taken = await office.desk.take(acting(user), await office.token(acting(user)))
    assert await office.works(taken.secret or "")


async def test_what_was_sealed_with_a_key_that_is_gone_hides_nothing_else(office: Office) -> None:
    user = a_user()
    await office.put(user, a_key(user, rotation_period_ms=20 * DAY_MS))
    assert await office.after(13) == ["key.rotate"]
    other_ring = AesGcmCipher((b"o" * 32,), SystemRandomness())
    desk = KeyHandoverDesk(office.stored.audited, other_ring, office.clock)
    (waiting,) = (await desk.pending(acting(user))).items
    assert waiting.link is None
    assert (await office.token(acting(user))) != ""


async def test_the_secret_of_a_service_account_goes_to_who_may_rotate_its_keys(
    office: Office,
) -> None:
    account = a_user(f"robot@{SERVICE_DOMAIN}", kind=UserKind.SERVICE)
    admin = a_user("admin@example.com", role=Role.ADMIN)
    dev = a_user()
    await office.put(account, a_key(account, rotation_period_ms=2 * DAY_MS))
    await office.put(admin)
    await office.put(dev)
    assert await office.after(1) == ["key.rotate"]
    assert (await office.desk.pending(acting(dev))).items == ()
    token = await office.token(acting(admin))
    with pytest.raises(NotFound):
        await office.desk.take(acting(dev), token)
    assert (await office.desk.take(acting(admin), token)).secret


async def test_what_was_revoked_is_not_handed_over(office: Office) -> None:
    user = a_user()
    key = a_key(user, rotation_period_ms=2 * DAY_MS)
    await office.put(user, key)
    assert await office.after(1) == ["key.rotate"]
    token = await office.token(acting(user))
    async with office.stored.uow.begin() as tx:
        await tx.keys.revoke(key.lineage_id)
        await tx.commit()
    with pytest.raises(NotFound):
        await office.desk.take(acting(user), token)
    assert await office.after(1) == []
    async with office.stored.uow.begin() as tx:
        assert await tx.handovers.by_token(token.encode()) is None


async def test_a_key_that_nobody_uses_is_closed_a_little_later(office: Office) -> None:
    user = a_user()
    never = a_key(user, number=1, name="never", inactivity_ms=DAY_MS)
    used = a_key(user, number=2, name="used", inactivity_ms=DAY_MS)
    await office.put(user, never, used)
    assert await office.after(1) == []
    await office.stored.directory.touch({used.id: office.clock.now_ms()})
    assert await office.after(SLACK_MS / DAY_MS) == ["key.close_unused"]
    async with office.stored.uow.begin() as tx:
        states = {key.policy.name: key.state.value for key in await tx.keys.all()}
    assert states == {"never": "revoked", "used": "active"}


async def test_a_key_that_was_rotated_after_it_was_found_unused_is_not_closed(
    in_memory: Office,
) -> None:
    user = a_user()
    key = a_key(user, inactivity_ms=DAY_MS)
    await in_memory.put(user, key)
    in_memory.clock.advance(2 * DAY_S)
    keys = key_services(in_memory.stored.audited, in_memory.clock).keys

    async def rotate() -> None:
        await keys.rotate(acting(user), key.id)

    uow = Interrupted(in_memory.stored.audited, rotate)
    await key_lifecycle(uow, MemoryLeaderLease(), in_memory.clock).work()
    async with in_memory.stored.uow.begin() as tx:
        states = [each.state.value for each in await tx.key_listing.lineage(key.lineage_id)]
    assert states == ["rotated", "active"]


async def test_more_than_a_batch_is_done_in_one_round(in_memory: Office) -> None:
    user = a_user()
    keys = [a_key(user, number=n, name=f"k{n}", inactivity_ms=DAY_MS) for n in range(1, 251)]
    await in_memory.put(user, *keys)
    in_memory.clock.advance(2 * DAY_S)
    await in_memory.replicas[0].round()
    async with in_memory.stored.uow.begin() as tx:
        assert {key.state.value for key in await tx.keys.all()} == {"revoked"}


async def test_without_the_lease_nothing_is_done_and_with_a_false_one_nothing_twice(
    in_sql: Office,
) -> None:
    user = a_user()
    await in_sql.put(
        user,
        a_key(user, number=1, name="turns", rotation_period_ms=2 * DAY_MS),
        a_key(user, number=2, name="ends", expires_at_ms=NOW_MS + 15 * DAY_MS),
        a_key(user, number=3, name="idle", inactivity_ms=DAY_MS // 2),
    )
    in_sql.clock.advance(DAY_S)
    await asyncio.gather(*(each.work() for each in in_sql.replicas))
    rows = await in_sql.stored.archive.rows(0, 100)
    assert sorted(row.entry().action for row in rows) == [
        "key.close_unused",
        "key.expiry_warning",
        "key.rotate",
    ]
    assert len((await in_sql.desk.pending(acting(user))).items) == 1
