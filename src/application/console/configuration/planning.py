"""What the planners of the kinds of objects share."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct, field

from application.console.configuration.document import Document
from application.console.configuration.plan import Action, FieldChange, Planned, Step, Work
from application.console.limits.names import Names
from application.ports.clock import IdGenerator
from application.ports.unit_of_work import Transaction
from domain.access.accounts import Team, User
from domain.identifiers import LineageId, ModelId, ProviderId, TeamId, UserId
from domain.keys.policy import ApiKey
from domain.limits.overrides import Override
from domain.limits.rules import Limit
from domain.limits.targets import Target
from domain.routing.catalog import Model, ProviderSpec
from domain.settings.catalog import SettingValue

E = TypeVar("E")


class Stored(Struct, frozen=True, kw_only=True):
    """Everything the document is compared with, read in one transaction."""

    teams: Mapping[str, Team]
    users: Mapping[str, User]
    providers: Mapping[str, ProviderSpec]
    models: Mapping[str, Model]
    keys: Sequence[ApiKey]
    limits: Sequence[Limit]
    overrides: Sequence[Override]
    settings: Mapping[str, SettingValue]

    @classmethod
    async def read(cls, tx: Transaction) -> "Stored":
        """Read all of it; mappings are by name, users by address."""
        return cls(
            teams={team.name: team for team in await tx.teams.all()},
            users={user.email: user for user in await tx.users.all()},
            providers={provider.name: provider for provider in await tx.providers.all()},
            models={model.name: model for model in await tx.models.all()},
            keys=await tx.keys.all(),
            limits=await tx.limits.all(),
            overrides=await tx.overrides.all(),
            settings=await tx.settings.all(),
        )

    def names(self) -> Names:
        """Return the ids of what is stored by the names that subjects of limits use."""
        return Names.of(
            users=self.users.values(),
            teams=self.teams.values(),
            providers=self.providers.values(),
            models=self.models.values(),
            keys=self.keys,
        )


class Planning(Struct, kw_only=True):
    """The state of one run of the planners.

    Attributes:
        names: for each list, the names written in the document, readable entry or not.
        faults: collected as they are found; with any, nothing is applied.
        team_ids, user_ids, provider_ids, model_ids, key_ids: ids by name of what will exist, filled
            by the planners of these kinds for those that refer to them; keys by owner and name,
            with the ids of their lineages.
        limits: what will exist, by target, filled by the planners of rules and budgets.
    """

    document: Document
    names: Mapping[str, frozenset[str]]
    stored: Stored
    prune: bool
    now_ms: int
    ids: IdGenerator
    faults: list[str]
    team_ids: dict[str, TeamId] = field(default_factory=dict[str, TeamId])
    user_ids: dict[str, UserId] = field(default_factory=dict[str, UserId])
    provider_ids: dict[str, ProviderId] = field(default_factory=dict[str, ProviderId])
    model_ids: dict[str, ModelId] = field(default_factory=dict[str, ModelId])
    key_ids: dict[str, LineageId] = field(default_factory=dict[str, LineageId])
    limits: dict[Target, Limit] = field(default_factory=dict[Target, Limit])

    def refer(self, kind: str, name: str, stored: Mapping[str, object], path: str) -> bool:
        """Tell whether `name` will exist; if not, add a fault.

        With `prune`, only what the document names will.
        """
        if name in self.names.get(kind, frozenset()) or (not self.prune and name in stored):
            return True
        also = "" if self.prune else ", neither here nor stored already"
        self.faults.append(f"{path}: there is no '{name}' among the {kind}{also}")
        return False

    def team_ids_of(self, names: Sequence[str], path: str) -> frozenset[TeamId]:
        """Return the ids of teams by name, adding a fault for each that will not exist."""
        return frozenset(
            self.team_ids[name]
            for index, name in enumerate(names)
            if self.refer("teams", name, self.stored.teams, f"{path}[{index}]")
            and name in self.team_ids
        )


class Plans(Struct, frozen=True):
    """Steps of one kind: creations and updates in one order, deletions in the opposite one."""

    upserts: Sequence[Planned]
    deletions: Sequence[Planned] = ()


def readable(entries: Sequence[E | None], path: str) -> Iterator[tuple[str, E]]:
    """Yield (path, entry) of the entries that could be read."""
    for index, entry in enumerate(entries):
        if entry is not None:
            yield f"{path}[{index}]", entry


def is_repeated(seen: set[str], name: str, path: str, faults: list[str]) -> bool:
    """Tell whether `name` was there before, adding a fault if so."""
    if name in seen:
        faults.append(f"{path}: '{name}' is there twice")
        return True
    seen.add(name)
    return False


def unchanged(kind: str, name: str, note: str = "") -> Planned:
    """Return the step of an object that is as it should be."""
    return Planned(Step(action=Action.UNCHANGED, kind=kind, name=name, note=note))


def create(kind: str, name: str, work: Work) -> Planned:
    """Return the step of a new object."""
    return Planned(Step(action=Action.CREATE, kind=kind, name=name), work)


def update(
    kind: str, name: str, changes: tuple[FieldChange, ...], work: Work, note: str = ""
) -> Planned:
    """Return the step of an object that differs."""
    step = Step(action=Action.UPDATE, kind=kind, name=name, changes=changes, note=note)
    return Planned(step, work)


def delete(kind: str, name: str, work: Work) -> Planned:
    """Return the step of an object that the document does not name."""
    return Planned(Step(action=Action.DELETE, kind=kind, name=name), work)
