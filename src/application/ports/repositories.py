"""Stored aggregates, one Protocol each. They live inside a `Transaction` and end with it.

Every method raises `ServiceUnavailable` when the store cannot be asked. A method that writes marks
the sections of the configuration it changes, so that the commit announces them.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Protocol

from domain.access.accounts import Team, User
from domain.access.roles import Assignment, RoleDefinition
from domain.accounting.pricing import Price
from domain.identifiers import ApiKeyId, LineageId, ModelId, ProviderId, TeamId, UserId
from domain.keys.policy import ApiKey, KeyPolicy
from domain.keys.rotation import Rotation
from domain.limits.overrides import Override
from domain.limits.rules import Limit
from domain.routing.catalog import Model, ProviderSpec
from domain.settings.catalog import SettingValue


class Users(Protocol):
    """People. A removed user is gone for every method here; the row is kept for the purge."""

    @abstractmethod
    async def all(self) -> Sequence[User]:
        """Return all users, oldest first."""
        ...

    @abstractmethod
    async def find(self, user_id: UserId) -> User | None:
        """Return one user; None also for an id that cannot be one."""
        ...

    @abstractmethod
    async def by_email(self, email: str) -> User | None:
        """Return the user with this normalised address."""
        ...

    @abstractmethod
    async def add(self, user: User) -> None:
        """Store a new user with its team memberships. Raises `Conflict`: the address is taken."""
        ...

    @abstractmethod
    async def update(self, user: User) -> None:
        """Replace everything but id, address, kind and creation. Raises `NotFound`."""
        ...

    @abstractmethod
    async def remove(self, user_id: UserId) -> None:
        """Remove the user; the keys of a removed user stop working. Raises `NotFound`."""
        ...

    @abstractmethod
    async def set_password(self, user_id: UserId, password_hash: str) -> None:
        """Store a PHC string. Raises `NotFound`."""
        ...

    @abstractmethod
    async def password_hash(self, user_id: UserId) -> str | None:
        """Return the stored PHC string, or None when the user has no password or is not there."""
        ...


class Roles(Protocol):
    """Custom roles, and which roles somebody has beside the base role."""

    @abstractmethod
    async def custom(self) -> Sequence[RoleDefinition]:
        """Return all custom roles by name."""
        ...

    @abstractmethod
    async def add(self, role: RoleDefinition, *, created_at_ms: int) -> None:
        """Store a new custom role. Raises `Conflict`: the name is taken."""
        ...

    @abstractmethod
    async def update(self, role: RoleDefinition) -> None:
        """Replace everything but the name. Raises `NotFound`: also for a built-in role."""
        ...

    @abstractmethod
    async def remove(self, name: str) -> None:
        """Remove a custom role. Raises `NotFound`, or `Conflict`: somebody has it."""
        ...

    @abstractmethod
    async def assignments(self) -> Sequence[Assignment]:
        """Return all assignments, oldest (lowest id) first."""
        ...

    @abstractmethod
    async def assignments_of(
        self, user_id: UserId, team_ids: frozenset[TeamId]
    ) -> Sequence[Assignment]:
        """Return the assignments of a user, and those of these teams' members."""
        ...

    @abstractmethod
    async def assign(self, given: Assignment) -> None:
        """Store an assignment. Raises `Conflict`: there is one, or no such role, user or team."""
        ...

    @abstractmethod
    async def unassign(self, assignment_id: str) -> None:
        """Remove an assignment. Raises `NotFound`."""
        ...


class Teams(Protocol):
    """Groups of users."""

    @abstractmethod
    async def all(self) -> Sequence[Team]:
        """Return all teams, oldest first."""
        ...

    @abstractmethod
    async def add(self, team: Team) -> None:
        """Store a new team. Raises `Conflict`: the name is taken."""
        ...

    @abstractmethod
    async def find(self, team_id: TeamId) -> Team | None:
        """Return one team; None also for an id that cannot be one."""
        ...

    @abstractmethod
    async def rename(self, team_id: TeamId, name: str) -> None:
        """Give the team another name. Raises `NotFound`, or `Conflict`: the name is taken."""
        ...

    @abstractmethod
    async def remove(self, team_id: TeamId) -> None:
        """Remove the team and every membership in it. Raises `NotFound`."""
        ...


class ApiKeys(Protocol):
    """Keys. At most one key of a lineage is active; a secret is never stored twice."""

    @abstractmethod
    async def all(self) -> Sequence[ApiKey]:
        """Return all keys that were not removed, in any state, oldest first."""
        ...

    @abstractmethod
    async def find(self, key_id: ApiKeyId) -> ApiKey | None:
        """Return one key; None also for an id that cannot be one."""
        ...

    @abstractmethod
    async def by_hash(self, secret_hash: bytes) -> ApiKey | None:
        """Return the key with this secret."""
        ...

    @abstractmethod
    async def add(self, key: ApiKey) -> None:
        """Store a new key.

        Raises:
            Conflict: the secret was used before (also by a removed key), or the owner already
                has an active key of that name.
        """
        ...

    @abstractmethod
    async def rotate(self, rotation: Rotation) -> None:
        """Store both sides of a rotation. Raises `Conflict`: somebody else rotated it first."""
        ...

    @abstractmethod
    async def change_policy(self, lineage_id: LineageId, policy: KeyPolicy) -> None:
        """Give every key of the lineage that still works this policy.

        Raises:
            NotFound: no key of the lineage works.
            Conflict: the owner already has an active key of the new name.
        """
        ...

    @abstractmethod
    async def revoke(self, lineage_id: LineageId) -> None:
        """Revoke the lineage's active key and those in their grace period, for good.

        Raises:
            NotFound: there is nothing left to revoke.
        """
        ...

    @abstractmethod
    async def remove(self, lineage_id: LineageId) -> None:
        """Hide the lineage: what is hidden opens nothing. Raises `NotFound`."""
        ...


class Providers(Protocol):
    """Provider configurations. The store sets `revision`: 1 at first, one more with every update."""

    @abstractmethod
    async def all(self) -> Sequence[ProviderSpec]:
        """Return all providers, oldest first."""
        ...

    @abstractmethod
    async def add(self, provider: ProviderSpec) -> None:
        """Store a new provider. Raises `Conflict`: the name is taken."""
        ...

    @abstractmethod
    async def update(self, provider: ProviderSpec) -> None:
        """Replace everything but id and name. Raises `NotFound`."""
        ...

    @abstractmethod
    async def remove(self, provider_id: ProviderId) -> None:
        """Remove the provider. Raises `NotFound`, or `Conflict`: a route still leads to it."""
        ...


class Models(Protocol):
    """Models with their routes. Price rows are only ever added: they are history.

    An alias belongs to one model, the last one that was stored with it: so it can move in one
    transaction, whichever of the two models is stored first. Aliases come back sorted.
    """

    @abstractmethod
    async def all(self) -> Sequence[Model]:
        """Return all models with routes and prices, oldest first."""
        ...

    @abstractmethod
    async def add(self, model: Model) -> None:
        """Store a new model with its routes and prices. Raises `Conflict`: the name is taken."""
        ...

    @abstractmethod
    async def update(self, model: Model) -> None:
        """Replace everything but id, name and prices. Raises `NotFound`."""
        ...

    @abstractmethod
    async def add_price(self, model_id: ModelId, price: Price) -> None:
        """Add a price row. Raises `Conflict`: there is one with the same effective instant."""
        ...

    @abstractmethod
    async def remove(self, model_id: ModelId) -> None:
        """Remove the model, its aliases and its routes. Raises `NotFound`."""
        ...


class Limits(Protocol):
    """Window rules, budget caps and concurrency caps. A target has at most one limit.

    The target of a window rule is its holder, surface, metric and window; of a budget its holder,
    period and unit; of a concurrency cap its holder and surface.
    """

    @abstractmethod
    async def all(self) -> Sequence[Limit]:
        """Return all limits, oldest (lowest id) first."""
        ...

    @abstractmethod
    async def find(self, limit_id: str) -> Limit | None:
        """Return one limit; None also for an id that cannot be one."""
        ...

    @abstractmethod
    async def add(self, limit: Limit, *, created_at_ms: int) -> None:
        """Store a new limit. Raises `Conflict`: its target has one."""
        ...

    @abstractmethod
    async def update(self, limit: Limit) -> None:
        """Replace everything but the id; a limit stays of its class.

        Raises:
            NotFound: there is no limit of this class with this id.
            Conflict: another limit has the target.
        """
        ...

    @abstractmethod
    async def remove(self, limit_id: str) -> None:
        """Remove the limit and its overrides. Raises `NotFound`."""
        ...


class LimitOverrides(Protocol):
    """Exceptions from limits, also those that have ended; they are never changed, only removed."""

    @abstractmethod
    async def all(self) -> Sequence[Override]:
        """Return all overrides, oldest (lowest id) first."""
        ...

    @abstractmethod
    async def add(self, override: Override) -> None:
        """Store a new override. Raises `NotFound`: there is no such limit."""
        ...

    @abstractmethod
    async def remove(self, override_id: str) -> None:
        """Remove the override. Raises `NotFound`."""
        ...


class StoredSettings(Protocol):
    """Settings that were set on purpose; everything else has its default."""

    @abstractmethod
    async def all(self) -> Mapping[str, SettingValue]:
        """Return stored values by key."""
        ...

    @abstractmethod
    async def put(self, key: str, value: SettingValue) -> None:
        """Store a checked value."""
        ...

    @abstractmethod
    async def reset(self, key: str) -> None:
        """Go back to the default; no error when it never left it."""
        ...
