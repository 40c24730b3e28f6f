"""Keys as a resource: who may do what, and that nobody gets more by way of a key."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from application.console.key_collection import KeyCollection, KeyQuestion, KeyRow
from application.console.key_documents import KeyEntry, KeyPatch, KeyView
from domain.access.accounts import Role, Team, User
from domain.access.permissions import Permission
from domain.access.roles import RANKING
from domain.errors import (
    AccessDenied,
    BeyondOwnRights,
    Conflict,
    DomainError,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
)
from domain.inference.dialect import Surface
from domain.keys.secret import key_hash
from tests.support.acting import OPERATOR, acting
from tests.support.configuration import Configuration, a_team, a_user, memory_configuration
from tests.support.key_services import key_services
from tests.support.manual_clock import ManualClock

CONSOLE = (Surface.CONSOLE,)


class Office(Struct):
    """A team with a manager and a developer, an admin, a super admin and an outsider."""

    stored: Configuration
    clock: ManualClock
    keys: KeyCollection
    team: Team
    users: dict[str, User]

    def at(self, days: float) -> datetime:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
            milliseconds=self.clock.now_ms(), days=days
        )

    def by(self, name: str, *scopes: Permission) -> Any:
        return acting(self.users[name], *scopes)

    async def make(self, name: str, owner: str, **more: Any) -> Any:
        made = await self.keys.create(
            OPERATOR, KeyEntry(name=name, owner=self.users[owner].email, **more)
        )
        return made.view

    async def list(self, by: str, **asked: Any) -> list[str]:
        page = await self.keys.page(self.by(by), KeyQuestion(**asked))
        return [item.name for item in page.items]


async def an_office() -> Office:
    stored, clock, team = memory_configuration(), ManualClock(), a_team()
    inside = frozenset({team.id})
    users = {
        "dev": a_user(team_ids=inside),
        "manager": a_user("manager@example.com", role=Role.TEAM_MANAGER, team_ids=inside),
        "admin": a_user("admin@example.com", role=Role.ADMIN, team_ids=inside),
        "super": a_user("super@example.com", role=Role.SUPER_ADMIN),
        "other": a_user("other@example.com"),
        "viewer": a_user("viewer@example.com", role=Role.VIEWER),
    }
    async with stored.uow.begin() as tx:
        await tx.teams.add(team)
        for user in users.values():
            await tx.users.add(user)
        await tx.commit()
    return Office(stored, clock, key_services(stored.audited, clock).keys, team, users)


@pytest.fixture
async def office() -> Office:
    return await an_office()


@pytest.mark.parametrize(
    ("by", "owner", "refusal"),
    [
        ("dev", "dev", None),
        ("dev", "other", NotFound),
        ("dev", "manager", NotFound),
        ("manager", "dev", None),
        ("manager", "other", NotFound),
        ("manager", "admin", BeyondOwnRights),
        ("admin", "dev", None),
        ("admin", "super", BeyondOwnRights),
        ("super", "admin", None),
        ("viewer", "viewer", PermissionDenied),
        ("viewer", "dev", PermissionDenied),
    ],
)
async def test_a_key_is_made_for_whom_one_may_speak(
    office: Office, by: str, owner: str, refusal: type[Exception] | None
) -> None:
    entry = KeyEntry(name="ci", owner=office.users[owner].email)
    if refusal is None:
        made = await office.keys.create(office.by(by), entry)
        assert made.view.owner_id == office.users[owner].id
        assert await office.stored.directory.find(key_hash(made.view.secret or ""))
        return
    with pytest.raises(refusal):
        await office.keys.create(office.by(by), entry)


async def test_who_names_no_owner_makes_a_key_of_his_own(office: Office) -> None:
    made = await office.keys.create(office.by("dev"), KeyEntry(name="ci"))
    assert made.view.owner == "dev@example.com"
    with pytest.raises(InvalidRequest, match="owner"):
        await office.keys.create(OPERATOR, KeyEntry(name="ci"))


async def test_a_console_key_names_what_both_have_and_ends_within_a_year(office: Office) -> None:
    entry: dict[str, Any] = {
        "name": "ops",
        "surfaces": CONSOLE,
        "permissions": ("users:read",),
        "expires_at": office.at(366),
    }
    admin = office.by("admin")
    made = await office.keys.create(admin, KeyEntry(**entry))
    assert made.view.permissions == ("users:read",)
    caller = await office.stored.directory.find(key_hash(made.view.secret or ""))
    assert caller is not None
    assert caller.permissions == frozenset({"users:read"})
    faults: tuple[tuple[dict[str, Any], type[Exception]], ...] = (
        ({"expires_at": office.at(366.1)}, InvalidRequest),
        ({"permissions": None}, InvalidRequest),
        ({"permissions": ("nothing:at_all",)}, InvalidRequest),
        ({"permissions": ("roles:write",)}, BeyondOwnRights),
        ({"permissions": ("providers:read",), "owner": "dev@example.com"}, BeyondOwnRights),
        ({"surfaces": (Surface.AI_GATEWAY,)}, InvalidRequest),
    )
    for changed, refusal in faults:
        fields: dict[str, Any] = {**entry, "name": "x", **changed}
        with pytest.raises(refusal):
            await office.keys.create(admin, KeyEntry(**fields))
    with pytest.raises(PermissionDenied):
        await office.keys.create(office.by("dev"), KeyEntry(**entry))


async def test_a_console_key_cannot_make_or_renew_a_mightier_one(office: Office) -> None:
    strong = await office.make(
        "strong",
        "admin",
        surfaces=CONSOLE,
        permissions=("users:read", "keys:rotate"),
        expires_at=office.at(9),
    )
    weak = office.by("admin", Permission.KEYS_ROTATE, Permission.KEYS_READ, Permission.KEYS_CREATE)
    with pytest.raises(BeyondOwnRights):
        await office.keys.rotate(weak, strong.id)
    with pytest.raises(BeyondOwnRights):
        await office.keys.create(weak, KeyEntry(name="gateway"))
    with pytest.raises(PermissionDenied):
        await office.keys.revoke(weak, strong.id)


async def test_a_list_shows_what_is_within_reach_and_filters_it(office: Office) -> None:
    await office.make("d", "dev", expires_at=office.at(5))
    await office.make("m", "manager", teams=("core",))
    await office.make("o", "other")
    assert await office.list("dev") == ["d"]
    assert await office.list("manager") == ["d", "m"]
    assert await office.list("viewer") == ["d", "m", "o"]
    assert await office.list("viewer", owner="other@example.com") == ["o"]
    assert await office.list("viewer", owner="nobody@example.com") == []
    assert await office.list("viewer", team="core") == ["d", "m"]
    assert await office.list("viewer", expires_within="6d") == ["d"]
    assert await office.list("viewer", unused_for="1d") == []
    office.clock.advance(86_401)
    assert await office.list("viewer", unused_for="1d", text="OTHER@") == ["o"]
    with pytest.raises(InvalidRequest):
        await office.list("viewer", expires_within="soon")
    none = office.by("admin", Permission.USERS_READ)
    with pytest.raises(PermissionDenied):
        await office.keys.page(none, KeyQuestion())


@pytest.mark.parametrize("act", ["find", "update", "rotate", "revoke", "delete"])
async def test_a_key_out_of_sight_is_not_there(office: Office, act: str) -> None:
    key = await office.make("o", "other")
    more = (KeyPatch(name="x"),) if act == "update" else ()
    for by in ("dev", "manager"):
        with pytest.raises(NotFound):
            await getattr(office.keys, act)(office.by(by), key.id, *more)
    if act != "find":
        with pytest.raises(PermissionDenied):
            await getattr(office.keys, act)(office.by("viewer"), key.id, *more)
    assert (await office.keys.find(OPERATOR, key.id)).view == key_of(key)


def key_of(issued: Any) -> Any:
    return KeyView(**{name: getattr(issued, name) for name in KeyView.__struct_fields__})


async def test_a_change_is_merged_into_the_version_that_was_seen(office: Office) -> None:
    key = await office.make("ci", "dev", models=("gpt-*",), cost_centre="4711")
    dev = office.by("dev")
    first = await office.keys.find(dev, key.id)
    await office.stored.directory.touch({key.id: office.clock.now_ms()})
    changed = await office.keys.update(
        dev,
        key.id,
        KeyPatch(name="cd", models=None, rotation_period="90d"),
        if_match=first.etag,
    )
    view = changed.view
    assert (view.name, view.models, view.cost_centre, view.rotation_period) == (
        "cd",
        None,
        "4711",
        "90d",
    )
    with pytest.raises(PreconditionFailed):
        await office.keys.update(dev, key.id, KeyPatch(name="ce"), if_match=first.etag)
    same = await office.keys.update(dev, key.id, KeyPatch(name="cd"), if_match=changed.etag)
    assert same.etag == changed.etag
    for bad in (
        KeyPatch(expires_at=office.at(-1)),
        KeyPatch(inactivity_timeout="0d"),
        KeyPatch(expires_at=datetime(2030, 1, 1)),  # noqa: DTZ001 - that is what is refused
        KeyPatch(ip_allow=()),
    ):
        with pytest.raises(InvalidRequest):
            await office.keys.update(dev, key.id, bad)
    with pytest.raises(NotFound):
        await office.keys.update(office.by("other"), key.id, KeyPatch(name="x"))
    await office.keys.revoke(dev, key.id)
    with pytest.raises(Conflict):
        await office.keys.update(dev, key.id, KeyPatch(name="x"))


async def test_nobody_changes_a_key_of_somebody_mightier(office: Office) -> None:
    key = await office.make("a", "admin")
    manager = office.by("manager")
    with pytest.raises(BeyondOwnRights):
        await office.keys.update(manager, key.id, KeyPatch(name="b"))
    with pytest.raises(BeyondOwnRights):
        await office.keys.rotate(manager, key.id)


async def test_what_is_only_tried_changes_nothing(office: Office) -> None:
    key = await office.make("ci", "dev")
    dev = office.by("dev")
    assert (await office.keys.rotate(dev, key.id, dry_run=True)).view.secret is None
    assert (await office.keys.revoke(dev, key.id, dry_run=True)).view.state == "revoked"
    await office.keys.delete(dev, key.id, dry_run=True)
    outcomes = await office.keys.bulk(dev, [KeyRow(op="delete", id=key.id)], dry_run=True)
    assert [each.status for each in outcomes] == ["deleted"]
    assert (await office.keys.find(dev, key.id)).view == key_of(key)


async def test_of_many_acts_each_has_its_outcome(office: Office) -> None:
    keys = [await office.make(f"k{n}", "dev") for n in range(3)]
    foreign = await office.make("o", "other")
    rows = [
        KeyRow(op="rotate", id=keys[0].id, grace="0"),
        KeyRow(op="revoke", id=keys[1].id),
        KeyRow(op="delete", id=keys[2].id),
        KeyRow(op="revoke", id=foreign.id),
        KeyRow(op="rotate", id=keys[0].id),
        KeyRow(op="rotate", id=keys[1].id, grace="31d"),
    ]
    outcomes = await office.keys.bulk(office.by("dev"), rows)
    assert [(each.status, each.code) for each in outcomes] == [
        ("updated", None),
        ("updated", None),
        ("deleted", None),
        ("failed", "not_found"),
        ("failed", "conflict"),
        ("failed", "conflict"),
    ]
    told = [each.item.secret is not None for each in outcomes if each.item is not None]
    assert told == [True, False, False]


async def test_a_deleted_key_is_restored_until_day_30_and_purged_on_demand(office: Office) -> None:
    dev = office.by("dev")
    key, other = await office.make("ci", "dev"), await office.make("two", "dev")
    for each in (key, other):
        await office.keys.delete(dev, each.id)
    assert await office.list("dev") == []
    assert await office.list("dev", removed=True) == ["ci", "two"]
    with pytest.raises(NotFound):
        await office.keys.restore(office.by("other"), key.lineage_id)
    with pytest.raises(PermissionDenied):
        await office.keys.purge(office.by("viewer"), key.lineage_id)
    assert (await office.keys.restore(dev, key.lineage_id)).view.state == "active"
    await office.keys.purge(dev, other.lineage_id, dry_run=True)
    gone = await office.keys.purge(dev, other.lineage_id)
    assert gone.name == "two"
    assert await office.list("dev", removed=True) == []
    with pytest.raises(NotFound):
        await office.keys.purge(dev, key.lineage_id)
    await office.keys.delete(dev, key.id)
    office.clock.advance(10**9)
    with pytest.raises(NotFound):
        await office.keys.restore(dev, key.lineage_id)


@given(
    st.sampled_from(RANKING),
    st.sampled_from(RANKING),
    st.sets(st.sampled_from(list(Permission)), min_size=1, max_size=3),
    st.booleans(),
)
async def test_no_console_key_may_do_what_its_maker_may_not(
    maker: str, owner: str, wanted: set[Permission], same_team: bool
) -> None:
    office = await an_office()
    inside = frozenset({office.team.id})
    actor = a_user("maker@example.com", role=Role(maker), team_ids=inside)
    teams = inside if same_team else inside - inside
    holder = a_user("holder@example.com", role=Role(owner), team_ids=teams)
    async with office.stored.uow.begin() as tx:
        await tx.users.add(actor)
        await tx.users.add(holder)
        await tx.commit()
    entry = KeyEntry(
        name="k",
        owner=holder.email,
        surfaces=CONSOLE,
        permissions=tuple(wanted),
        expires_at=office.at(1),
    )
    try:
        await office.keys.create(acting(actor), entry)
    except (AccessDenied, NotFound):
        return
    except DomainError as error:
        raise AssertionError(error.message) from error
    mine, theirs = acting(actor).rights, acting(holder).rights
    for permission in wanted:
        assert mine.holds(permission)
        assert theirs.holds(permission)
    assert mine.may_give(theirs) == ()
