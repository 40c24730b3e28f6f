"""What a limit hangs on, and everything that one request answers to (limits.md section 1)."""

from enum import StrEnum

from msgspec import Struct

from domain.identifiers import LineageId, ModelId, ProviderId, TeamId, UserId
from domain.keys.api_key import Caller


class SubjectKind(StrEnum):
    """Kinds of subjects, most specific first: the order in which limits are evaluated.

    A route bears only its own caps (`domain.limits.route_caps`); no stored limit hangs on one.
    """

    API_KEY = "api_key"
    USER = "user"
    TEAM = "team"
    MODEL = "model"
    ROUTE = "route"
    PROVIDER = "provider"
    MCP_SERVER = "mcp_server"
    PLATFORM = "platform"


class Subject(Struct, frozen=True, order=True):
    """One bearer of counters.

    `id` is a row id; for `api_key` the *lineage* id, so that a rotation keeps its counters; for
    `platform` a constant.
    """

    kind: SubjectKind
    id: str


PLATFORM = Subject(SubjectKind.PLATFORM, "platform")
_RANK = {kind: rank for rank, kind in enumerate(SubjectKind)}


class SubjectChain(Struct, frozen=True):
    """The subjects of one check, most specific first, and the roles whose defaults bind the user.

    Build it with the class methods: they fix the order, on which "first offending" depends.
    """

    subjects: tuple[Subject, ...]
    roles: tuple[str, ...] = ()

    @classmethod
    def for_inference(
        cls,
        caller: Caller,
        *,
        model: ModelId,
        provider: ProviderId | None = None,
        roles: tuple[str, ...] = (),
    ) -> "SubjectChain":
        """Return key, user, teams, model and platform, and the provider when it is certain.

        With more than one eligible route leave `provider` out and check `for_attempt` per
        attempt, so that a full provider fails over.
        """
        found = [*_identity(caller), Subject(SubjectKind.MODEL, model)]
        if provider is not None:
            found.append(Subject(SubjectKind.PROVIDER, provider))
        return cls._ordered(found, roles)

    @classmethod
    def for_attempt(
        cls, *, provider: ProviderId | None = None, model: ModelId | None = None
    ) -> "SubjectChain":
        """Return the chain of one attempt: what was not counted with the request before.

        Args:
            provider: the attempt's, unless it was certain from the start.
            model: the attempt's, when it is another than the one asked for.
        """
        found: list[Subject] = []
        if model is not None:
            found.append(Subject(SubjectKind.MODEL, model))
        if provider is not None:
            found.append(Subject(SubjectKind.PROVIDER, provider))
        return cls(tuple(found))

    @classmethod
    def for_mcp(cls, caller: Caller, *, server: str, roles: tuple[str, ...] = ()) -> "SubjectChain":
        """Return key, user, teams, MCP server and platform."""
        return cls._ordered([*_identity(caller), Subject(SubjectKind.MCP_SERVER, server)], roles)

    @classmethod
    def _ordered(cls, found: list[Subject], roles: tuple[str, ...]) -> "SubjectChain":
        unique = {*found, PLATFORM}
        ordered = sorted(unique, key=lambda subject: (_RANK[subject.kind], subject.id))
        return cls(tuple(ordered), tuple(sorted(set(roles))))

    @property
    def teams(self) -> tuple[str, ...]:
        """Ids of the teams in this chain."""
        return tuple(s.id for s in self.subjects if s.kind is SubjectKind.TEAM)


def _identity(caller: Caller) -> list[Subject]:
    lineage: LineageId = caller.lineage_id
    user: UserId | None = caller.user_id
    teams: tuple[TeamId, ...] = caller.team_ids
    found = [Subject(SubjectKind.API_KEY, lineage)]
    if user is not None:
        found.append(Subject(SubjectKind.USER, user))
    found.extend(Subject(SubjectKind.TEAM, team) for team in teams)
    return found
