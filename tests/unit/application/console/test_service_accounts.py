"""Service accounts: owners of keys that nobody signs in as, never mightier than who made them."""

from typing import Any

import pytest

from application.console.key_documents import KeyEntry
from application.console.service_accounts import ServiceAccountEntry, ServiceAccountPatch
from domain.access.accounts import Role, User, UserKind
from domain.errors import (
    BeyondOwnRights,
    Conflict,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
)
from domain.identifiers import UserId
from domain.keys.secret import key_hash
from entrypoints.console.services import KeyServices
from tests.support.acting import acting
from tests.support.configuration import Configuration, a_team, a_user, memory_configuration
from tests.support.key_services import key_services
from tests.support.manual_clock import ManualClock

RED, BLUE = a_team("red"), a_team("blue")
DEV = a_user(team_ids=frozenset({RED.id}))
MANAGER = a_user("manager@example.com", role=Role.TEAM_MANAGER, team_ids=frozenset({RED.id}))
ADMIN = a_user("admin@example.com", role=Role.ADMIN)
VIEWER = a_user("viewer@example.com", role=Role.VIEWER)


@pytest.fixture
async def stored() -> Configuration:
    stored = memory_configuration()
    async with stored.uow.begin() as tx:
        await tx.teams.add(RED)
        await tx.teams.add(BLUE)
        for user in (DEV, MANAGER, ADMIN, VIEWER):
            await tx.users.add(user)
        await tx.commit()
    return stored


@pytest.fixture
def services(stored: Configuration) -> KeyServices:
    return key_services(stored.audited, ManualClock())


async def test_a_service_account_owns_keys_and_nobody_can_sign_in_as_it(
    services: KeyServices, stored: Configuration
) -> None:
    manager = acting(MANAGER)
    made = await services.accounts.create(manager, ServiceAccountEntry(name="ci", teams=("red",)))
    view = made.view
    assert (view.address, view.role, view.teams) == ("ci@service.invalid", "developer", ("red",))
    async with stored.uow.begin() as tx:
        user = await tx.users.find(UserId(view.id))
        assert user is not None
        assert user.kind is UserKind.SERVICE
        assert await tx.users.password_hash(user.id) is None
    key = await services.keys.create(manager, KeyEntry(name="k", owner=view.address))
    assert await services.accounts.find(manager, view.id) == made
    changed = await services.accounts.update(
        manager, view.id, ServiceAccountPatch(display_name="Robot", enabled=False)
    )
    assert (changed.view.display_name, changed.view.enabled) == ("Robot", False)
    caller = await stored.directory.find(key_hash(key.view.secret or ""))
    assert caller is not None
    assert not caller.owner_active
    with pytest.raises(PreconditionFailed):
        await services.accounts.delete(manager, view.id, if_match=made.etag)
    await services.accounts.delete(manager, view.id, dry_run=True)
    await services.accounts.delete(manager, view.id, if_match=changed.etag)
    with pytest.raises(NotFound):
        await services.accounts.find(manager, view.id)


@pytest.mark.parametrize(
    ("by", "entry", "refusal"),
    [
        (DEV, {"teams": ("red",)}, (NotFound, PermissionDenied)),
        (VIEWER, {"teams": ("red",)}, PermissionDenied),
        (MANAGER, {}, PermissionDenied),
        (MANAGER, {"teams": ("red", "blue")}, NotFound),
        (MANAGER, {"teams": ("green",)}, NotFound),
        (MANAGER, {"teams": ("red",), "role": "viewer"}, PermissionDenied),
        (ADMIN, {"role": "super_admin"}, BeyondOwnRights),
        (ADMIN, {"role": "king"}, InvalidRequest),
        (ADMIN, {"name": "Upper"}, InvalidRequest),
        (ADMIN, {"name": "a@b"}, InvalidRequest),
        (ADMIN, {"display_name": " "}, InvalidRequest),
    ],
)
async def test_what_is_refused(
    services: KeyServices, by: User, entry: dict[str, Any], refusal: type[Exception]
) -> None:
    fields: dict[str, Any] = {"name": "ci", **entry}
    with pytest.raises(refusal):
        await services.accounts.create(acting(by), ServiceAccountEntry(**fields))


async def test_teams_and_role_change_only_where_one_may(services: KeyServices) -> None:
    admin, manager = acting(ADMIN), acting(MANAGER)
    view = (
        await services.accounts.create(admin, ServiceAccountEntry(name="ci", teams=("red",)))
    ).view
    for changes, refusal in (
        (ServiceAccountPatch(teams=("red", "blue")), NotFound),
        (ServiceAccountPatch(teams=()), PermissionDenied),
        (ServiceAccountPatch(role="viewer"), PermissionDenied),
    ):
        with pytest.raises(refusal):
            await services.accounts.update(manager, view.id, changes)
    promoted = await services.accounts.update(
        admin, view.id, ServiceAccountPatch(role="admin", teams=("red", "blue"))
    )
    assert promoted.view.teams == ("blue", "red")
    with pytest.raises(BeyondOwnRights):
        await services.accounts.update(manager, view.id, ServiceAccountPatch(display_name="x"))
    for dry_run in (True, False):
        with pytest.raises(BeyondOwnRights):
            await services.accounts.delete(manager, view.id, dry_run=dry_run)
    with pytest.raises(BeyondOwnRights):
        await services.keys.create(manager, KeyEntry(name="k", owner=view.id))
    with pytest.raises(NotFound):
        await services.accounts.update(admin, DEV.id, ServiceAccountPatch(display_name="x"))
    with pytest.raises(Conflict):
        await services.accounts.create(admin, ServiceAccountEntry(name="ci"))


async def test_a_removed_account_comes_back_with_its_keys_by_who_could_remove_it(
    services: KeyServices, stored: Configuration
) -> None:
    manager, admin = acting(MANAGER), acting(ADMIN)
    made = await services.accounts.create(manager, ServiceAccountEntry(name="ci", teams=("red",)))
    key = await services.keys.create(manager, KeyEntry(name="k", owner=made.view.address))
    with pytest.raises(NotFound):
        await services.accounts.restore(manager, made.view.id)
    await services.accounts.delete(manager, made.view.id)
    with pytest.raises(NotFound):
        await services.accounts.restore(acting(DEV), made.view.id)
    with pytest.raises(PermissionDenied):
        await services.accounts.restore(acting(VIEWER), made.view.id)
    assert await services.accounts.restore(manager, made.view.id) == made
    caller = await stored.directory.find(key_hash(key.view.secret or ""))
    assert caller is not None
    assert caller.owner_active
    await services.accounts.update(
        admin, made.view.id, ServiceAccountPatch(role="admin", teams=("red",))
    )
    await services.accounts.delete(admin, made.view.id)
    with pytest.raises(BeyondOwnRights):
        await services.accounts.restore(manager, made.view.id)


async def test_a_person_is_not_restored_as_a_service_account(
    services: KeyServices, stored: Configuration
) -> None:
    async with stored.uow.begin() as tx:
        await tx.users.remove(DEV.id)
        await tx.commit()
    with pytest.raises(NotFound):
        await services.accounts.restore(acting(ADMIN), DEV.id)


async def test_a_list_shows_those_within_reach(services: KeyServices) -> None:
    admin = acting(ADMIN)
    for name, teams in (("a", ("red",)), ("b", ("blue",)), ("c", ())):
        await services.accounts.create(admin, ServiceAccountEntry(name=name, teams=teams))
    first = await services.accounts.page(admin, limit=2)
    rest = await services.accounts.page(admin, cursor=first.next_cursor)
    assert [each.name for each in (*first.items, *rest.items)] == ["a", "b", "c"]
    assert [each.name for each in (await services.accounts.page(acting(MANAGER))).items] == ["a"]
    assert (await services.accounts.page(acting(DEV))).items == ()


async def test_nobody_deletes_a_mightier_one(services: KeyServices, stored: Configuration) -> None:
    mighty = a_user(
        "mighty@service.invalid",
        role=Role.ADMIN,
        kind=UserKind.SERVICE,
        team_ids=frozenset({RED.id}),
    )
    async with stored.uow.begin() as tx:
        await tx.users.add(mighty)
        await tx.commit()
    with pytest.raises(BeyondOwnRights):
        await services.accounts.delete(acting(MANAGER), mighty.id)
    await services.accounts.delete(acting(ADMIN), mighty.id)
