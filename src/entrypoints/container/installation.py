"""Settings, audit trail and configuration documents, for the console and for commands."""

from adapters.clickhouse.audit_copy import ClickHouseAuditCopy
from adapters.clickhouse.client import ClickHouse
from adapters.crypto.signing import Ed25519Signer
from adapters.providers.factory import ProvidersByKind
from adapters.sql.audit_log import SqlAuditArchive
from adapters.sql.leases import SqlLeaderLease
from application.console.audit import ShowAudit
from application.console.configuration.apply import ApplyConfiguration
from application.console.configuration.export import ExportConfiguration
from application.console.documents import RemoteDocuments
from application.console.settings.manage import ManageSettings
from application.jobs.ship_audit import ShipAudit
from application.ports.audit_log import Signer
from application.ports.unit_of_work import UnitOfWork
from application.records.export import ExportTrail
from application.records.verification import VerifyTrail
from entrypoints.config import BootConfig
from entrypoints.console.services import InstallationServices
from entrypoints.container.process import Process

PURPOSE = "audit"
"""What the signing keys of checkpoints are derived for."""


def open_installation(
    process: Process, uow: UnitOfWork, clickhouse: ClickHouse
) -> InstallationServices:
    """Open the use cases of the console."""
    clock, ids = process.clock, process.ids
    providers = ProvidersByKind(process.cipher, process.transport_of, clock)
    apply = ApplyConfiguration(uow, process.cipher, providers, clock, ids, process.randomness)
    return InstallationServices(
        settings=ManageSettings(uow, process.config.settings, clock),
        audit=open_audit(process, uow, clickhouse),
        documents=RemoteDocuments(uow, apply, ExportConfiguration(uow, clock)),
    )


def open_audit(process: Process, uow: UnitOfWork, clickhouse: ClickHouse | None) -> ShowAudit:
    """Open the audit trail; without `clickhouse` it is not compared with its copy."""
    archive = SqlAuditArchive(process.engine)
    return ShowAudit(
        uow, archive, open_verification(process, clickhouse), ExportTrail(archive, process.clock)
    )


def open_verification(process: Process, clickhouse: ClickHouse | None) -> VerifyTrail:
    """Return what verifies the trail in its stores."""
    return VerifyTrail(
        SqlAuditArchive(process.engine),
        audit_signer(process.config),
        ClickHouseAuditCopy(clickhouse) if clickhouse is not None else None,
    )


def audit_signer(config: BootConfig) -> Signer:
    """Return who signs checkpoints, by keys of the installation's ring."""
    return Ed25519Signer(config.key_ring(), purpose=PURPOSE)


def ship_audit(process: Process, clickhouse: ClickHouse) -> ShipAudit:
    """Return the job that copies the trail to the log store and signs it."""
    return ShipAudit(
        SqlAuditArchive(process.engine),
        ClickHouseAuditCopy(clickhouse),
        audit_signer(process.config),
        SqlLeaderLease(process.engine),
        clock=process.clock,
        randomness=process.randomness,
    )
