"""What the commands work with that go to the stores directly."""

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
from entrypoints.container.installation import open_audit, open_verification
from entrypoints.container.process import Process
from entrypoints.roles import StoreUrls


class Administration(Struct, frozen=True, kw_only=True):
    """Use cases of the commands that work on the stores directly."""

    keys: ManageKeys
    administrators: ManageAdministrators
    apply: ApplyConfiguration
    export: ExportConfiguration
    providers: InspectProviders
    audit: ShowAudit
    verify_audit: VerifyTrail


@contextlib.asynccontextmanager
async def open_administration(
    config: BootConfig, stores: StoreUrls
) -> AsyncGenerator[Administration]:
    """Open what commands such as `apply` and `keys` need.

    Raises:
        DomainError: a store cannot be used; the message says which.
    """
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
