"""The permission catalogue: what can be allowed, and over which targets (console.md section 3)."""

from enum import IntEnum, StrEnum

from msgspec import Struct


class Scope(IntEnum):
    """Over which targets a permission reaches; a higher scope includes the lower ones.

    A target that belongs to nobody, like a provider, is reached by `ALL` only.
    """

    OWN = 1
    TEAM = 2
    ALL = 3

    @property
    def word(self) -> str:
        """The scope as documents and answers write it."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> "Scope":
        """Return the scope of this word. Raises `ValueError`."""
        try:
            return cls[word.upper()]
        except KeyError:
            raise ValueError(f"'{word[:20]}' is not a scope: own, team or all") from None


class Permission(StrEnum):
    """`resource:action`. Each one gates something."""

    AI_GATEWAY_USE = "ai_gateway:use"
    MCP_GATEWAY_USE = "mcp_gateway:use"

    USERS_READ = "users:read"
    USERS_CREATE = "users:create"
    USERS_UPDATE = "users:update"
    USERS_DELETE = "users:delete"
    USERS_RESET = "users:reset_credentials"
    SESSIONS_READ = "sessions:read"
    SESSIONS_REVOKE = "sessions:revoke"
    SERVICE_ACCOUNTS_WRITE = "service_accounts:write"

    TEAMS_READ = "teams:read"
    TEAMS_CREATE = "teams:create"
    TEAMS_UPDATE = "teams:update"
    TEAMS_DELETE = "teams:delete"
    TEAMS_MEMBERS = "teams:members"

    ROLES_READ = "roles:read"
    ROLES_WRITE = "roles:write"
    ROLES_ASSIGN = "roles:assign"
    ACCESS_EXPLAIN = "access:explain"

    KEYS_READ = "keys:read"
    KEYS_CREATE = "keys:create"
    KEYS_CREATE_CONSOLE = "keys:create_console"
    KEYS_UPDATE = "keys:update"
    KEYS_ROTATE = "keys:rotate"
    KEYS_REVOKE = "keys:revoke"
    KEYS_DELETE = "keys:delete"

    PROVIDERS_READ = "providers:read"
    PROVIDERS_WRITE = "providers:write"
    PROVIDERS_DELETE = "providers:delete"
    PROVIDERS_TEST = "providers:test"

    MODELS_READ = "models:read"
    MODELS_WRITE = "models:write"
    PRICES_WRITE = "prices:write"
    ROUTES_READ = "routes:read"
    ROUTES_OPERATE = "routes:operate"
    ROUTING_SIMULATE = "routing:simulate"

    LIMITS_READ = "limits:read"
    LIMITS_WRITE = "limits:write"
    OVERRIDES_WRITE = "overrides:write"
    ALERTS_READ = "alerts:read"

    REQUESTS_READ = "requests:read"

    SETTINGS_READ = "settings:read"
    SETTINGS_WRITE = "settings:write"
    SSO_READ = "sso:read"
    SSO_WRITE = "sso:write"
    AUDIT_READ = "audit:read"
    AUDIT_EXPORT = "audit:export"
    CONFIG_EXPORT = "config:export"
    CONFIG_APPLY = "config:apply"
    SYSTEM_READ = "system:read"


class PermissionSpec(Struct, frozen=True, kw_only=True):
    """What a permission means.

    Attributes:
        widest: the highest scope that has a meaning.
        narrowest: the lowest one; equal to `widest` for things that belong to nobody.
        super_admin_only: the built-in role `admin` does not have it.
    """

    description: str
    narrowest: Scope = Scope.ALL
    widest: Scope = Scope.ALL
    super_admin_only: bool = False

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes it can be granted with."""
        return tuple(scope for scope in Scope if self.narrowest <= scope <= self.widest)


def _personal(description: str) -> PermissionSpec:
    return PermissionSpec(description=description, narrowest=Scope.OWN)


def _of_teams(description: str) -> PermissionSpec:
    return PermissionSpec(description=description, narrowest=Scope.TEAM)


def _global(description: str, *, super_admin_only: bool = False) -> PermissionSpec:
    return PermissionSpec(description=description, super_admin_only=super_admin_only)


CATALOGUE: dict[Permission, PermissionSpec] = {
    Permission.AI_GATEWAY_USE: PermissionSpec(
        description="Call models with keys of one's own.", narrowest=Scope.OWN, widest=Scope.OWN
    ),
    Permission.MCP_GATEWAY_USE: PermissionSpec(
        description="Call tools with keys of one's own.", narrowest=Scope.OWN, widest=Scope.OWN
    ),
    Permission.USERS_READ: _personal("See users: address, role, teams, state."),
    Permission.USERS_CREATE: _of_teams(
        "Create and invite users; with team scope, into one's teams."
    ),
    Permission.USERS_UPDATE: _of_teams("Rename, deactivate and reactivate users."),
    Permission.USERS_DELETE: _of_teams("Delete users and restore them within 30 days."),
    Permission.USERS_RESET: _of_teams("Reset passwords and second factors of others."),
    Permission.SESSIONS_READ: _of_teams("See the console sessions of others."),
    Permission.SESSIONS_REVOKE: _of_teams("End the console sessions of others."),
    Permission.SERVICE_ACCOUNTS_WRITE: _of_teams("Create and change service accounts."),
    Permission.TEAMS_READ: _of_teams("See teams and their members."),
    Permission.TEAMS_CREATE: _global("Create teams."),
    Permission.TEAMS_UPDATE: _of_teams("Rename teams."),
    Permission.TEAMS_DELETE: _global("Delete teams."),
    Permission.TEAMS_MEMBERS: _of_teams("Add members to teams and remove them."),
    Permission.ROLES_READ: _global("See roles and who has them."),
    Permission.ROLES_WRITE: _global(
        "Create, change and delete custom roles.", super_admin_only=True
    ),
    Permission.ROLES_ASSIGN: _of_teams("Give roles to users and teams, and take them away."),
    Permission.ACCESS_EXPLAIN: _personal("Ask why something is allowed or denied."),
    Permission.KEYS_READ: _personal("See keys; never their secrets."),
    Permission.KEYS_CREATE: _personal("Create keys."),
    Permission.KEYS_CREATE_CONSOLE: _personal("Create keys that open the console."),
    Permission.KEYS_UPDATE: _personal("Change what keys may be used for."),
    Permission.KEYS_ROTATE: _personal("Give keys a new secret."),
    Permission.KEYS_REVOKE: _personal("End keys for good."),
    Permission.KEYS_DELETE: _personal("Delete keys and restore them within 30 days."),
    Permission.PROVIDERS_READ: _global("See providers; never their credentials."),
    Permission.PROVIDERS_WRITE: _global("Create and change providers and their credentials."),
    Permission.PROVIDERS_DELETE: _global("Delete providers and restore them within 30 days."),
    Permission.PROVIDERS_TEST: _global("Call a provider to test it or to list its models."),
    Permission.MODELS_READ: _global("See models, their routes and prices."),
    Permission.MODELS_WRITE: _global("Create, change and delete models and their routes."),
    Permission.PRICES_WRITE: _global("Add prices."),
    Permission.ROUTES_READ: _global("See the health of routes."),
    Permission.ROUTES_OPERATE: _global("Drain routes and reset their circuits."),
    Permission.ROUTING_SIMULATE: _global("Ask where a request would go."),
    Permission.LIMITS_READ: _personal("See limits, budgets, overrides and how far they are used."),
    Permission.LIMITS_WRITE: _of_teams("Create, change, reset and delete limits and budgets."),
    Permission.OVERRIDES_WRITE: _of_teams("Grant and end exceptions from limits."),
    Permission.ALERTS_READ: _personal("See which budgets have crossed a threshold."),
    Permission.REQUESTS_READ: _personal("See request records and usage."),
    Permission.SETTINGS_READ: _global("See settings and their history."),
    Permission.SETTINGS_WRITE: _global("Stage, apply and roll back settings."),
    Permission.SSO_READ: _global("See single sign-on providers; never their secrets."),
    Permission.SSO_WRITE: _global("Configure single sign-on.", super_admin_only=True),
    Permission.AUDIT_READ: _global("See the audit trail."),
    Permission.AUDIT_EXPORT: _global("Export the audit trail with its proofs."),
    Permission.CONFIG_EXPORT: _global("Export the configuration."),
    Permission.CONFIG_APPLY: _global("Apply a configuration document.", super_admin_only=True),
    Permission.SYSTEM_READ: _global("See the health of stores and queues."),
}
