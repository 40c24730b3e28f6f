"""The console's use cases about the installation as a whole, on a store of a test."""

from collections.abc import Mapping

from application.console.audit import ShowAudit
from application.console.documents import RemoteDocuments
from application.console.settings.manage import ManageSettings
from application.ports.audit_copy import AuditCopy
from application.records.export import ExportTrail
from application.records.verification import VerifyTrail
from domain.settings.catalog import SettingValue
from entrypoints.console.services import InstallationServices
from tests.support.administration import administration
from tests.support.audit_trail import SIGNER
from tests.support.configuration import Configuration
from tests.support.manual_clock import ManualClock


def installation_services(
    stored: Configuration,
    environment: Mapping[str, SettingValue] | None = None,
    copy: AuditCopy | None = None,
) -> InstallationServices:
    """Return them; every change must be recorded."""
    made = administration(stored)
    clock = ManualClock()
    return InstallationServices(
        settings=ManageSettings(stored.audited, environment or {}, clock),
        audit=ShowAudit(
            stored.audited,
            stored.archive,
            VerifyTrail(stored.archive, SIGNER, copy),
            ExportTrail(stored.archive, clock),
        ),
        documents=RemoteDocuments(stored.audited, made.configuration, made.export),
    )
