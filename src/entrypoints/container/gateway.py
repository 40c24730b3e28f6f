"""The role `gateway`: the inference pipeline and the way its records and settlements go."""

from functools import partial

from adapters.journal.adoption import FileDeadJournals
from adapters.journal.inspection import bytes_on_disk
from adapters.journal.journal import FileJournal
from adapters.journal.syncing import Fsync
from adapters.providers.factory import ProvidersByKind
from adapters.redis.response_origins import RedisResponseOrigins
from adapters.redis.route_health import RedisRouteHealthFeed
from adapters.sql.configuration import SqlConfigurationSource
from adapters.sql.key_directory import SqlKeyDirectory
from application.gateway.admission import Admission
from application.gateway.authenticate import Authenticator
from application.gateway.dispatch import Dispatcher
from application.gateway.handle_inference import HandleInference
from application.gateway.kept_responses import KeptResponses
from application.gateway.limit_gate import LimitGate
from application.gateway.list_models import ListModels
from application.gateway.relay import Relay
from application.gateway.routing import Router
from application.gateway.settlement import Books
from application.jobs.adopt_journals import AdoptJournals
from application.jobs.flush_key_use import FlushKeyUse
from application.jobs.measure_backlog import MeasureBacklog
from application.jobs.probe_routes import ProbeRoutes
from application.jobs.share_route_health import ShareRouteHealth
from application.jobs.ship_records import ShipRecords
from application.runtime.large_bodies import LargeBodies
from application.runtime.provider_pool import ProviderPool
from application.runtime.refresh import SnapshotRefresher
from application.runtime.route_upkeep import RouteUpkeep
from application.runtime.snapshot import CurrentSnapshot
from domain.routing.board import HealthBoard
from domain.routing.tuning import health_policy
from entrypoints.container.dialects import build_dialects
from entrypoints.container.limits import open_settlements
from entrypoints.container.process import Process
from entrypoints.container.tracing import open_tracer
from entrypoints.gateway.errors import describe_error
from entrypoints.gateway.services import Gateway
from entrypoints.health import HealthChecks

LONGEST_LAG_S = 60.0
"""Age of a record from which on the log store counts as degraded."""


class RecordsBehind(Exception):
    """Records wait for the log store."""


async def open_gateway(process: Process) -> Gateway:
    """Open the inference pipeline on a first snapshot, and what runs beside it."""
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
        SqlConfigurationSource(process.engine, process.config.settings),
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
    process.drains.first(ship.drain)
    process.drains.then(adopt.drain)
    process.drains.then(flush.drain)
    process.drains.at_the_end(journal.shut)
    tasks.run_forever("configuration-feed", refresher.follow_feed)
    tasks.run_forever("configuration-poll", refresher.poll)
    tasks.run_forever("ship-records", ship.run)
    tasks.run_forever("adopt-journals", adopt.run)
    tasks.run_forever("flush-key-use", flush.run)

    if process.metrics is not None:
        measure = MeasureBacklog(
            process.bus(), partial(bytes_on_disk, process.journal_dir), process.telemetry
        )
        tasks.run_forever("measure-backlog", measure.run)

    kept = KeptResponses(RedisResponseOrigins(process.redis))
    tasks.run_forever("response-origins", kept.run)
    process.drains.then(kept.drain)
    books = Books(
        journal,
        clock,
        describe_error,
        process.instance,
        process.telemetry,
        kept,
        open_tracer(process),
    )

    gate = LimitGate(process.limit_store, own_replicas=process.config.workers)
    tasks.run_forever("limit-store-probe", gate.probe)
    settlements = open_settlements(process, gate)
    admission = Admission(gate, settlements, clock, process.ids, process.telemetry)

    board = HealthBoard(process.instance, health_policy(runtime.get().settings))
    runtime.follow(RouteUpkeep(board, clock).follow)
    share = ShareRouteHealth(
        RedisRouteHealthFeed(process.redis), board, runtime, process.telemetry, clock
    )
    tasks.run_forever("share-route-health", share.run)
    tasks.run_forever("probe-routes", ProbeRoutes(board, runtime, clock).run)
    bodies = LargeBodies()

    async def provider_active() -> None:
        if not runtime.get().providers:
            raise LookupError("no active provider")

    async def log_store_keeps_up() -> None:
        # Asked on the bus: the log store itself is for the worker alone, and may be on no network
        # of the gateway's.
        backlog = await bus.backlog()
        if any(group.lag_s > LONGEST_LAG_S for group in backlog.groups.values()):
            raise RecordsBehind

    return Gateway(
        handle_inference=HandleInference(
            runtime,
            keys,
            books,
            Router(board, clock, process.randomness, bodies),
            admission,
            Dispatcher(clock, process.randomness, admission, board),
            Relay(books, tasks),
            bodies,
            kept,
        ),
        list_models=ListModels(runtime, keys),
        dialects=build_dialects(),
        clock=clock,
        ids=process.ids,
        health=HealthChecks(
            {
                "database": process.ping_database,
                "redis": process.ping_redis,
                "provider": provider_active,
                "log_store": log_store_keeps_up,
            },
            reported_only=frozenset({"log_store"}),
        ),
        trusted_proxies=process.trusted_proxies,
        cors_origins=process.config.gateway_cors_origins,
        over_tls=(process.config.public_gateway_url or "").startswith("https://"),
        metrics=process.metrics,
        metrics_token=process.config.metrics_bearer_token,
    )
