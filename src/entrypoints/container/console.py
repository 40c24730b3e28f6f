"""The role `console`: the use cases behind `/api`."""

from functools import partial

from adapters.clickhouse.client import ClickHouse
from adapters.clickhouse.request_log import ClickHouseRequestLog
from adapters.journal.inspection import bytes_on_disk
from adapters.providers.factory import ProvidersByKind
from adapters.redis.connection import pool_use as redis_pool_use
from adapters.redis.connection import server_version as redis_version
from adapters.sql.budget_alerts import SqlBudgetAlerts
from adapters.sql.engine import pool_use, server_version
from adapters.sql.idempotency import SqlIdempotencyKeys
from adapters.sql.unit_of_work import SqlUnitOfWork
from adapters.wire.openai_chat.dialect import OpenAIChatCodec
from application.console.catalog.models import ManageModels
from application.console.catalog.prices import ManagePrices
from application.console.catalog.providers import ManageProviders
from application.console.catalog.routes import ManageRoutes
from application.console.configuration.credentials import ProviderCredentials
from application.console.idempotency import IdempotentRequests
from application.console.key_collection import KeyCollection
from application.console.key_handovers import KeyHandoverDesk
from application.console.limits.alerts import BudgetAlertList
from application.console.limits.collection import BudgetCollection, RuleCollection
from application.console.limits.overrides import ManageOverrides
from application.console.limits.standing import LimitStandings
from application.console.providers import InspectProviders
from application.console.request_records import RequestRecords
from application.console.service_accounts import ManageServiceAccounts
from entrypoints.console.services import CatalogServices, Console, KeyServices, LimitServices
from entrypoints.console.system_status import SystemSources
from entrypoints.container.identity import open_identity, open_passwords
from entrypoints.container.installation import open_installation
from entrypoints.container.people import open_people
from entrypoints.container.process import Process
from entrypoints.container.routing import open_routing
from entrypoints.container.single_sign_on import open_single_sign_on
from entrypoints.health import HealthChecks
from entrypoints.roles import ConsoleTokens


def open_console(process: Process, clickhouse: ClickHouse, tokens: ConsoleTokens) -> Console:
    """Open the use cases behind `/api`; `tokens` are those of the data directory."""
    clock, ids = process.clock, process.ids
    uow = SqlUnitOfWork(process.engine, process.feed, clock, ids)
    providers = ProvidersByKind(process.cipher, process.transport_of, clock)
    secret = process.config.jwt_secret
    assert secret is not None, "filled in before any process starts"
    passwords = open_passwords(process, uow)
    identity = open_identity(process, uow, passwords, tokens)
    return Console(
        limits=LimitServices(
            rules=RuleCollection(uow, clock, ids),
            budgets=BudgetCollection(uow, clock, ids),
            overrides=ManageOverrides(uow, clock, ids),
            standings=LimitStandings(uow, process.limit_store, process.limit_store, clock),
            alerts=BudgetAlertList(SqlBudgetAlerts(process.engine), uow),
        ),
        keys=KeyServices(
            keys=KeyCollection(uow, clock, ids, process.randomness),
            handovers=KeyHandoverDesk(uow, process.cipher, clock),
            accounts=ManageServiceAccounts(uow, clock, ids),
        ),
        providers=InspectProviders(uow, providers, OpenAIChatCodec(), clock, ids),
        catalog=CatalogServices(
            providers=ManageProviders(
                uow, ProviderCredentials(process.cipher, providers), clock, ids
            ),
            models=ManageModels(uow, clock, ids),
            routes=ManageRoutes(uow, ids),
            prices=ManagePrices(uow, clock, ids),
        ),
        routing=open_routing(process, uow),
        people=open_people(process, uow, passwords),
        installation=open_installation(process, uow, clickhouse),
        request_records=RequestRecords(ClickHouseRequestLog(clickhouse), clock=process.clock),
        identity=identity,
        single_sign_on=open_single_sign_on(process, uow, identity.sessions),
        requests=IdempotentRequests(SqlIdempotencyKeys(process.engine), clock, ids, secret=secret),
        ids=process.ids,
        health=HealthChecks(
            {
                "database": process.ping_database,
                "redis": process.ping_redis,
                "clickhouse": clickhouse.ping,
            },
            reported_only=frozenset({"clickhouse"}),
        ),
        system=SystemSources(
            versions={
                "database": partial(server_version, process.engine),
                "redis": partial(redis_version, process.redis),
                "clickhouse": clickhouse.version,
            },
            pools={
                "database": partial(pool_use, process.engine),
                "redis": partial(redis_pool_use, process.redis),
            },
            backlog=process.bus().backlog,
            journal_bytes=partial(bytes_on_disk, process.journal_dir),
            log_store_calls=lambda: clickhouse.waiting,
        ),
    )
