"""What the app on port 3001 is made of."""

from msgspec import Struct

from application.console.audit import ShowAudit
from application.console.catalog.models import ManageModels
from application.console.catalog.prices import ManagePrices
from application.console.catalog.providers import ManageProviders
from application.console.catalog.routes import ManageRoutes
from application.console.documents import RemoteDocuments
from application.console.idempotency import IdempotentRequests
from application.console.key_collection import KeyCollection
from application.console.key_handovers import KeyHandoverDesk
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
from application.console.service_accounts import ManageServiceAccounts
from application.console.settings.manage import ManageSettings
from application.console.sso_collection import SsoProviderCollection
from application.identity.console_access import ConsoleAccess
from application.identity.credential_resets import CredentialResets
from application.identity.denials import Denials
from application.identity.passwords import OwnPassword
from application.identity.second_factor import SecondFactors
from application.identity.session_list import SessionList
from application.identity.sessions import ConsoleSessions
from application.identity.setup import SetUp
from application.identity.sign_in import SignIn
from application.identity.sso_links import OwnSsoLinks
from application.identity.sso_sign_in import SsoSignIn
from application.identity.whoami import WhoAmI
from application.ports.clock import Clock, IdGenerator
from entrypoints.console.edge import ConsoleEdge
from entrypoints.console.system_status import SystemSources
from entrypoints.health import HealthChecks


class LimitServices(Struct, frozen=True, kw_only=True):
    """Collaborators of the routes about limits."""

    rules: RuleCollection
    budgets: BudgetCollection
    overrides: ManageOverrides
    standings: LimitStandings
    alerts: BudgetAlertList


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


class IdentityServices(Struct, frozen=True, kw_only=True):
    """Who asks, how they sign in, and what they do for themselves and for one another."""

    edge: ConsoleEdge
    clock: Clock
    access: ConsoleAccess
    denials: Denials
    sign_in: SignIn
    sessions: ConsoleSessions
    session_list: SessionList
    own_password: OwnPassword
    factors: SecondFactors
    resets: CredentialResets
    setup: SetUp
    whoami: WhoAmI


class SsoServices(Struct, frozen=True, kw_only=True):
    """Collaborators of the routes about single sign-on."""

    providers: SsoProviderCollection
    sign_in: SsoSignIn
    links: OwnSsoLinks


class KeyServices(Struct, frozen=True, kw_only=True):
    """Collaborators of the routes about keys and service accounts."""

    keys: KeyCollection
    handovers: KeyHandoverDesk
    accounts: ManageServiceAccounts


class InstallationServices(Struct, frozen=True, kw_only=True):
    """Collaborators of the routes about settings, the audit trail and configuration documents."""

    settings: ManageSettings
    audit: ShowAudit
    documents: RemoteDocuments


class Console(Struct, frozen=True, kw_only=True):
    """Collaborators of the console's routes; without `system` its report is short."""

    request_records: RequestRecords
    limits: LimitServices
    keys: KeyServices
    providers: InspectProviders
    catalog: CatalogServices
    routing: RoutingServices
    people: PeopleServices
    identity: IdentityServices
    single_sign_on: SsoServices
    installation: InstallationServices
    requests: IdempotentRequests
    ids: IdGenerator
    health: HealthChecks
    system: SystemSources | None = None
