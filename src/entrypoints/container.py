"""Composition root: the only module that builds adapters.

Each process opens the services of its roles on the stores it was given; everything that was opened
is closed in reverse order when the context ends.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from ipaddress import ip_network
from pathlib import Path

import structlog
from msgspec import Struct

from adapters.bus.redis_streams import RedisStreams
from adapters.clickhouse.client import ClickHouse
from adapters.clickhouse.ledger import ClickHouseLedger
from adapters.clickhouse.migrations import migrate as migrate_clickhouse
from adapters.clickhouse.request_log import ClickHouseRequestLog
from adapters.clickhouse.writer import ClickHouseRequests
from adapters.crypto.cipher import AesGcmCipher
from adapters.identity.passwords import Argon2Passwords
from adapters.journal.adoption import FileDeadJournals
from adapters.journal.journal import FileJournal
from adapters.journal.settlement_log import FileDeadSettlementLogs, FileSettlementLog
from adapters.journal.syncing import Fsync
from adapters.providers.factory import ProvidersByKind
from adapters.redis.change_feed import RedisChangeFeed
from adapters.redis.connection import connect
from adapters.redis.connection import ping as ping_redis
from adapters.redis.limits import RedisLimitStore
from adapters.redis.pipelined import PipelinedCommands
from adapters.sql.budget_alerts import SqlBudgetAlerts
from adapters.sql.configuration import SqlConfigurationSource
from adapters.sql.engine import create_engine
from adapters.sql.engine import ping as ping_sql
from adapters.sql.idempotency import SqlIdempotencyKeys
from adapters.sql.key_directory import SqlKeyDirectory
from adapters.sql.leases import SqlLeaderLease
from adapters.sql.migrations import scripts_directory
from adapters.sql.unit_of_work import SqlUnitOfWork
from adapters.system.clock import SystemClock
from adapters.system.identifiers import UuidGenerator
from adapters.system.randomness import SystemRandomness
from adapters.telemetry.metrics import PrometheusTelemetry
from adapters.telemetry.none import NoTelemetry
from adapters.upstream.http11 import Http11Transport
from adapters.upstream.httpx_transport import HttpxTransport
from adapters.upstream.options import TransportOptions
from adapters.wire.openai_chat import OpenAIChatCodec
from application.console.administrators import ManageAdministrators
from application.console.configuration.apply import ApplyConfiguration
from application.console.configuration.export import ExportConfiguration
from application.console.idempotency import IdempotentRequests
from application.console.keys import ManageKeys
from application.console.limits.alerts import BudgetAlertList
from application.console.limits.collection import BudgetCollection, RuleCollection
from application.console.limits.overrides import ManageOverrides
from application.console.limits.standing import LimitStandings
from application.console.request_records import RequestRecords
from application.gateway.admission import Admission
from application.gateway.authenticate import Authenticator
from application.gateway.dispatch import Dispatcher
from application.gateway.handle_inference import HandleInference
from application.gateway.limit_gate import LimitGate
from application.gateway.limit_settlements import LimitSettlements
from application.gateway.list_models import ListModels
from application.gateway.relay import Relay
from application.gateway.settlement import Books
from application.jobs.adopt_journals import AdoptJournals
from application.jobs.adopt_settlements import AdoptSettlements
from application.jobs.budget_alerts import BudgetAlerts
from application.jobs.deliver_settlements import DeliverSettlements
from application.jobs.flush_key_use import FlushKeyUse
from application.jobs.keep_reservations import KeepReservations
from application.jobs.rebuild_budgets import RebuildBudgets
from application.jobs.ship_records import ShipRecords
from application.jobs.store_records import StoreRecords
from application.jobs.sweep_reservations import SweepReservations
from application.ports.telemetry import Telemetry
from application.ports.upstream import UpstreamTransport
from application.runtime.provider_pool import ProviderPool
from application.runtime.refresh import SnapshotRefresher
from application.runtime.snapshot import CurrentSnapshot
from application.runtime.supervisor import TaskSupervisor
from domain.routing.address_policy import AddressPolicy
from domain.routing.catalog import ProviderSpec
from domain.secret import Secret
from entrypoints.allowed_networks import allowed_networks
from entrypoints.client_address import Networks
from entrypoints.config import BootConfig, environment
from entrypoints.console.services import Console, LimitServices
from entrypoints.datadir import DataDir
from entrypoints.gateway.errors import describe_error
from entrypoints.gateway.services import Gateway
from entrypoints.health import HealthChecks
from entrypoints.metrics import METRICS_VARIABLE
from entrypoints.roles import Role, StoreUrls

DRAIN_SECONDS = 5.0
HOT_REDIS_TIMEOUT_S = 1.0

log = structlog.get_logger(__name__)


class Administration(Struct, frozen=True, kw_only=True):
    """Use cases of the commands that work on the stores directly."""

    keys: ManageKeys
    administrators: ManageAdministrators
    apply: ApplyConfiguration
    export: ExportConfiguration


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
    config: BootConfig, stores: StoreUrls, roles: frozenset[Role], setup_token: Secret
) -> AsyncGenerator[Container]:
    """Open the services of `roles`; background tasks run until the context ends.

    Leaving the context drains: records are shipped, key uses written, connections closed, each step
    bounded in time.

    Raises:
        DomainError: a store cannot be used; the message says which.
    """
    async with contextlib.AsyncExitStack() as stack:
        process = await _Process.open(config, stores, stack, roles)
        if Role.GATEWAY in roles or Role.WORKER in roles:
            _tend_limits(process)
        gateway = await _open_gateway(process) if Role.GATEWAY in roles else None
        console = None
        if Role.CONSOLE in roles or Role.WORKER in roles:
            clickhouse = await _open_clickhouse(process)
            if Role.WORKER in roles:
                _run_worker(process, clickhouse)
            if Role.CONSOLE in roles:
                console = _open_console(process, clickhouse, setup_token)
        # Registered last, so it runs first, on everything that is still open.
        stack.push_async_callback(process.drain)
        yield Container(gateway=gateway, console=console)


@contextlib.asynccontextmanager
async def open_administration(
    config: BootConfig, stores: StoreUrls
) -> AsyncGenerator[Administration]:
    """Open what commands such as `apply` and `keys` need."""
    async with contextlib.AsyncExitStack() as stack:
        process = await _Process.open(config, stores, stack, frozenset())
        clock, ids, randomness = process.clock, process.ids, process.randomness
        uow = SqlUnitOfWork(process.engine, process.feed)
        providers = ProvidersByKind(process.cipher, process.transport_of, clock)
        yield Administration(
            keys=ManageKeys(uow, clock, ids, randomness),
            administrators=ManageAdministrators(uow, Argon2Passwords(), clock, ids, randomness),
            apply=ApplyConfiguration(uow, process.cipher, providers, clock, ids, randomness),
            export=ExportConfiguration(uow, clock),
        )


_Drain = Callable[[float], Awaitable[object]]


class _Process:
    """What the roles of one process share."""

    def __init__(
        self,
        config: BootConfig,
        stores: StoreUrls,
        stack: contextlib.AsyncExitStack,
        roles: frozenset[Role],
    ) -> None:
        self.config = config
        self.stores = stores
        self.stack = stack
        self.clock = SystemClock()
        self.ids = UuidGenerator()
        self.randomness = SystemRandomness()
        self.instance = "-".join([*sorted(roles), self.ids.new_id()])
        self.tasks = TaskSupervisor()
        self._first: list[_Drain] = []
        self._then: list[_Drain] = []
        self._last: list[Callable[[], None]] = []
        self.engine = create_engine(stores.database_url)
        self.redis = connect(stores.redis_url, operation_timeout=HOT_REDIS_TIMEOUT_S)
        self.feed = RedisChangeFeed(self.redis, self.randomness)
        self.cipher = AesGcmCipher(config.key_ring(), self.randomness)
        self.metrics = _metrics(config)
        self.telemetry: Telemetry = self.metrics or NoTelemetry()
        self.limit_store = RedisLimitStore(PipelinedCommands.from_url(stores.redis_url))
        self.alerts = BudgetAlerts(
            SqlBudgetAlerts(self.engine),
            self.telemetry,
            clock=self.clock,
            randomness=self.randomness,
        )
        self.address_policy = AddressPolicy.allowing(allowed_networks(config))
        self.trusted_proxies: Networks = [ip_network(cidr) for cidr in config.trusted_proxies]

    @classmethod
    async def open(
        cls,
        config: BootConfig,
        stores: StoreUrls,
        stack: contextlib.AsyncExitStack,
        roles: frozenset[Role],
    ) -> "_Process":
        process = cls(config, stores, stack, roles)
        stack.push_async_callback(process.engine.dispose)
        stack.push_async_callback(process.redis.aclose)
        stack.push_async_callback(process.limit_store.aclose)
        stack.push_async_callback(process.tasks.cancel_all, DRAIN_SECONDS)
        return process

    def drain_first(self, drain: _Drain) -> None:
        """Register a job that is drained side by side with the others registered here.

        Shipping waits until the sink has confirmed, so both must run at the same time.
        """
        self._first.append(drain)

    def drain_then(self, drain: _Drain) -> None:
        """Register a job that is drained after those."""
        self._then.append(drain)

    def at_the_end(self, close: Callable[[], None]) -> None:
        """Register what is closed after everything is drained."""
        self._last.append(close)

    async def drain(self) -> None:
        """Stop the background tasks, then finish their work, each step bounded in time."""
        await self.tasks.cancel_all(DRAIN_SECONDS)
        for group in (self._first, self._then):
            results = await asyncio.gather(
                *(drain(DRAIN_SECONDS) for drain in group), return_exceptions=True
            )
            for result in results:
                if isinstance(result, Exception):
                    log.warning("drain_failed", exc_info=result)
        for close in self._last:
            close()

    def bus(self) -> RedisStreams:
        return RedisStreams(self.redis, consumer=self.instance, clock=self.clock)

    async def ping_database(self) -> None:
        await ping_sql(self.engine)

    async def ping_redis(self) -> None:
        await ping_redis(self.redis)

    def transport_of(self, spec: ProviderSpec, proxy: str | None) -> UpstreamTransport:
        """Build the connections of one provider, as its options say (architecture.md section 5)."""
        options = spec.options
        ca_pem = options.get("ca_pem")
        transport_options = TransportOptions(
            proxy=proxy,
            ca_pem=ca_pem if isinstance(ca_pem, str) else None,
            address_policy=self.address_policy,
        )
        if proxy is not None or options.get("transport") == "httpx":
            return HttpxTransport(transport_options)
        return Http11Transport(transport_options)

    @property
    def journal_dir(self) -> Path:
        return self.config.data_dir / "journal"

    @property
    def settlements_dir(self) -> Path:
        return DataDir(self.config.data_dir).settlements


async def _open_gateway(process: _Process) -> Gateway:
    clock, tasks = process.clock, process.tasks
    runtime = CurrentSnapshot()
    keys = Authenticator(
        SqlKeyDirectory(process.engine),
        clock,
        lambda: runtime.get().settings.integer("security.key_outage_grace_seconds"),
    )
    pool = ProviderPool(ProvidersByKind(process.cipher, process.transport_of, clock), tasks)
    process.stack.push_async_callback(pool.aclose)
    refresher = SnapshotRefresher(
        SqlConfigurationSource(process.engine),
        process.feed,
        pool,
        runtime,
        on_keys_changed=keys.invalidate,
        on_revisions_confirmed=keys.confirm,
    )
    await refresher.load()

    journal = FileJournal.create(
        process.journal_dir,
        process.instance,
        clock=clock,
        quota_bytes=lambda: runtime.get().settings.integer("records.journal_quota_bytes"),
        fsync=Fsync(runtime.get().settings.text("journal.fsync")),
        on_lost=lambda reason: process.telemetry.record_lost("requests", reason),
    )
    bus = process.bus()
    ship = ShipRecords(journal, bus, clock=clock, randomness=process.randomness)
    adopt = AdoptJournals(
        FileDeadJournals(process.journal_dir), bus, clock=clock, randomness=process.randomness
    )
    flush = FlushKeyUse(keys)
    process.drain_first(ship.drain)
    process.drain_then(adopt.drain)
    process.drain_then(flush.drain)
    process.at_the_end(journal.shut)
    tasks.run_forever("configuration-feed", refresher.follow_feed)
    tasks.run_forever("configuration-poll", refresher.poll)
    tasks.run_forever("ship-records", ship.run)
    tasks.run_forever("adopt-journals", adopt.run)
    tasks.run_forever("flush-key-use", flush.run)

    books = Books(journal, clock, describe_error, process.instance, process.telemetry)

    gate = LimitGate(process.limit_store, own_replicas=process.config.workers)
    tasks.run_forever("limit-store-probe", gate.probe)
    settlements = _open_settlements(process, gate)
    admission = Admission(gate, settlements, clock, process.ids, process.telemetry)

    async def provider_active() -> None:
        if not runtime.get().providers:
            raise LookupError("no active provider")

    return Gateway(
        handle_inference=HandleInference(
            runtime,
            keys,
            books,
            admission,
            Dispatcher(clock, process.randomness, admission),
            Relay(books),
        ),
        list_models=ListModels(runtime, keys),
        openai_chat=OpenAIChatCodec(),
        clock=clock,
        ids=process.ids,
        health=HealthChecks(
            {
                "database": process.ping_database,
                "redis": process.ping_redis,
                "provider": provider_active,
            }
        ),
        trusted_proxies=process.trusted_proxies,
        metrics=process.metrics,
        metrics_token=process.config.metrics_bearer_token,
    )


def _open_settlements(process: _Process, gate: LimitGate) -> LimitSettlements:
    """Open the way of settlements to the limit store, and the heartbeat until they come."""
    log_file = FileSettlementLog.create(process.settlements_dir, process.instance)
    settlements = LimitSettlements(log_file, process.clock)
    deliver = DeliverSettlements(
        settlements,
        process.limit_store,
        process.alerts,
        clock=process.clock,
        randomness=process.randomness,
        note_failure=gate.note_failure,
    )
    keep = KeepReservations(settlements, process.limit_store, note_failure=gate.note_failure)
    process.drain_first(deliver.drain)
    process.at_the_end(log_file.shut)
    process.tasks.run_forever("deliver-settlements", deliver.run)
    process.tasks.run_forever("keep-reservations", keep.run)
    return settlements


def _tend_limits(process: _Process) -> None:
    """Run what every process does for the limits of processes that died."""
    adopt = AdoptSettlements(
        FileDeadSettlementLogs(process.settlements_dir),
        process.limit_store,
        process.alerts,
        clock=process.clock,
        randomness=process.randomness,
    )
    sweep = SweepReservations(
        process.limit_store, process.bus(), process.alerts, clock=process.clock
    )
    process.drain_then(adopt.drain)
    process.drain_then(sweep.drain)
    process.drain_then(process.alerts.drain)
    process.tasks.run_forever("budget-alerts", process.alerts.run)
    process.tasks.run_forever("adopt-settlements", adopt.run)
    process.tasks.run_forever("sweep-reservations", sweep.run)


async def _open_clickhouse(process: _Process) -> ClickHouse:
    url = process.config.clickhouse_url
    clickhouse = ClickHouse(
        url.reveal() if url is not None else f"chdb://{DataDir(process.config.data_dir).clickhouse}"
    )
    process.stack.push_async_callback(clickhouse.aclose)
    await migrate_clickhouse(clickhouse, scripts_directory() / "clickhouse")
    return clickhouse


def _run_worker(process: _Process, clickhouse: ClickHouse) -> None:
    bus = process.bus()
    store = StoreRecords(
        bus,
        ClickHouseRequests(clickhouse),
        group="clickhouse",
        clock=process.clock,
        randomness=process.randomness,
    )
    adopt = AdoptJournals(
        FileDeadJournals(process.journal_dir),
        bus,
        clock=process.clock,
        randomness=process.randomness,
    )
    process.drain_first(store.drain)
    process.drain_then(adopt.drain)
    rebuild = RebuildBudgets(
        process.limit_store,
        ClickHouseLedger(clickhouse),
        SqlConfigurationSource(process.engine),
        SqlLeaderLease(process.engine),
        process.alerts,
        clock=process.clock,
        randomness=process.randomness,
    )
    process.tasks.run_forever("rebuild-budgets", rebuild.run)
    process.tasks.run_forever("store-records", store.run)
    process.tasks.run_forever("adopt-journals", adopt.run)


def _open_console(process: _Process, clickhouse: ClickHouse, token: Secret) -> Console:
    uow, clock, ids = SqlUnitOfWork(process.engine, process.feed), process.clock, process.ids
    return Console(
        limits=LimitServices(
            rules=RuleCollection(uow, clock, ids),
            budgets=BudgetCollection(uow, clock, ids),
            overrides=ManageOverrides(uow, clock, ids),
            standings=LimitStandings(uow, process.limit_store, process.limit_store, clock),
            alerts=BudgetAlertList(SqlBudgetAlerts(process.engine)),
            requests=IdempotentRequests(SqlIdempotencyKeys(process.engine), clock, ids),
        ),
        request_records=RequestRecords(ClickHouseRequestLog(clickhouse), clock=process.clock),
        token=token,
        ids=process.ids,
        health=HealthChecks(
            {
                "database": process.ping_database,
                "redis": process.ping_redis,
                "clickhouse": clickhouse.ping,
            },
            reported_only=frozenset({"clickhouse"}),
        ),
    )


def _metrics(config: BootConfig) -> PrometheusTelemetry | None:
    """Return what counts for `/metrics`; None while nobody may ask (operations.md section 5)."""
    if config.metrics_bearer_token is None:
        return None
    shared = environment().get(METRICS_VARIABLE)
    return PrometheusTelemetry(Path(shared) if shared else None)
