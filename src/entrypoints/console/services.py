"""What the app on port 3001 is made of."""

from msgspec import Struct

from application.console.catalog.models import ManageModels
from application.console.catalog.prices import ManagePrices
from application.console.catalog.providers import ManageProviders
from application.console.catalog.routes import ManageRoutes
from application.console.idempotency import IdempotentRequests
from application.console.limits.alerts import BudgetAlertList
from application.console.limits.collection import BudgetCollection, RuleCollection
from application.console.limits.overrides import ManageOverrides
from application.console.limits.standing import LimitStandings
from application.console.people.assignments import ManageAssignments
from application.console.people.explanation import ExplainAccess
from application.console.people.invites import ManageInvites
from application.console.people.roles import ManageRoles
from application.console.people.teams import ManageTeams
from application.console.people.users import ManageUsers
from application.console.providers import InspectProviders
from application.console.request_records import RequestRecords
from application.console.routing.simulation import SimulateRouting
from application.console.routing.states import RouteStates
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


class CatalogServices(Struct, frozen=True, kw_only=True):
    """Collaborators of the routes about providers, models, routes and prices."""

    providers: ManageProviders
    models: ManageModels
    routes: ManageRoutes
    prices: ManagePrices


class RoutingServices(Struct, frozen=True, kw_only=True):
    """Collaborators of the routes about routing."""

    simulation: SimulateRouting
    states: RouteStates


class PeopleServices(Struct, frozen=True, kw_only=True):
    """Collaborators of the routes about users, teams and roles."""

    users: ManageUsers
    teams: ManageTeams
    roles: ManageRoles
    assignments: ManageAssignments
    invites: ManageInvites
    access: ExplainAccess
    requests: IdempotentRequests


class Console(Struct, frozen=True, kw_only=True):
    """Collaborators of the console's routes; without `system` its report is short."""

    request_records: RequestRecords
    limits: LimitServices
    providers: InspectProviders
    catalog: CatalogServices
    routing: RoutingServices
    people: PeopleServices
    token: Secret
    ids: IdGenerator
    health: HealthChecks
    system: SystemSources | None = None
