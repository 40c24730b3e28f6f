"""What the console knows of users, teams and roles."""

from application.console.people.assignments import ManageAssignments
from application.console.people.explanation import ExplainAccess
from application.console.people.invites import ManageInvites
from application.console.people.roles import ManageRoles
from application.console.people.teams import ManageTeams
from application.console.people.users import ManageUsers
from application.identity.passwords import LocalPasswords
from application.ports.unit_of_work import UnitOfWork
from entrypoints.console.services import PeopleServices
from entrypoints.container.process import Process


def open_people(process: Process, uow: UnitOfWork, passwords: LocalPasswords) -> PeopleServices:
    """Open the use cases about people."""
    clock, ids, randomness = process.clock, process.ids, process.randomness
    return PeopleServices(
        users=ManageUsers(uow, passwords, clock, ids),
        teams=ManageTeams(uow, clock, ids),
        roles=ManageRoles(uow, clock),
        assignments=ManageAssignments(uow, clock, ids),
        invites=ManageInvites(uow, passwords, clock, ids, randomness),
        access=ExplainAccess(uow),
    )
