"""What the app on port 3001 is made of."""

from msgspec import Struct

from application.console.audit import ShowAudit
from application.console.documents import RemoteDocuments
from application.console.idempotency import IdempotentRequests
from application.console.limits.alerts import BudgetAlertList
from application.console.limits.collection import BudgetCollection, RuleCollection
from application.console.limits.overrides import ManageOverrides
from application.console.limits.standing import LimitStandings
from application.console.providers import InspectProviders
from application.console.request_records import RequestRecords
from application.console.routing.simulation import SimulateRouting
from application.console.routing.states import RouteStates
from application.console.settings.manage import ManageSettings
from application.ports.clock import IdGenerator
from domain.secret import Secret
from entrypoints.console.system_status import SystemSources
from entrypoints.health import HealthChecks


class LimitServices(Struct, frozen=True, kw_only=True):
    """Collaborators of the routes about limits."""

    rules: RuleCollection
    budgets: BudgetCollection
    overrides: ManageOverrides
    standings: LimitStandings
    alerts: BudgetAlertList
    requests: IdempotentRequests


class RoutingServices(Struct, frozen=True, kw_only=True):
    """Collaborators of the routes about routing."""

    simulation: SimulateRouting
    states: RouteStates


class InstallationServices(Struct, frozen=True, kw_only=True):
    """Collaborators of the routes about settings, the audit trail and configuration documents."""

    settings: ManageSettings
    audit: ShowAudit
    documents: RemoteDocuments


class Console(Struct, frozen=True, kw_only=True):
    """Collaborators of the console's routes; without `system` its report is short."""

    request_records: RequestRecords
    limits: LimitServices
    providers: InspectProviders
    routing: RoutingServices
    token: Secret
    ids: IdGenerator
    health: HealthChecks
    system: SystemSources | None = None
    installation: InstallationServices | None = None
