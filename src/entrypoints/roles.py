"""What a process of the program does, and where its stores are."""

from enum import StrEnum

from msgspec import Struct

from domain.secret import Secret


class Role(StrEnum):
    """A process has one or several roles (operations.md section 4)."""

    GATEWAY = "gateway"  # port 3000
    CONSOLE = "console"  # port 3001
    WORKER = "worker"  # jobs and sinks


ALL_ROLES = frozenset(Role)


class ConsoleTokens(Struct, frozen=True, kw_only=True):
    """Tokens of the data directory.

    Attributes:
        setup: makes the first administrator.
        operator: is shown by commands on this machine.
    """

    setup: Secret
    operator: Secret


class StoreUrls(Struct, frozen=True, kw_only=True):
    """Addresses of the running stores, embedded or external; they may carry passwords.

    Attributes:
        database_url: `postgresql://…`, as asyncpg takes it.
        redis_url: as redis-py takes it (`redis://`, `rediss://`, `unix://`), or a sentinel or
            cluster URL.
    """

    database_url: str
    redis_url: str

    def __repr__(self) -> str:
        """Never the URLs: they may carry passwords."""
        return "StoreUrls(…)"
