"""One change of people: who acts as he is now, and nobody with more than that afterwards."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

from application.identity.roster import Roster
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.access.actor import Actor
from domain.errors import InvalidRequest
from domain.identifiers import TeamId, UserId
from domain.records.audit import AuditTarget


class PeopleChange:
    """An exclusive transaction with the roster from before it.

    Attributes:
        by: who acts, with the rights of this moment.
        before: everybody as they were.
    """

    def __init__(self, tx: Transaction, by: Actor, before: Roster) -> None:
        """Made by `changing`."""
        self.tx = tx
        self.by = by
        self.before = before

    async def checked(self, concerned: Iterable[UserId], *, on_them: bool = True) -> Roster:
        """Return everybody as they are now; call it last, before `keep`.

        Raises:
            BeyondOwnRights, LastSuperAdmin: see `Roster.require_within`.
        """
        after = await Roster.read(self.tx)
        self.before.require_within(self.by, after, concerned, on_them=on_them)
        return after

    async def keep(
        self, action: str, target: AuditTarget, *, before: object = None, after: object = None
    ) -> None:
        """Record the change and commit it."""
        self.tx.audit.record(self.by, action, target, before=before, after=after)
        await self.tx.commit()


@asynccontextmanager
async def changing(uow: UnitOfWork, by: Actor) -> AsyncGenerator[PeopleChange]:
    """Open a change; changes of people take turns, on all replicas.

    Raises:
        PermissionDenied: who acts is no longer active.
    """
    async with uow.begin(exclusive=True) as tx:
        before = await Roster.read(tx)
        yield PeopleChange(tx, before.present(by), before)


def known_teams(roster: Roster, wanted: Iterable[str], param: str = "teams") -> frozenset[TeamId]:
    """Return the ids of teams that are there. Raises `InvalidRequest`."""
    ids = frozenset(map(TeamId, wanted))
    for each in sorted(ids):
        if each not in roster.teams:
            raise InvalidRequest(f"There is no team '{each[:60]}'.", param=param)
    return ids


def require_role(roster: Roster, name: str, param: str = "role") -> None:
    """Raise `InvalidRequest` unless there is a role of this name."""
    if roster.role(name) is None:
        raise InvalidRequest(f"There is no role '{name[:60]}'.", param=param)


NO_USER = "There is no such user."
NO_TEAM = "There is no such team."
