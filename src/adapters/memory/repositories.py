"""Repositories over dictionaries. Values are immutable, so copying a dictionary copies the state."""

from collections.abc import Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from application.ports.change_feed import Section
from application.ports.key_handovers import KeyHandover
from application.ports.repositories import (
    ApiKeys,
    Models,
    Providers,
    StoredSettings,
    Teams,
    Users,
)
from application.ports.setting_history import SettingRevision, StagedSetting
from domain.access.accounts import Team, User
from domain.access.invites import Invite
from domain.access.roles import Assignment, RoleDefinition
from domain.access.second_factor import SecondFactor
from domain.access.session import Session
from domain.access.single_sign_on import SsoAttempt, SsoIdentity, SsoProvider
from domain.accounting.pricing import Price, PriceList
from domain.errors import Conflict, NotFound
from domain.identifiers import ApiKeyId, LineageId, ModelId, ProviderId, TeamId, UserId
from domain.keys.api_key import KeyState
from domain.keys.policy import ApiKey, KeyPolicy
from domain.keys.rotation import Rotation
from domain.limits.overrides import Override
from domain.limits.rules import Limit
from domain.routing.catalog import Model, ProviderSpec
from domain.settings.catalog import SettingValue

_WORKING = (KeyState.ACTIVE, KeyState.ROTATED)


class Draft(Struct):
    """All aggregates by id, the sections changed so far, and what removal leaves behind."""

    users: dict[str, User] = field(default_factory=dict[str, User])
    removed_users: dict[str, User] = field(default_factory=dict[str, User])
    removed_at_ms: dict[str, int] = field(default_factory=dict[str, int])
    invites: dict[str, Invite] = field(default_factory=dict[str, Invite])
    passwords: dict[str, str] = field(default_factory=dict[str, str])
    teams: dict[str, Team] = field(default_factory=dict[str, Team])
    roles: dict[str, RoleDefinition] = field(default_factory=dict[str, RoleDefinition])
    assignments: dict[str, Assignment] = field(default_factory=dict[str, Assignment])
    keys: dict[str, ApiKey] = field(default_factory=dict[str, ApiKey])
    removed_keys: dict[str, ApiKey] = field(default_factory=dict[str, ApiKey])
    providers: dict[str, ProviderSpec] = field(default_factory=dict[str, ProviderSpec])
    removed_providers: dict[str, ProviderSpec] = field(default_factory=dict[str, ProviderSpec])
    key_warnings: set[tuple[str, int, int]] = field(default_factory=set[tuple[str, int, int]])
    handovers: dict[str, KeyHandover] = field(default_factory=dict[str, KeyHandover])
    taken_handovers: set[str] = field(default_factory=set[str])
    now_ms: int = 0
    models: dict[str, Model] = field(default_factory=dict[str, Model])
    settings: dict[str, SettingValue] = field(default_factory=dict[str, SettingValue])
    staged_settings: dict[str, StagedSetting] = field(default_factory=dict[str, StagedSetting])
    setting_revisions: dict[int, SettingRevision] = field(
        default_factory=dict[int, SettingRevision]
    )
    limits: dict[str, Limit] = field(default_factory=dict[str, Limit])
    overrides: dict[str, Override] = field(default_factory=dict[str, Override])
    sso_providers: dict[str, SsoProvider] = field(default_factory=dict[str, SsoProvider])
    sso_identities: dict[tuple[str, str, str], SsoIdentity] = field(
        default_factory=dict[tuple[str, str, str], SsoIdentity]
    )
    sso_attempts: dict[bytes, SsoAttempt] = field(default_factory=dict[bytes, SsoAttempt])
    sessions: dict[str, Session] = field(default_factory=dict[str, Session])
    second_factors: dict[str, SecondFactor] = field(default_factory=dict[str, SecondFactor])
    changed: set[Section] = field(default_factory=set[Section])

    def copy(self) -> "Draft":
        """Return a draft that can be changed without changing this one."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return Draft(**{name: type(value)(value) for name, value in values.items()})


class MemoryUsers(Users):
    """Users by id."""

    def __init__(self, draft: Draft) -> None:
        """Reads and changes `draft`."""
        self._draft = draft

    async def all(self) -> Sequence[User]:
        """Return all users, oldest first."""
        return sorted(self._draft.users.values(), key=lambda user: (user.created_at_ms, user.id))

    async def find(self, user_id: UserId) -> User | None:
        """Return one user."""
        return self._draft.users.get(user_id)

    async def by_email(self, email: str) -> User | None:
        """Return the user with this address."""
        return next((user for user in self._draft.users.values() if user.email == email), None)

    async def add(self, user: User) -> None:
        """Store a user."""
        if await self.by_email(user.email) is not None:
            raise Conflict("A user with this e-mail address exists already.")
        self._draft.users[user.id] = user
        self._draft.changed.add(Section.KEYS)

    async def update(self, user: User) -> None:
        """Replace what can change."""
        stored = self._existing(user.id)
        self._draft.users[user.id] = replace(
            user, email=stored.email, kind=stored.kind, created_at_ms=stored.created_at_ms
        )

    async def remove(self, user_id: UserId) -> None:
        """Set the user aside."""
        self._draft.removed_users[user_id] = self._existing(user_id)
        self._draft.removed_at_ms[user_id] = self._draft.now_ms
        del self._draft.users[user_id]

    async def set_password(self, user_id: UserId, password_hash: str) -> None:
        """Store a PHC string."""
        self._existing(user_id)
        self._draft.passwords[user_id] = password_hash

    async def password_hash(self, user_id: UserId) -> str | None:
        """Return the stored PHC string."""
        return self._draft.passwords.get(user_id) if user_id in self._draft.users else None

    def _existing(self, user_id: UserId) -> User:
        if user_id not in self._draft.users:
            raise NotFound("There is no such user.")
        self._draft.changed.add(Section.KEYS)
        return self._draft.users[user_id]


class MemoryTeams(Teams):
    """Teams by id."""

    def __init__(self, draft: Draft) -> None:
        """Reads and changes `draft`."""
        self._draft = draft

    async def all(self) -> Sequence[Team]:
        """Return all teams, oldest first."""
        return sorted(self._draft.teams.values(), key=lambda team: (team.created_at_ms, team.id))

    async def add(self, team: Team) -> None:
        """Store a team."""
        if any(other.name == team.name for other in self._draft.teams.values()):
            raise Conflict("A team with this name exists already.")
        self._draft.teams[team.id] = team
        self._draft.changed.add(Section.KEYS)

    async def find(self, team_id: TeamId) -> Team | None:
        """Return one team."""
        return self._draft.teams.get(team_id)

    async def rename(self, team_id: TeamId, name: str) -> None:
        """Give the team another name."""
        if team_id not in self._draft.teams:
            raise NotFound("There is no such team.")
        if any(each.name == name and each.id != team_id for each in self._draft.teams.values()):
            raise Conflict("A team with this name exists already.")
        self._draft.teams[team_id] = replace(self._draft.teams[team_id], name=name)
        self._draft.changed.add(Section.KEYS)

    async def remove(self, team_id: TeamId) -> None:
        """Delete the team and every membership in it."""
        if self._draft.teams.pop(team_id, None) is None:
            raise NotFound("There is no such team.")
        gone = {team_id}
        for each in list(self._draft.assignments.values()):
            if each.team_id == team_id:
                del self._draft.assignments[each.id]
        for user in list(self._draft.users.values()):
            self._draft.users[user.id] = replace(user, team_ids=user.team_ids - gone)
        for user in list(self._draft.removed_users.values()):
            self._draft.removed_users[user.id] = replace(user, team_ids=user.team_ids - gone)
        for key in list(self._draft.keys.values()):
            policy = replace(key.policy, team_ids=key.policy.team_ids - gone)
            self._draft.keys[key.id] = replace(key, policy=policy)
        self._draft.changed.add(Section.KEYS)


class MemoryApiKeys(ApiKeys):
    """Keys by id."""

    def __init__(self, draft: Draft) -> None:
        """Reads and changes `draft`."""
        self._draft = draft

    async def all(self) -> Sequence[ApiKey]:
        """Return all keys, oldest first."""
        return sorted(self._draft.keys.values(), key=lambda key: (key.created_at_ms, key.id))

    async def find(self, key_id: ApiKeyId) -> ApiKey | None:
        """Return one key."""
        return self._draft.keys.get(key_id)

    async def by_hash(self, secret_hash: bytes) -> ApiKey | None:
        """Return the key with this secret."""
        return next((k for k in self._draft.keys.values() if k.secret_hash == secret_hash), None)

    async def add(self, key: ApiKey) -> None:
        """Store a key."""
        known = (*self._draft.keys.values(), *self._draft.removed_keys.values())
        if any(other.secret_hash == key.secret_hash for other in known):
            raise Conflict("This key secret was used before; a secret is never used twice.")
        self._refuse_second_name(key.owner_id, key.policy.name, key.lineage_id)
        self._draft.keys[key.id] = key
        self._draft.changed.add(Section.KEYS)

    async def rotate(self, rotation: Rotation) -> None:
        """Retire the old key, if it is still active, and store its successor."""
        stored = self._draft.keys.get(rotation.retired.id)
        if stored is None or stored.state is not KeyState.ACTIVE:
            raise Conflict("The key was rotated or revoked by somebody else at the same time.")
        retired = rotation.retired
        self._draft.keys[retired.id] = replace(
            stored, state=retired.state, grace_ends_at_ms=retired.grace_ends_at_ms
        )
        await self.add(rotation.successor)

    async def change_policy(self, lineage_id: LineageId, policy: KeyPolicy) -> None:
        """Give the policy to the active key and to those in their grace period."""
        for key in self._working(lineage_id):
            self._refuse_second_name(key.owner_id, policy.name, lineage_id)
            self._draft.keys[key.id] = replace(key, policy=policy)

    async def revoke(self, lineage_id: LineageId) -> None:
        """Revoke every key of the lineage that still works."""
        for key in self._working(lineage_id):
            self._draft.keys[key.id] = replace(key, state=KeyState.REVOKED)

    async def remove(self, lineage_id: LineageId) -> None:
        """Hide the lineage."""
        for key in self._some([k for k in self._draft.keys.values() if k.lineage_id == lineage_id]):
            self._draft.removed_keys[key.id] = key
            self._draft.removed_at_ms[lineage_id] = self._draft.now_ms
            del self._draft.keys[key.id]

    def _working(self, lineage_id: LineageId) -> list[ApiKey]:
        return self._some(
            [
                key
                for key in self._draft.keys.values()
                if key.lineage_id == lineage_id and key.state in _WORKING
            ]
        )

    def _some(self, keys: list[ApiKey]) -> list[ApiKey]:
        if not keys:
            raise NotFound("There is no such key, or it is revoked already.")
        self._draft.changed.add(Section.KEYS)
        return keys

    def _refuse_second_name(self, owner_id: UserId, name: str, lineage_id: LineageId) -> None:
        if any(
            other.owner_id == owner_id
            and other.policy.name == name
            and other.state is KeyState.ACTIVE
            and other.lineage_id != lineage_id
            for other in self._draft.keys.values()
        ):
            raise Conflict("The owner already has an active key with this name.")


class MemoryProviders(Providers):
    """Providers by id, in the order they were added."""

    def __init__(self, draft: Draft) -> None:
        """Reads and changes `draft`."""
        self._draft = draft

    async def all(self) -> Sequence[ProviderSpec]:
        """Return all providers, oldest first."""
        return list(self._draft.providers.values())

    async def add(self, provider: ProviderSpec) -> None:
        """Store a provider at revision 1."""
        if any(other.name == provider.name for other in self._draft.providers.values()):
            raise Conflict("A provider with this name exists already.")
        self._draft.providers[provider.id] = replace(provider, revision=1)
        self._draft.changed.add(Section.CATALOG)

    async def update(self, provider: ProviderSpec) -> None:
        """Replace everything but id and name; the revision grows by one."""
        stored = self._existing(provider.id)
        self._draft.providers[provider.id] = replace(
            provider, name=stored.name, revision=stored.revision + 1
        )

    async def remove(self, provider_id: ProviderId) -> None:
        """Set the provider aside."""
        found = self._existing(provider_id)
        routes = (route for model in self._draft.models.values() for route in model.routes)
        if any(route.provider_id == provider_id for route in routes):
            raise Conflict("The provider is still used by a route.")
        self._draft.removed_providers[provider_id] = found
        self._draft.removed_at_ms[provider_id] = self._draft.now_ms
        del self._draft.providers[provider_id]

    def _existing(self, provider_id: ProviderId) -> ProviderSpec:
        if provider_id not in self._draft.providers:
            raise NotFound("There is no such provider.")
        self._draft.changed.add(Section.CATALOG)
        return self._draft.providers[provider_id]


class MemoryModels(Models):
    """Models by id."""

    def __init__(self, draft: Draft) -> None:
        """Reads and changes `draft`."""
        self._draft = draft

    async def all(self) -> Sequence[Model]:
        """Return all models, oldest first."""
        return sorted(
            self._draft.models.values(), key=lambda model: (model.created_at_ms, model.id)
        )

    async def add(self, model: Model) -> None:
        """Store a model with its routes and prices."""
        if any(other.name == model.name for other in self._draft.models.values()):
            raise Conflict("A model with this name exists already.")
        self._store(model)
        self._draft.changed.add(Section.CATALOG)

    async def update(self, model: Model) -> None:
        """Replace everything but id, name and prices."""
        stored = self._existing(model.id)
        self._store(
            replace(
                model,
                name=stored.name,
                prices=stored.prices,
                created_at_ms=stored.created_at_ms,
            )
        )

    async def add_price(self, model_id: ModelId, price: Price) -> None:
        """Add a price row."""
        stored = self._existing(model_id)
        rows = stored.prices.rows
        if any(row.effective_from_ms == price.effective_from_ms for row in rows):
            raise Conflict("The model already has a price with the same effective date.")
        self._draft.models[model_id] = replace(stored, prices=PriceList.of((*rows, price)))

    async def remove(self, model_id: ModelId) -> None:
        """Delete the model."""
        self._existing(model_id)
        del self._draft.models[model_id]

    def _store(self, model: Model) -> None:
        taken = frozenset(model.aliases)
        for other in list(self._draft.models.values()):
            if taken.intersection(other.aliases):
                self._draft.models[other.id] = _without(other, taken)
        self._draft.models[model.id] = _in_order(model)

    def _existing(self, model_id: ModelId) -> Model:
        if model_id not in self._draft.models:
            raise NotFound("There is no such model.")
        self._draft.changed.add(Section.CATALOG)
        return self._draft.models[model_id]


def _in_order(model: Model) -> Model:
    return replace(
        model,
        routes=tuple(sorted(model.routes, key=lambda route: route.id)),
        aliases=tuple(sorted(model.aliases)),
    )


def _without(model: Model, taken: frozenset[str]) -> Model:
    return replace(model, aliases=tuple(name for name in model.aliases if name not in taken))


class MemorySettings(StoredSettings):
    """Settings by key."""

    def __init__(self, draft: Draft) -> None:
        """Reads and changes `draft`."""
        self._draft = draft

    async def all(self) -> Mapping[str, SettingValue]:
        """Return stored values by key."""
        return dict(sorted(self._draft.settings.items()))

    async def put(self, key: str, value: SettingValue) -> None:
        """Store a checked value."""
        self._draft.settings[key] = value
        self._draft.changed.add(Section.SETTINGS)

    async def reset(self, key: str) -> None:
        """Forget the stored value."""
        self._draft.settings.pop(key, None)
        self._draft.changed.add(Section.SETTINGS)
