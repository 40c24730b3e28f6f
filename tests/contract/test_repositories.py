"""Repositories and transactions over every store."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from application.ports.change_feed import Change, Section
from application.ports.repositories import (
    ApiKeys,
    Models,
    Providers,
    StoredSettings,
    Teams,
    Users,
)
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.access.accounts import Role, UserState
from domain.errors import Conflict, NotFound
from domain.identifiers import ApiKeyId, LineageId, ModelId, ProviderId, TeamId, UserId
from domain.inference.dialect import Surface
from domain.keys.api_key import KeyState
from domain.keys.policy import ApiKey
from domain.keys.rotation import Rotation, rotate
from domain.routing.catalog import ProviderKind
from tests.support.configuration import (
    NOW_MS,
    Configuration,
    a_key,
    a_model,
    a_price,
    a_provider,
    a_route,
    a_secret,
    a_team,
    a_user,
    new_id,
)

# The ports this suite is about.
PORTS = (
    ApiKeys,
    Models,
    Providers,
    StoredSettings,
    Teams,
    Transaction,
    UnitOfWork,
    Users,
)


async def test_what_was_committed_is_there_and_what_was_not_is_not(stored: Configuration) -> None:
    team = a_team()
    user = a_user(team_ids=frozenset({team.id}))
    async with stored.uow.begin() as tx:
        await tx.teams.add(team)
        await tx.users.add(user)
        assert await tx.users.by_email(user.email) == user
        await tx.commit()
    async with stored.uow.begin() as tx:
        await tx.users.add(a_user("other@example.com"))
    async with stored.uow.begin() as tx:
        assert list(await tx.users.all()) == [user]
        assert list(await tx.teams.all()) == [team]


async def test_a_failure_in_the_middle_undoes_everything(stored: Configuration) -> None:
    async def fail() -> None:
        async with stored.uow.begin() as tx:
            await tx.teams.add(a_team())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with stored.uow.begin() as tx:
        assert list(await tx.teams.all()) == []
    assert stored.feed.published == []


async def test_a_commit_raises_the_revision_of_each_changed_section_once(
    stored: Configuration,
) -> None:
    assert await stored.source.revisions() == dict.fromkeys(Section, 0)
    async with stored.uow.begin() as tx:
        await tx.teams.add(a_team())
        await tx.users.add(a_user())
        await tx.settings.put("gateway.max_json_depth", 32)
        await tx.commit()
    async with stored.uow.begin() as tx:
        await tx.providers.add(a_provider())
        await tx.settings.reset("gateway.max_json_depth")
        await tx.commit()
    assert await stored.source.revisions() == {
        Section.KEYS: 1,
        Section.SETTINGS: 2,
        Section.CATALOG: 1,
        Section.LIMITS: 0,
    }
    assert stored.feed.published == [
        Change(Section.KEYS, 1),
        Change(Section.SETTINGS, 1),
        Change(Section.CATALOG, 1),
        Change(Section.SETTINGS, 2),
    ]


async def test_reading_raises_no_revision(stored: Configuration) -> None:
    async with stored.uow.begin() as tx:
        await tx.users.all()
        await tx.commit()
    assert stored.feed.published == []


async def test_exclusive_transactions_take_turns(stored: Configuration) -> None:
    order: list[str] = []
    first_inside = asyncio.Event()
    second_started = asyncio.Event()

    async def first() -> None:
        async with stored.uow.begin(exclusive=True) as tx:
            first_inside.set()
            await second_started.wait()
            await tx.teams.add(a_team())
            order.append("first")
            await tx.commit()

    async def second() -> None:
        await first_inside.wait()
        second_started.set()
        async with stored.uow.begin(exclusive=True) as tx:
            order.append("second")
            assert [team.name for team in await tx.teams.all()] == ["core"]

    async with asyncio.timeout(10):
        await asyncio.gather(first(), second())
    assert order == ["first", "second"]


class TestUsers:
    async def test_two_users_cannot_share_an_address(self, stored: Configuration) -> None:
        async with stored.uow.begin() as tx:
            await tx.users.add(a_user())
            with pytest.raises(Conflict, match="e-mail"):
                await tx.users.add(a_user())

    async def test_update_replaces_role_state_and_teams(self, stored: Configuration) -> None:
        team, other = a_team(), a_team("other")
        user = a_user(team_ids=frozenset({team.id}))
        changed = replace(
            user,
            role=Role.ADMIN,
            state=UserState.DEACTIVATED,
            team_ids=frozenset({other.id}),
        )
        async with stored.uow.begin() as tx:
            await tx.teams.add(team)
            await tx.teams.add(other)
            await tx.users.add(user)
            await tx.users.update(changed)
            assert await tx.users.by_email(user.email) == changed

    async def test_an_address_is_free_again_after_removal(self, stored: Configuration) -> None:
        user = a_user()
        async with stored.uow.begin() as tx:
            await tx.users.add(user)
            await tx.users.set_password(user.id, "$argon2id$x")
            await tx.users.remove(user.id)
            assert await tx.users.password_hash(user.id) is None
            assert await tx.users.by_email(user.email) is None
            await tx.users.add(a_user())

    async def test_a_password_is_kept_with_the_user(self, stored: Configuration) -> None:
        user = a_user()
        async with stored.uow.begin() as tx:
            await tx.users.add(user)
            assert await tx.users.password_hash(user.id) is None
            await tx.users.set_password(user.id, "$argon2id$x")
            assert await tx.users.password_hash(user.id) == "$argon2id$x"

    async def test_what_is_not_there_cannot_be_changed(self, stored: Configuration) -> None:
        nobody = a_user()
        async with stored.uow.begin() as tx:
            with pytest.raises(NotFound):
                await tx.users.update(nobody)
            with pytest.raises(NotFound):
                await tx.users.remove(UserId(new_id()))
            with pytest.raises(NotFound):
                await tx.users.set_password(nobody.id, "x")


class TestTeams:
    async def test_removal_ends_every_membership(self, stored: Configuration) -> None:
        team = a_team()
        user = a_user(team_ids=frozenset({team.id}))
        key = a_key(user, team_ids=frozenset({team.id}))
        async with stored.uow.begin() as tx:
            await tx.teams.add(team)
            await tx.users.add(user)
            await tx.keys.add(key)
            await tx.teams.remove(team.id)
            assert [user.team_ids for user in await tx.users.all()] == [frozenset()]
            assert [key.policy.team_ids for key in await tx.keys.all()] == [frozenset()]
            with pytest.raises(NotFound):
                await tx.teams.remove(TeamId(new_id()))

    async def test_names_are_unique(self, stored: Configuration) -> None:
        async with stored.uow.begin() as tx:
            await tx.teams.add(a_team())
            with pytest.raises(Conflict, match="name"):
                await tx.teams.add(a_team())


def rotation_of(key: ApiKey, *, number: int = 2, grace_ms: int = 1000) -> Rotation:
    return rotate(
        key,
        successor_id=ApiKeyId(new_id()),
        secret=a_secret(number),
        now_ms=NOW_MS + number,
        grace_ms=grace_ms,
    )


class TestKeys:
    async def test_a_key_comes_back_as_it_was_stored(self, stored: Configuration) -> None:
        team, user = a_team(), a_user()
        key = a_key(
            user,
            surfaces=frozenset(Surface),
            models=("gpt-*", "claude-3"),
            team_ids=frozenset({team.id}),
            expires_at_ms=NOW_MS + 5,
            inactivity_ms=86_400_000,
            rotation_period_ms=86_400_001,
            ip_allow=("10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32"),
            cost_centre="4711",
            tags={"env": "prod"},
        )
        plain = a_key(user, number=2, name="plain", models=())
        async with stored.uow.begin() as tx:
            await tx.teams.add(team)
            await tx.users.add(user)
            await tx.keys.add(key)
            await tx.keys.add(plain)
            assert list(await tx.keys.all()) == [key, plain]
            assert await tx.keys.find(key.id) == key
            assert await tx.keys.by_hash(plain.secret_hash) == plain
            assert await tx.keys.find(ApiKeyId("no id at all")) is None
            assert await tx.keys.find(ApiKeyId(new_id())) is None
            assert await tx.keys.by_hash(b"0" * 32) is None

    async def test_a_secret_is_never_stored_twice(self, stored: Configuration) -> None:
        user = a_user()
        key = a_key(user)
        async with stored.uow.begin() as tx:
            await tx.users.add(user)
            await tx.keys.add(key)
            await tx.keys.remove(key.lineage_id)
            with pytest.raises(Conflict, match="secret"):
                await tx.keys.add(a_key(user, name="again"))

    async def test_an_owner_has_one_active_key_of_a_name(self, stored: Configuration) -> None:
        user, other = a_user(), a_user("other@example.com")
        async with stored.uow.begin() as tx:
            await tx.users.add(user)
            await tx.users.add(other)
            await tx.keys.add(a_key(user))
            await tx.keys.add(a_key(other, number=2))
            with pytest.raises(Conflict, match="name"):
                await tx.keys.add(a_key(user, number=3))

    async def test_rotation_leaves_one_active_key_in_the_lineage(
        self, stored: Configuration
    ) -> None:
        user = a_user()
        key = a_key(user)
        rotation = rotation_of(key)
        async with stored.uow.begin() as tx:
            await tx.users.add(user)
            await tx.keys.add(key)
            await tx.keys.rotate(rotation)
            assert list(await tx.keys.all()) == [rotation.retired, rotation.successor]

    async def test_of_concurrent_rotations_one_wins(self, stored: Configuration) -> None:
        user = a_user()
        key = a_key(user)
        async with stored.uow.begin() as tx:
            await tx.users.add(user)
            await tx.keys.add(key)
            await tx.commit()

        async def attempt(number: int) -> bool:
            try:
                async with stored.uow.begin() as tx:
                    await tx.keys.rotate(rotation_of(key, number=number))
                    await tx.commit()
            except Conflict:
                return False
            return True

        async with asyncio.timeout(20):
            won = await asyncio.gather(*(attempt(number) for number in range(2, 10)))
        assert won.count(True) == 1
        async with stored.uow.begin() as tx:
            states = [stored_key.state for stored_key in await tx.keys.all()]
        assert states == [KeyState.ROTATED, KeyState.ACTIVE]

    async def test_a_policy_reaches_the_keys_in_their_grace_period(
        self, stored: Configuration
    ) -> None:
        user, team = a_user(), a_team()
        key = a_key(user)
        rotation = rotation_of(key)
        policy = replace(key.policy, models=("only-this",), team_ids=frozenset({team.id}))
        async with stored.uow.begin() as tx:
            await tx.users.add(user)
            await tx.teams.add(team)
            await tx.keys.add(key)
            await tx.keys.rotate(rotation)
            await tx.keys.change_policy(key.lineage_id, policy)
            assert [each.policy for each in await tx.keys.all()] == [policy, policy]

    async def test_revocation_ends_the_grace_period_too(self, stored: Configuration) -> None:
        user = a_user()
        key = a_key(user)
        async with stored.uow.begin() as tx:
            await tx.users.add(user)
            await tx.keys.add(key)
            await tx.keys.rotate(rotation_of(key))
            await tx.keys.revoke(key.lineage_id)
            states = {each.state for each in await tx.keys.all()}
            assert states == {KeyState.REVOKED}
            with pytest.raises(NotFound):
                await tx.keys.revoke(key.lineage_id)
            with pytest.raises(NotFound):
                await tx.keys.change_policy(key.lineage_id, key.policy)

    async def test_a_removed_key_is_gone(self, stored: Configuration) -> None:
        user = a_user()
        key = a_key(user)
        async with stored.uow.begin() as tx:
            await tx.users.add(user)
            await tx.keys.add(key)
            await tx.keys.remove(key.lineage_id)
            assert list(await tx.keys.all()) == []
            assert await tx.keys.by_hash(key.secret_hash) is None
            with pytest.raises(NotFound):
                await tx.keys.remove(LineageId(key.lineage_id))


class TestProviders:
    async def test_a_provider_comes_back_as_it_was_stored(self, stored: Configuration) -> None:
        provider = a_provider(
            base_url="http://127.0.0.1:9/v1",
            sealed_credentials="v1.k.n.c",
            options={"latency_ms": 5, "headers": {"x-a": "b"}},
            enabled=False,
        )
        async with stored.uow.begin() as tx:
            await tx.providers.add(provider)
            assert list(await tx.providers.all()) == [provider]

    async def test_an_update_raises_the_revision(self, stored: Configuration) -> None:
        provider = a_provider()
        changed = replace(
            provider, kind=ProviderKind.OPENAI_COMPATIBLE, base_url="http://127.0.0.1:9/v1"
        )
        async with stored.uow.begin() as tx:
            await tx.providers.add(provider)
            await tx.providers.update(changed)
            assert list(await tx.providers.all()) == [replace(changed, revision=2)]
            with pytest.raises(NotFound):
                await tx.providers.update(a_provider("absent"))

    async def test_a_provider_with_routes_cannot_be_removed(self, stored: Configuration) -> None:
        provider = a_provider()
        model = a_model("gpt-4o", a_route(provider))
        async with stored.uow.begin() as tx:
            await tx.providers.add(provider)
            await tx.models.add(model)
            with pytest.raises(Conflict, match="route"):
                await tx.providers.remove(provider.id)

    async def test_a_name_is_free_again_after_removal(self, stored: Configuration) -> None:
        provider = a_provider()
        model = a_model("gpt-4o", a_route(provider))
        async with stored.uow.begin() as tx:
            await tx.providers.add(provider)
            await tx.models.add(model)
            await tx.models.remove(model.id)
            await tx.providers.remove(provider.id)
            await tx.providers.add(a_provider())
            with pytest.raises(NotFound):
                await tx.providers.remove(ProviderId(new_id()))

    async def test_names_are_unique(self, stored: Configuration) -> None:
        async with stored.uow.begin() as tx:
            await tx.providers.add(a_provider())
            with pytest.raises(Conflict, match="name"):
                await tx.providers.add(a_provider())


class TestModels:
    async def test_an_update_replaces_routes_and_leaves_prices(self, stored: Configuration) -> None:
        provider = a_provider()
        kept, dropped, new = (a_route(provider, name) for name in ("a", "b", "c"))
        price = a_price()
        model = a_model("gpt-4o", kept, dropped)
        changed = replace(
            model,
            routes=(replace(kept, weight=7, enabled=False, tier=3), new),
            input_multiplier=Decimal("0.5"),
            output_multiplier=Decimal("1.000001"),
            enabled=False,
        )
        async with stored.uow.begin() as tx:
            await tx.providers.add(provider)
            await tx.models.add(model)
            await tx.models.add_price(model.id, price)
            await tx.models.update(changed)
            (found,) = await tx.models.all()
        assert found.prices.rows == (price,)
        assert replace(found, prices=changed.prices) == changed

    async def test_prices_accumulate_in_the_order_of_their_dates(
        self, stored: Configuration
    ) -> None:
        later, earlier = a_price(NOW_MS + 1000, output="9"), a_price()
        model = a_model()
        async with stored.uow.begin() as tx:
            await tx.models.add(model)
            await tx.models.add_price(model.id, later)
            await tx.models.add_price(model.id, earlier)
            (found,) = await tx.models.all()
            assert found.prices.rows == (earlier, later)
            with pytest.raises(Conflict, match="effective"):
                await tx.models.add_price(model.id, a_price())

    async def test_names_are_unique_among_those_that_are_there(self, stored: Configuration) -> None:
        model = a_model()
        async with stored.uow.begin() as tx:
            await tx.models.add(model)
            await tx.models.remove(model.id)
            await tx.models.add(a_model())
            with pytest.raises(Conflict, match="name"):
                await tx.models.add(a_model())

    async def test_what_is_not_there_cannot_be_changed(self, stored: Configuration) -> None:
        async with stored.uow.begin() as tx:
            with pytest.raises(NotFound):
                await tx.models.update(a_model())
            with pytest.raises(NotFound):
                await tx.models.remove(ModelId(new_id()))


class TestSettings:
    async def test_a_value_is_stored_replaced_and_forgotten(self, stored: Configuration) -> None:
        async with stored.uow.begin() as tx:
            await tx.settings.put("gateway.max_json_depth", 32)
            await tx.settings.put("gateway.max_json_depth", 33)
            assert await tx.settings.all() == {"gateway.max_json_depth": 33}
            await tx.settings.reset("gateway.max_json_depth")
            await tx.settings.reset("gateway.max_json_depth")
            assert await tx.settings.all() == {}
