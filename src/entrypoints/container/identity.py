"""Who may use the console, and how they sign in."""

from adapters.identity.common_passwords import FrequentPasswords
from adapters.identity.one_time_codes import TotpCodes
from adapters.identity.passwords import Argon2Passwords
from adapters.identity.session_tokens import JwtSessionTokens
from adapters.sql.key_directory import SqlKeyDirectory
from adapters.sql.sign_in_attempts import SqlSignInAttempts
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
from application.ports.unit_of_work import UnitOfWork
from entrypoints.console.edge import ConsoleEdge
from entrypoints.console.services import IdentityServices
from entrypoints.container.process import Process
from entrypoints.roles import ConsoleTokens


def open_passwords(process: Process, uow: UnitOfWork) -> LocalPasswords:
    """Open what judges, hashes and compares passwords; one for the process, as it is bounded."""
    return LocalPasswords(
        uow,
        Argon2Passwords(),
        FrequentPasswords(),
        SqlSignInAttempts(process.engine),
        process.clock,
        process.randomness,
        process.config.settings,
    )


def open_identity(
    process: Process, uow: UnitOfWork, passwords: LocalPasswords, tokens: ConsoleTokens
) -> IdentityServices:
    """Open the use cases of signing in; `tokens` are those of the data directory."""
    config, clock, ids, randomness = process.config, process.clock, process.ids, process.randomness
    assert config.jwt_secret is not None, "filled in before any process starts"
    attempts = SqlSignInAttempts(process.engine)
    signer = JwtSessionTokens(config.jwt_secret)
    factors = SecondFactors(uow, passwords, TotpCodes(), process.cipher, clock, randomness)
    sessions = ConsoleSessions(uow, signer, clock, ids, randomness, config.settings)
    return IdentityServices(
        edge=ConsoleEdge(
            trusted_proxies=process.trusted_proxies,
            public_url=config.public_console_url,
            cors_origins=config.cors_origins,
        ),
        clock=clock,
        access=ConsoleAccess(
            uow, SqlKeyDirectory(process.engine), signer, clock, config.settings, tokens.operator
        ),
        denials=Denials(uow, clock),
        sign_in=SignIn(uow, passwords, factors, sessions),
        sessions=sessions,
        session_list=SessionList(uow, clock),
        own_password=OwnPassword(uow, passwords),
        factors=factors,
        resets=CredentialResets(uow, passwords),
        setup=SetUp(uow, passwords, attempts, tokens.setup, clock, ids),
        whoami=WhoAmI(uow),
    )
