"""Subjects as people write them: `kind:name`, both ways.

| text | limit on |
|---|---|
| `user:dev@example.com`, `team:core`, `provider:openai`, `model:gpt-4o` | one thing, by name or id |
| `api_key:dev@example.com/ci` | the key `ci` of that owner, through all its rotations |
| `team_members:core`, `role:developer` | each member, with a counter of their own (a default) |
| `platform` | everything together |
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct, field

from application.ports.unit_of_work import Transaction
from domain.access.accounts import Role, Team, User
from domain.errors import InvalidRequest
from domain.keys.api_key import KeyState
from domain.keys.policy import ApiKey
from domain.limits.rules import Holder, HolderKind
from domain.routing.catalog import Model, ProviderSpec
from domain.subjects import PLATFORM, Subject, SubjectKind

_ROLE = "role"
_LONGEST = 400
_KINDS: Mapping[str, HolderKind] = {
    **{kind.value: kind for kind in HolderKind if kind is not HolderKind.ROLE_MEMBERS},
    _ROLE: HolderKind.ROLE_MEMBERS,
}
_LISTS: Mapping[HolderKind, str] = {
    HolderKind.API_KEY: "keys",
    HolderKind.USER: "users",
    HolderKind.TEAM: "teams",
    HolderKind.TEAM_MEMBERS: "teams",
    HolderKind.MODEL: "models",
    HolderKind.PROVIDER: "providers",
    HolderKind.ROLE_MEMBERS: "roles",
}
_ROLES = {role.value: role.value for role in Role}


class UnknownSubject(InvalidRequest):
    """A well-formed subject that names nothing; `list_name` and `name` say what was looked for."""

    code = "unknown_subject"

    def __init__(self, list_name: str, name: str) -> None:
        """`list_name` is e.g. `users`."""
        super().__init__(f"There is no '{name}' among the {list_name}.", param="subject")
        self.list_name = list_name
        self.name = name


class Names(Struct, frozen=True, kw_only=True):
    """Ids by name: users by e-mail, keys by `owner/name` (their lineage ids)."""

    users: Mapping[str, str] = field(default_factory=dict[str, str])
    teams: Mapping[str, str] = field(default_factory=dict[str, str])
    providers: Mapping[str, str] = field(default_factory=dict[str, str])
    models: Mapping[str, str] = field(default_factory=dict[str, str])
    keys: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    async def read(cls, tx: Transaction) -> "Names":
        """Read all names in one transaction."""
        return cls.of(
            users=await tx.users.all(),
            teams=await tx.teams.all(),
            providers=await tx.providers.all(),
            models=await tx.models.all(),
            keys=await tx.keys.all(),
        )

    @classmethod
    def of(
        cls,
        *,
        users: Iterable[User],
        teams: Iterable[Team],
        providers: Iterable[ProviderSpec],
        models: Iterable[Model],
        keys: Iterable[ApiKey],
    ) -> "Names":
        """Return the names of these things; only active keys have one."""
        emails = {user.id: user.email for user in users}
        return cls(
            users={email: user_id for user_id, email in emails.items()},
            teams={team.name: team.id for team in teams},
            providers={provider.name: provider.id for provider in providers},
            models={model.name: model.id for model in models},
            keys={
                key_text(emails[key.owner_id], key.policy.name): key.lineage_id
                for key in keys
                if key.state is KeyState.ACTIVE and key.owner_id in emails
            },
        )

    def holder(self, text: str) -> Holder:
        """Return what `text` names.

        Raises:
            UnknownSubject: it names nothing.
            InvalidRequest: it is not of the form above.
        """
        if text == PLATFORM.id:
            return Holder(HolderKind.PLATFORM, PLATFORM.id)
        written, colon, name = text.partition(":")
        kind = _KINDS.get(written)
        if not colon or kind is None or kind is HolderKind.PLATFORM or len(text) > _LONGEST:
            raise InvalidRequest(
                "A subject is 'platform' or 'kind:name', for example 'user:dev@example.com'; "
                f"kinds are {', '.join(sorted(_KINDS))}.",
                param="subject",
            )
        if kind is HolderKind.MCP_SERVER:
            raise InvalidRequest("There are no MCP servers in this version.", param="subject")
        ids = self._ids(kind)
        if kind in (HolderKind.USER, HolderKind.API_KEY):
            name = _with_lower_owner(name)
        if name in ids:
            return Holder(kind, ids[name])
        if name in ids.values():
            return Holder(kind, name)
        raise UnknownSubject(_LISTS[kind], name)

    def subject(self, text: str) -> Subject:
        """Return the single subject `text` names; defaults are not one. Raises like `holder`."""
        holder = self.holder(text)
        if holder.kind not in set(SubjectKind):
            raise InvalidRequest(
                "This needs one subject, not all members of a team or role.", param="subject"
            )
        return Subject(SubjectKind(holder.kind), holder.id)

    def text(self, holder: Holder) -> str:
        """Return how `holder` is written; by its id when what it hangs on is gone."""
        if holder.kind is HolderKind.PLATFORM:
            return holder.id
        kind = _ROLE if holder.kind is HolderKind.ROLE_MEMBERS else holder.kind.value
        return f"{kind}:{self._name(holder)}"

    def subject_text(self, subject: Subject) -> str:
        """Return how `subject` is written."""
        return self.text(Holder(HolderKind(subject.kind), subject.id))

    def knows(self, holder: Holder) -> bool:
        """Tell whether what the holder names is still there."""
        return holder.kind is HolderKind.PLATFORM or holder.id in self._ids(holder.kind).values()

    def _name(self, holder: Holder) -> str:
        ids = self._ids(holder.kind)
        return next((name for name, each in ids.items() if each == holder.id), holder.id)

    def _ids(self, kind: HolderKind) -> Mapping[str, str]:
        by_kind: Mapping[HolderKind, Mapping[str, str]] = {
            HolderKind.API_KEY: self.keys,
            HolderKind.USER: self.users,
            HolderKind.TEAM: self.teams,
            HolderKind.TEAM_MEMBERS: self.teams,
            HolderKind.MODEL: self.models,
            HolderKind.PROVIDER: self.providers,
            HolderKind.ROLE_MEMBERS: _ROLES,
        }
        return by_kind.get(kind, {})


def key_text(owner_email: str, name: str) -> str:
    """Return how a key is named in a subject."""
    return f"{owner_email}/{name}"


def _with_lower_owner(name: str) -> str:
    owner, slash, key = name.partition("/")
    return f"{owner.strip().lower()}{slash}{key}"
