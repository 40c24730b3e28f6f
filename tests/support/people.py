"""Stores with people in them, and the use cases as each of them can call them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from msgspec import Struct
from msgspec.structs import replace

from application.identity.roster import Roster
from application.ports.identity import PasswordHasher
from application.ports.unit_of_work import Transaction
from domain.access.accounts import Team, User
from domain.access.actor import Actor, ActorKind
from domain.access.permissions import Permission
from domain.access.rights import statements
from domain.access.roles import Assignment, RoleDefinition
from domain.identifiers import TeamId, UserId
from domain.secret import Secret
from entrypoints.console.services import PeopleServices
from tests.support.configuration import (
    NOW_MS,
    Configuration,
    a_team,
    a_user,
    memory_configuration,
    new_id,
)
from tests.support.manual_clock import ManualClock
from tests.support.people_services import people_services


class ReadablePasswords(PasswordHasher):
    """Hashing that costs nothing."""

    async def hash(self, password: Secret) -> str:
        return f"plain {password.reveal()}"

    async def verify(self, password: Secret, password_hash: str | None) -> bool:
        return password_hash == await self.hash(password)

    def is_dated(self, password_hash: str) -> bool:
        return False


class People(Struct):
    """A store, the use cases on it, and its teams by name."""

    stored: Configuration
    clock: ManualClock
    use: PeopleServices
    teams: dict[str, TeamId]

    async def roster(self) -> Roster:
        """Return everybody as they are."""
        async with self.stored.uow.begin() as tx:
            return await Roster.read(tx)

    async def user(self, name: str) -> User:
        """Return a user by the name in the address."""
        users = (await self.roster()).users.values()
        return next(each for each in users if each.email == f"{name}@example.com")

    async def id(self, name: str) -> UserId:
        """Return the id of a user."""
        return (await self.user(name)).id

    async def acting(self, name: str, *ceiling: Permission) -> Actor:
        """Return a user as an actor; with `ceiling`, by a key that names these permissions."""
        return acting(await self.roster(), await self.user(name), *ceiling)

    @asynccontextmanager
    async def changed(self) -> AsyncGenerator[Transaction]:
        """Change the store behind everybody's back."""
        async with self.stored.uow.begin() as tx:
            yield tx
            await tx.commit()

    async def add(self, name: str, role: str, *teams: str) -> UserId:
        """Store a user."""
        ids = frozenset(self.teams[each] for each in teams)
        user = a_user(f"{name}@example.com", role=role, team_ids=ids)  # pyright: ignore[reportArgumentType]
        async with self.changed() as tx:
            await tx.users.add(user)
        return user.id

    async def add_role(self, name: str, *allow: str, **more: object) -> None:
        """Store a custom role."""
        role = RoleDefinition(name=name, allow=statements(*allow), **more)  # pyright: ignore[reportArgumentType]
        async with self.changed() as tx:
            await tx.roles.add(role, created_at_ms=NOW_MS)

    async def give(self, role: str, user: str | None = None, team: str | None = None) -> str:
        """Store an assignment and return its id."""
        given = Assignment(
            id=new_id(),
            role=role,
            user_id=await self.id(user) if user is not None else None,
            team_id=self.teams[team] if team is not None else None,
            created_at_ms=NOW_MS,
        )
        async with self.changed() as tx:
            await tx.roles.assign(given)
        return given.id


def acting(roster: Roster, user: User, *ceiling: Permission) -> Actor:
    """Return a user as an actor with the rights the roster gives."""
    rights = roster.rights(user)
    if ceiling:
        rights = replace(rights, ceiling=frozenset(ceiling))
    return Actor(kind=ActorKind.USER, id=user.id, name=user.email, rights=rights)


async def some_people(stored: Configuration | None = None) -> People:
    """Return a store with the teams `red` and `blue` and one person per built-in role.

    `root` is a super admin and `admin` an admin; `lead`, `dev` and `eye` (team manager, developer,
    viewer) are in red, `out` is a developer in blue.
    """
    found = stored or memory_configuration()
    clock = ManualClock()
    teams: list[Team] = [a_team("red"), a_team("blue")]
    people = People(
        stored=found,
        clock=clock,
        use=people_services(found.audited, clock, ReadablePasswords()),
        teams={each.name: each.id for each in teams},
    )
    async with people.changed() as tx:
        for team in teams:
            await tx.teams.add(team)
    await people.add("root", "super_admin")
    await people.add("admin", "admin")
    await people.add("lead", "team_manager", "red")
    await people.add("dev", "developer", "red")
    await people.add("eye", "viewer", "red")
    await people.add("out", "developer", "blue")
    return people
