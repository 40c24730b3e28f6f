"""The console's use cases of signing in, on stores of a test and at costs for tests."""

from adapters.crypto.cipher import AesGcmCipher
from adapters.identity.common_passwords import FrequentPasswords
from adapters.identity.one_time_codes import TotpCodes
from adapters.identity.passwords import Argon2Passwords
from adapters.identity.session_tokens import JwtSessionTokens
from adapters.memory.key_directory import MemoryKeyDirectory
from adapters.memory.sign_in_attempts import MemorySignInAttempts
from adapters.memory.store import MemoryStore
from adapters.system.identifiers import UuidGenerator
from adapters.system.randomness import SystemRandomness
from application.identity.console_access import ConsoleAccess
from application.identity.credential_resets import CredentialResets
from application.identity.denials import Denials
from application.identity.passwords import LocalPasswords, OwnPassword
from application.identity.second_factor import SecondFactors
from application.identity.session_list import SessionList
from application.identity.sessions import ConsoleSessions
from application.identity.setup import SetUp
from application.identity.sign_in import SignIn
from application.identity.whoami import WhoAmI
from application.ports.clock import Clock
from application.ports.directory import KeyDirectory
from application.ports.sessions import SignInAttempts
from application.ports.unit_of_work import UnitOfWork
from domain.secret import Secret
from entrypoints.console.edge import ConsoleEdge
from entrypoints.console.services import IdentityServices

SETUP_TOKEN = "set-up-token-of-this-test"
JWT_SECRET = "a-key-for-tests-of-sessions-5b7c2f90e1"


def identity_services(
    uow: UnitOfWork,
    clock: Clock,
    operator_token: str = "token",
    *,
    edge: ConsoleEdge | None = None,
    keys: KeyDirectory | None = None,
    attempts: SignInAttempts | None = None,
    hasher: Argon2Passwords | None = None,
) -> IdentityServices:
    """Return them; calls from this machine with `operator_token` may do everything."""
    ids, randomness = UuidGenerator(), SystemRandomness()
    tokens, attempts = JwtSessionTokens(Secret(JWT_SECRET)), attempts or MemorySignInAttempts()
    hasher = hasher or Argon2Passwords(time_cost=1, memory_kib=64, lanes=1)
    passwords = LocalPasswords(uow, hasher, FrequentPasswords(), attempts, clock, randomness, {})
    cipher = AesGcmCipher((b"k" * 32,), randomness)
    factors = SecondFactors(uow, passwords, TotpCodes(), cipher, clock, randomness)
    sessions = ConsoleSessions(uow, tokens, clock, ids, randomness, {})
    keys = keys or MemoryKeyDirectory(MemoryStore())
    return IdentityServices(
        edge=edge or ConsoleEdge(),
        clock=clock,
        access=ConsoleAccess(uow, keys, tokens, clock, {}, Secret(operator_token)),
        denials=Denials(uow, clock),
        sign_in=SignIn(uow, passwords, factors, sessions),
        sessions=sessions,
        session_list=SessionList(uow, clock),
        own_password=OwnPassword(uow, passwords),
        factors=factors,
        resets=CredentialResets(uow, passwords),
        setup=SetUp(uow, passwords, attempts, Secret(SETUP_TOKEN), clock, ids),
        whoami=WhoAmI(uow),
    )
