"""Composition root: the only package that builds adapters, one module per role.

Each process opens the services of its roles on the stores it was given; everything that was opened
is closed in reverse order when the context ends.
"""

import contextlib
from collections.abc import AsyncGenerator

from msgspec import Struct

from adapters.clickhouse.client import ClickHouse
from adapters.identity.passwords import Argon2Passwords
from adapters.providers.factory import ProvidersByKind
from adapters.sql.unit_of_work import SqlUnitOfWork
from adapters.wire.openai_chat.dialect import OpenAIChatCodec
from application.console.administrators import ManageAdministrators
from application.console.audit import ShowAudit
from application.console.configuration.apply import ApplyConfiguration
from application.console.configuration.export import ExportConfiguration
from application.console.keys import ManageKeys
from application.console.providers import InspectProviders
from application.records.verification import VerifyTrail
from entrypoints.config import BootConfig
from entrypoints.console.services import Console
from entrypoints.container.clickhouse import open_clickhouse
from entrypoints.container.console import open_console
from entrypoints.container.gateway import open_gateway
from entrypoints.container.installation import open_audit, open_verification
from entrypoints.container.limits import tend_limits
from entrypoints.container.process import Process
from entrypoints.container.worker import run_worker
from entrypoints.gateway.services import Gateway
from entrypoints.roles import ConsoleTokens, Role, StoreUrls


class Administration(Struct, frozen=True, kw_only=True):
    """Use cases of the commands that work on the stores directly."""

    keys: ManageKeys
    administrators: ManageAdministrators
    apply: ApplyConfiguration
    export: ExportConfiguration
    providers: InspectProviders
    audit: ShowAudit
    verify_audit: VerifyTrail


class Container(Struct, frozen=True, kw_only=True):
    """The services of one process; None for roles it does not have."""

    gateway: Gateway | None = None
    console: Console | None = None

    def begin_drain(self) -> None:
        """Turn readiness red: no new traffic, running requests go on."""
        for app in (self.gateway, self.console):
            if app is not None:
                app.health.draining = True


@contextlib.asynccontextmanager
async def open_container(
    config: BootConfig, stores: StoreUrls, roles: frozenset[Role], tokens: ConsoleTokens
) -> AsyncGenerator[Container]:
    """Open the services of `roles`; background tasks run until the context ends.

    Leaving the context drains: records are shipped, key uses written, connections closed, each step
    bounded in time.

    Raises:
        DomainError: a store cannot be used; the message says which.
    """
    async with contextlib.AsyncExitStack() as stack:
        process = await Process.open(config, stores, stack, roles)
        if Role.GATEWAY in roles or Role.WORKER in roles:
            tend_limits(process)
        gateway = await open_gateway(process) if Role.GATEWAY in roles else None
        console = None
        if Role.CONSOLE in roles or Role.WORKER in roles:
            clickhouse = await open_clickhouse(process)
            if Role.WORKER in roles:
                run_worker(process, clickhouse)
            if Role.CONSOLE in roles:
                console = open_console(process, clickhouse, tokens)
        # Registered last, so it runs first, on everything that is still open.
        stack.push_async_callback(process.drains.run)
        yield Container(gateway=gateway, console=console)


@contextlib.asynccontextmanager
async def open_administration(
    config: BootConfig, stores: StoreUrls
) -> AsyncGenerator[Administration]:
    """Open what commands such as `apply` and `keys` need."""
    async with contextlib.AsyncExitStack() as stack:
        process = await Process.open(config, stores, stack, frozenset())
        clock, ids, randomness = process.clock, process.ids, process.randomness
        uow = SqlUnitOfWork(process.engine, process.feed, clock, ids)
        providers = ProvidersByKind(process.cipher, process.transport_of, clock)
        copy = None
        # The engine inside has one process, which may be the one that serves.
        if config.clickhouse_url is not None:
            copy = ClickHouse(config.clickhouse_url.reveal())
            stack.push_async_callback(copy.aclose)
        yield Administration(
            keys=ManageKeys(uow, clock, ids, randomness),
            administrators=ManageAdministrators(uow, Argon2Passwords(), clock, ids, randomness),
            apply=ApplyConfiguration(uow, process.cipher, providers, clock, ids, randomness),
            export=ExportConfiguration(uow, clock),
            providers=InspectProviders(uow, providers, OpenAIChatCodec(), clock, ids),
            audit=open_audit(process, uow, copy),
            verify_audit=open_verification(process, copy),
        )
