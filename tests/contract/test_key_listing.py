"""Keys by what they are like, their hand-overs, and what was removed, over every store."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from application.ports.key_handovers import KeyHandover, KeyHandovers
from application.ports.key_listing import ExpiryWarning, KeyFilter, KeyListing
from application.ports.removed import Removed, RemovedKind, RemovedObject
from domain.access.accounts import User, UserState
from domain.access.rights import Area, Reach
from domain.errors import Conflict, NotFound
from domain.identifiers import ApiKeyId
from domain.inference.dialect import Surface
from domain.keys.policy import ApiKey
from domain.keys.rotation import rotate
from tests.support.configuration import (
    NOW_MS,
    Configuration,
    a_key,
    a_model,
    a_provider,
    a_route,
    a_secret,
    a_team,
    a_user,
    new_id,
)

PORTS = (KeyHandovers, KeyListing, Removed)
DAY_MS = 86_400_000
EVERYTHING = Reach(allowed=Area(everything=True))


async def put(stored: Configuration, *users: User, keys: Sequence[ApiKey] = ()) -> None:
    async with stored.uow.begin() as tx:
        for user in users:
            await tx.users.add(user)
        for key in keys:
            await tx.keys.add(key)
        await tx.commit()


async def names(stored: Configuration, now_ms: int = NOW_MS, **wanted: object) -> list[str]:
    asked = KeyFilter(**{"reach": EVERYTHING, "now_ms": now_ms, **wanted})  # pyright: ignore[reportArgumentType]
    async with stored.uow.begin() as tx:
        found = await tx.key_listing.page(asked, after=None, limit=100)
        assert await tx.key_listing.count(asked) == len(found)
    return [each.key.policy.name for each in found]


class TestListing:
    async def test_a_list_is_walked_in_the_order_of_ids(self, stored: Configuration) -> None:
        user = a_user()
        keys = [a_key(user, number=n, name=f"k{n}") for n in range(5)]
        await put(stored, user, keys=keys)
        asked = KeyFilter(reach=EVERYTHING, now_ms=NOW_MS)
        seen: list[str] = []
        async with stored.uow.begin() as tx:
            while page := await tx.key_listing.page(
                asked, after=seen[-1] if seen else None, limit=2
            ):
                seen += [each.key.id for each in page]
                assert {each.owner_email for each in page} == {user.email}
        assert seen == [key.id for key in keys]

    async def test_each_filter_narrows_the_list(self, stored: Configuration) -> None:
        dev, boss = a_user(), a_user("boss_1@example.com")
        keys = [
            a_key(dev, number=1, name="plain"),
            a_key(dev, number=2, name="ends", expires_at_ms=NOW_MS + DAY_MS),
            a_key(boss, number=3, name="idle", inactivity_ms=DAY_MS),
            a_key(boss, number=4, name="tools_%", surfaces=frozenset({Surface.MCP_GATEWAY})),
        ]
        await put(stored, dev, boss, keys=keys)
        async with stored.uow.begin() as tx:
            await tx.keys.revoke(keys[0].lineage_id)
            await tx.commit()
        later = NOW_MS + DAY_MS
        assert await names(stored, owner_id=boss.id) == ["idle", "tools_%"]
        assert await names(stored, owner_id="nobody") == []
        assert await names(stored, surface=Surface.MCP_GATEWAY) == ["tools_%"]
        assert await names(stored, text="BOSS_1") == ["idle", "tools_%"]
        assert await names(stored, text="s_%") == ["tools_%"]
        assert await names(stored, text=keys[1].prefix.upper()) != []
        assert await names(stored, condition="revoked") == ["plain"]
        assert await names(stored, later, condition="expired") == ["ends"]
        assert await names(stored, later, condition="inactive") == ["idle"]
        assert await names(stored, later, condition="active") == ["tools_%"]
        assert await names(stored, expires_before_ms=later) == []
        assert await names(stored, expires_before_ms=later + 1) == ["ends"]
        assert await names(stored, unused_since_ms=NOW_MS) == []
        assert len(await names(stored, unused_since_ms=NOW_MS + 1)) == 4
        assert await names(stored, removed=True) == []

    async def test_reach_is_owner_team_of_owner_or_team_of_key(self, stored: Configuration) -> None:
        red, blue = a_team("red"), a_team("blue")
        mine = a_user()
        mate = a_user("mate@example.com", team_ids=frozenset({red.id}))
        other = a_user("other@example.com", team_ids=frozenset({blue.id}))
        async with stored.uow.begin() as tx:
            await tx.teams.add(red)
            await tx.teams.add(blue)
            await tx.commit()
        await put(
            stored,
            mine,
            mate,
            other,
            keys=[
                a_key(mine, number=1, name="mine"),
                a_key(mate, number=2, name="mate"),
                a_key(other, number=3, name="shared", team_ids=frozenset({red.id})),
                a_key(other, number=4, name="other"),
            ],
        )
        own, team = Area(owner_id=mine.id), Area(team_ids=frozenset({red.id}))
        assert await names(stored, reach=Reach(allowed=own)) == ["mine"]
        assert await names(stored, reach=Reach(allowed=team)) == ["mate", "shared"]
        denied = Reach(allowed=Area(everything=True), denied=team)
        assert await names(stored, reach=denied) == ["mine", "other"]
        assert await names(stored, reach=Reach()) == []
        assert await names(stored, team_id=blue.id) == ["shared", "other"]


class TestLifecycle:
    async def test_a_key_is_abandoned_when_nobody_used_it_and_nothing_else_of_it_works(
        self, stored: Configuration
    ) -> None:
        user = a_user()
        idle = a_key(user, number=1, name="idle", inactivity_ms=DAY_MS)
        used = a_key(user, number=2, name="used", inactivity_ms=DAY_MS)
        renewed = a_key(user, number=3, name="renewed", inactivity_ms=DAY_MS)
        rotation = rotate(
            renewed,
            successor_id=ApiKeyId(new_id()),
            secret=a_secret(9),
            now_ms=NOW_MS,
            grace_ms=3 * DAY_MS,
        )
        await put(stored, user, keys=[idle, used, renewed])
        async with stored.uow.begin() as tx:
            await tx.keys.rotate(rotation)
            await tx.commit()
        await stored.directory.touch({used.id: NOW_MS + DAY_MS})
        async with stored.uow.begin() as tx:

            async def abandoned(now_ms: int, slack_ms: int = 0) -> list[str]:
                found = await tx.key_listing.abandoned(now_ms, slack_ms=slack_ms, limit=9)
                return [key.policy.name for key in found]

            assert await abandoned(NOW_MS + DAY_MS - 1) == []
            assert await abandoned(NOW_MS + DAY_MS) == ["idle"]
            assert await abandoned(NOW_MS + DAY_MS, slack_ms=1) == []
            assert await abandoned(NOW_MS + 3 * DAY_MS) == ["idle", "used", "renewed"]
            assert await tx.key_listing.after_grace(NOW_MS + 3 * DAY_MS - 1, limit=9) == []
            (old,) = await tx.key_listing.after_grace(NOW_MS + 3 * DAY_MS, limit=9)
            assert old.id == renewed.id
            assert await tx.key_listing.end_grace(old.id)
            assert not await tx.key_listing.end_grace(old.id)
            assert not await tx.key_listing.end_grace(idle.id)
            line = await tx.key_listing.lineage(renewed.lineage_id)
            assert [key.state.value for key in line] == ["revoked", "active"]

    async def test_a_key_is_due_before_it_gets_too_old_unless_it_ends_or_waits(
        self, stored: Configuration
    ) -> None:
        user = a_user()
        gone = a_user("gone@example.com", state=UserState.DEACTIVATED)
        period = {"rotation_period_ms": 30 * DAY_MS}
        keys = [
            a_key(user, number=1, name="due", **period),
            a_key(user, number=2, name="ends", expires_at_ms=NOW_MS + 29 * DAY_MS, **period),
            a_key(user, number=3, name="idle", inactivity_ms=DAY_MS, **period),
            a_key(user, number=4, name="never"),
            a_key(user, number=5, name="short", rotation_period_ms=2 * DAY_MS),
            a_key(gone, number=6, name="gone", **period),
        ]
        await put(stored, user, gone, keys=keys)
        async with stored.uow.begin() as tx:

            async def due(days: float) -> list[str]:
                at_ms = NOW_MS + round(days * DAY_MS)
                found = await tx.key_listing.due_for_rotation(at_ms, limit=9)
                return [key.policy.name for key in found]

            assert await due(0.999) == []
            assert await due(1) == ["short"]
            assert await due(22.999) == ["short"]
            assert await due(23) == ["due", "short"]
            await tx.handovers.add(a_handover(keys[0]))
            assert await due(23) == ["short"]

    async def test_a_warning_is_given_once_for_each_expiry_and_number_of_days(
        self, stored: Configuration
    ) -> None:
        user = a_user()
        key = a_key(user, expires_at_ms=NOW_MS + 20 * DAY_MS)
        brief = a_key(user, number=2, name="brief", expires_at_ms=NOW_MS + 2 * DAY_MS)
        await put(stored, user, keys=[key, brief])
        async with stored.uow.begin() as tx:

            async def expiring(days: float) -> list[tuple[str, int]]:
                found = await tx.key_listing.expiring(
                    NOW_MS + round(days * DAY_MS), days=(14, 7, 3, 1), limit=9
                )
                return [(each.key.policy.name, each.days) for each in found]

            assert await expiring(0) == []
            assert await expiring(1) == [("brief", 1)]
            assert await expiring(5.9) == []
            assert await expiring(6) == [("ci", 14)]
            assert await expiring(16.5) == [("ci", 7)]
            await tx.key_listing.note_warning(ExpiryWarning(key=key, days=7))
            assert await expiring(16.5) == []
            assert await expiring(6) == []
            assert await expiring(17) == [("ci", 3)]
            assert await expiring(20) == []
            extended = replace(key.policy, expires_at_ms=NOW_MS + 30 * DAY_MS)
            await tx.keys.change_policy(key.lineage_id, extended)
            assert await expiring(16) == [("ci", 14)]
            with pytest.raises(Conflict):
                await tx.key_listing.note_warning(ExpiryWarning(key=key, days=7))


def a_handover(key: ApiKey, **more: object) -> KeyHandover:
    fields: dict[str, object] = {
        "token_hash": key.secret_hash,
        "sealed_token": "v1.token",
        "sealed_secret": "v1.secret",
        "created_at_ms": NOW_MS,
        "old_works_until_ms": NOW_MS + DAY_MS,
    }
    return KeyHandover(id=new_id(), key_id=key.id, **{**fields, **more})  # pyright: ignore[reportArgumentType]


class TestHandovers:
    async def test_a_secret_waits_until_it_is_taken_once(self, stored: Configuration) -> None:
        user = a_user()
        key = a_key(user)
        handover = a_handover(key)
        await put(stored, user, keys=[key])
        async with stored.uow.begin() as tx:
            await tx.handovers.add(handover)
            await tx.commit()
        async with stored.uow.begin() as tx:
            assert await tx.handovers.pending([user.id], NOW_MS, limit=9) == [handover]
            assert await tx.handovers.pending([], NOW_MS, limit=9) == []
            assert await tx.handovers.by_token(handover.token_hash) == handover
            await tx.handovers.take(handover.id, NOW_MS)
            assert await tx.handovers.by_token(handover.token_hash) is None
            assert await tx.handovers.pending([user.id], NOW_MS, limit=9) == []
            with pytest.raises(NotFound):
                await tx.handovers.take(handover.id, NOW_MS)
            with pytest.raises(Conflict):
                await tx.handovers.add(a_handover(key, token_hash=bytes(32)))

    async def test_what_cannot_be_used_any_more_is_forgotten(self, stored: Configuration) -> None:
        user = a_user()
        ends = {2: NOW_MS + 5}
        keys = [a_key(user, number=n, name=f"k{n}", expires_at_ms=ends.get(n)) for n in (1, 2, 3)]
        ending = a_handover(keys[1])
        waiting = a_handover(keys[2])
        await put(stored, user, keys=keys)
        async with stored.uow.begin() as tx:
            for each in (a_handover(keys[0]), ending, waiting):
                await tx.handovers.add(each)
            await tx.keys.revoke(keys[0].lineage_id)
            assert await tx.handovers.pending([user.id], NOW_MS, limit=9) == [ending, waiting]
            assert await tx.handovers.pending([user.id], NOW_MS + 5, limit=9) == [waiting]
            assert await tx.handovers.forget_dead(NOW_MS, limit=9) == 1
            assert await tx.handovers.forget_dead(NOW_MS + 5, limit=9) == 1
            assert await tx.handovers.forget_dead(NOW_MS + 5, limit=9) == 0


class TestRemoved:
    async def test_what_was_removed_comes_back_as_it_was(self, stored: Configuration) -> None:
        team, provider = a_team(), a_provider()
        user = a_user(team_ids=frozenset({team.id}))
        key, revoked = a_key(user), a_key(user, number=2, name="old")
        async with stored.uow.begin() as tx:
            await tx.teams.add(team)
            await tx.providers.add(provider)
            await tx.commit()
        await put(stored, user, keys=[key, revoked])
        async with stored.uow.begin() as tx:
            await tx.keys.revoke(revoked.lineage_id)
            await tx.keys.remove(key.lineage_id)
            await tx.keys.remove(revoked.lineage_id)
            await tx.users.remove(user.id)
            await tx.providers.remove(provider.id)
            await tx.commit()
        caller = await stored.directory.find(key.secret_hash)
        assert caller is not None
        assert caller.state.value == "revoked"
        async with stored.uow.begin() as tx:
            for kind, object_id, name in (
                (RemovedKind.USER, user.id, user.email),
                (RemovedKind.PROVIDER, provider.id, provider.name),
                (RemovedKind.KEY, key.lineage_id, "ci"),
                (RemovedKind.KEY, revoked.lineage_id, "old"),
            ):
                found = await tx.removed.find(kind, object_id)
                assert found is not None
                assert (found.id, found.name) == (object_id, name)
                assert found in await tx.removed.all(kind, limit=9)
                await tx.removed.restore(found)
                assert await tx.removed.find(kind, object_id) is None
                with pytest.raises(NotFound):
                    await tx.removed.restore(found)
                with pytest.raises(NotFound):
                    await tx.removed.forget(found)
            assert await tx.users.find(user.id) == user
            assert await tx.keys.find(key.id) == key
            again = await tx.keys.find(revoked.id)
            assert again is not None
            assert again.state.value == "revoked"
            assert [each.name for each in await tx.providers.all()] == ["openai"]
            await tx.commit()
        assert await stored.directory.find(key.secret_hash) is not None

    @pytest.mark.parametrize("kind", list(RemovedKind))
    async def test_a_name_that_was_taken_meanwhile_is_a_conflict(
        self, stored: Configuration, kind: RemovedKind
    ) -> None:
        user, provider = a_user(), a_provider()
        key = a_key(user)
        await put(stored, user, keys=[key])
        async with stored.uow.begin() as tx:
            await tx.keys.remove(key.lineage_id)
            await tx.keys.add(a_key(user, number=2))
            await tx.providers.add(provider)
            await tx.providers.remove(provider.id)
            await tx.providers.add(a_provider())
            await tx.users.remove(user.id)
            await tx.users.add(a_user())
            await tx.commit()
        object_id = {"user": user.id, "provider": provider.id, "key": key.lineage_id}[kind.value]
        async with stored.uow.begin() as tx:
            found = await tx.removed.find(kind, object_id)
            assert found is not None
            with pytest.raises(Conflict):
                await tx.removed.restore(found)

    async def test_only_what_was_removed_before_is_purged_and_a_user_takes_the_keys_along(
        self, stored: Configuration
    ) -> None:
        user, kept, provider, used = (
            a_user(),
            a_user("kept@example.com"),
            a_provider(),
            a_provider("b"),
        )
        keys = [a_key(user, number=1), a_key(kept, number=2), a_key(kept, number=3, name="gone")]
        await put(stored, user, kept, keys=keys)
        rotation = rotate(
            keys[2], successor_id=ApiKeyId(new_id()), secret=a_secret(9), now_ms=NOW_MS, grace_ms=5
        )
        async with stored.uow.begin() as tx:
            await tx.keys.rotate(rotation)
            await tx.providers.add(provider)
            await tx.providers.add(used)
            await tx.models.add(a_model("m", a_route(used)))
            await tx.keys.remove(keys[2].lineage_id)
            await tx.users.remove(user.id)
            await tx.providers.remove(provider.id)
            await tx.commit()

        async def purge(before_ms: int, limit: int = 9) -> Sequence[RemovedObject]:
            async with stored.uow.begin() as tx:
                gone = await tx.removed.purge(before_ms, limit=limit)
                await tx.commit()
            return gone

        assert await purge(NOW_MS) == []
        gone = [*await purge(2**42, limit=2), *await purge(2**42)]
        assert sorted((each.kind.value, each.name) for each in gone) == [
            ("key", "gone"),
            ("provider", "openai"),
            ("user", "dev@example.com"),
        ]
        assert [await stored.directory.find(key.secret_hash) is None for key in keys] == [
            True,
            False,
            True,
        ]
        async with stored.uow.begin() as tx:
            assert [each.email for each in await tx.users.all()] == ["kept@example.com"]
            assert [each.name for each in await tx.providers.all()] == ["b"]
            assert await tx.removed.find(RemovedKind.USER, user.id) is None
            assert await tx.removed.find(RemovedKind.USER, "no id") is None
