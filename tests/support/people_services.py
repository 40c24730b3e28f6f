"""The console's use cases about people, on stores of a test."""

from adapters.identity.common_passwords import FrequentPasswords
from adapters.identity.passwords import Argon2Passwords
from adapters.memory.sign_in_attempts import MemorySignInAttempts
from adapters.system.identifiers import UuidGenerator
from adapters.system.randomness import SystemRandomness
from application.console.people.assignments import ManageAssignments
from application.console.people.explanation import ExplainAccess
from application.console.people.invites import ManageInvites
from application.console.people.roles import ManageRoles
from application.console.people.teams import ManageTeams
from application.console.people.users import ManageUsers
from application.identity.passwords import LocalPasswords
from application.ports.clock import Clock
from application.ports.identity import PasswordHasher
from application.ports.unit_of_work import UnitOfWork
from entrypoints.console.services import PeopleServices


def people_services(
    uow: UnitOfWork, clock: Clock, passwords: PasswordHasher | None = None
) -> PeopleServices:
    """Return them, with passwords that are hashed quickly."""
    ids, randomness = UuidGenerator(), SystemRandomness()
    hasher = LocalPasswords(
        uow,
        passwords or Argon2Passwords(time_cost=1, memory_kib=64, lanes=1),
        FrequentPasswords(),
        MemorySignInAttempts(),
        clock,
        randomness,
        {},
    )
    return PeopleServices(
        users=ManageUsers(uow, hasher, clock, ids),
        teams=ManageTeams(uow, clock, ids),
        roles=ManageRoles(uow, clock),
        assignments=ManageAssignments(uow, clock, ids),
        invites=ManageInvites(uow, hasher, clock, ids, randomness),
        access=ExplainAccess(uow),
    )
