"""The role `worker`: records into ClickHouse, budgets rebuilt from it, keys looked after."""

from adapters.clickhouse.client import ClickHouse
from adapters.clickhouse.ledger import ClickHouseLedger
from adapters.clickhouse.writer import ClickHouseRequests
from adapters.journal.adoption import FileDeadJournals
from adapters.sql.configuration import SqlConfigurationSource
from adapters.sql.leases import SqlLeaderLease
from adapters.sql.unit_of_work import SqlUnitOfWork
from application.jobs.adopt_journals import AdoptJournals
from application.jobs.key_lifecycle import KeyLifecycle
from application.jobs.purge_removed import PurgeRemoved
from application.jobs.rebuild_budgets import RebuildBudgets
from application.jobs.store_records import StoreRecords
from entrypoints.container.installation import ship_audit
from entrypoints.container.process import Process


def run_worker(process: Process, clickhouse: ClickHouse) -> None:
    """Run the jobs between bus, ClickHouse and budgets, and those about keys."""
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
    process.drains.first(store.drain)
    process.drains.then(adopt.drain)
    rebuild = RebuildBudgets(
        process.limit_store,
        ClickHouseLedger(clickhouse),
        SqlConfigurationSource(process.engine, process.config.settings),
        SqlLeaderLease(process.engine),
        process.alerts,
        clock=process.clock,
        randomness=process.randomness,
    )
    _tend_keys(process)
    process.tasks.run_forever("ship-audit", ship_audit(process, clickhouse).run)
    process.tasks.run_forever("rebuild-budgets", rebuild.run)
    process.tasks.run_forever("store-records", store.run)
    process.tasks.run_forever("adopt-journals", adopt.run)


def _tend_keys(process: Process) -> None:
    uow = SqlUnitOfWork(process.engine, process.feed, process.clock, process.ids)
    lease = SqlLeaderLease(process.engine)
    lifecycle = KeyLifecycle(
        uow,
        lease,
        process.cipher,
        clock=process.clock,
        ids=process.ids,
        randomness=process.randomness,
    )
    purge = PurgeRemoved(uow, lease, clock=process.clock, randomness=process.randomness)
    process.tasks.run_forever("key-lifecycle", lifecycle.run)
    process.tasks.run_forever("purge-removed", purge.run)
