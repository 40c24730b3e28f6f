"""Which subjects a request would have, and those around one subject."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from application.ports.unit_of_work import Transaction
from domain.access.accounts import User
from domain.errors import InvalidRequest, NotFound
from domain.identifiers import ApiKeyId, LineageId, ProviderId, TeamId, UserId
from domain.inference.dialect import Surface
from domain.keys.api_key import Caller, KeyState
from domain.keys.policy import ApiKey
from domain.routing.catalog import Catalog, Model
from domain.subjects import Subject, SubjectChain, SubjectKind


class Question(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request that might be made. Either `key` or `user` says by whom.

    Attributes:
        key: id of a key, `owner/name`, or a name only one active key has.
        user: e-mail address or id.
        model: needed on the surface `ai_gateway`.
        provider: the route's provider; without it, the model's only one, or none when there are
            several: a full provider then fails over and rejects nothing.
        tokens, cost_usd: what the request is expected to use, for strict limits.
    """

    key: str | None = None
    user: str | None = None
    model: str | None = None
    provider: str | None = None
    surface: Surface = Surface.AI_GATEWAY
    tokens: int = 0
    cost_usd: Decimal = Decimal(0)


async def chain_of(tx: Transaction, question: Question) -> SubjectChain:
    """Return the subjects of the request in question.

    Raises:
        InvalidRequest: the question is not complete; `param` names the member.
        NotFound: no such key, user, model or provider.
    """
    caller, has_key = await _caller(tx, question)
    if question.surface is Surface.CONSOLE:
        raise InvalidRequest("The console has no limits.", param="surface")
    if question.surface is Surface.MCP_GATEWAY:
        chain = SubjectChain.for_mcp(caller, server="", roles=caller.roles)
        return _without(chain, SubjectKind.MCP_SERVER, *(() if has_key else (SubjectKind.API_KEY,)))
    if question.model is None:
        raise InvalidRequest("Say for which model.", param="model")
    catalog = Catalog.of(await tx.models.all(), await tx.providers.all())
    model = catalog.model(question.model)
    chain = SubjectChain.for_inference(
        caller,
        model=model.id,
        provider=_provider(question.provider, model, catalog),
        roles=caller.roles,
    )
    return chain if has_key else _without(chain, SubjectKind.API_KEY)


def _provider(name: str | None, model: Model, catalog: Catalog) -> ProviderId | None:
    if name is None:
        eligible = {route.provider_id for route in catalog.routes_of(model)}
        return eligible.pop() if len(eligible) == 1 else None
    for provider in catalog.providers.values():
        if name in (provider.name, provider.id):
            return provider.id
    raise NotFound(f"There is no provider '{name}'.")


def _without(chain: SubjectChain, *kinds: SubjectKind) -> SubjectChain:
    kept = tuple(subject for subject in chain.subjects if subject.kind not in kinds)
    return SubjectChain(kept, chain.roles)


async def _caller(tx: Transaction, question: Question) -> tuple[Caller, bool]:
    """Return the caller the question is about, and whether it is a key."""
    if (question.key is None) == (question.user is None):
        raise InvalidRequest("Give either 'key' or 'user'.", param="key")
    users = await tx.users.all()
    if question.key is not None:
        emails = {user.id: user.email for user in users}
        key = _key(question.key, await tx.keys.all(), emails)
        owner = next((user for user in users if user.id == key.owner_id), None)
        return _as_caller(owner, key), True
    wanted = (question.user or "").strip()
    user = next((each for each in users if wanted.lower() == each.email or wanted == each.id), None)
    if user is None:
        raise NotFound(f"There is no user '{wanted}'.")
    return _as_caller(user, None), False


def _key(reference: str, keys: Sequence[ApiKey], emails: Mapping[UserId, str]) -> ApiKey:
    found = [
        key
        for key in keys
        if reference in (key.id, key.lineage_id)
        or (
            key.state is KeyState.ACTIVE
            and reference in (key.policy.name, f"{emails.get(key.owner_id)}/{key.policy.name}")
        )
    ]
    lineages = {key.lineage_id for key in found}
    if not found:
        raise NotFound(f"There is no key '{reference}'.")
    if len(lineages) > 1:
        raise InvalidRequest(f"Several keys are named '{reference}'; give an id.", param="key")
    return found[-1]


def _as_caller(user: User | None, key: ApiKey | None) -> Caller:
    teams = user.team_ids if user is not None else frozenset[TeamId]()
    if key is not None:
        teams |= key.policy.team_ids
    return Caller(
        key_id=key.id if key is not None else ApiKeyId(""),
        lineage_id=key.lineage_id if key is not None else LineageId(""),
        key_name=key.policy.name if key is not None else "",
        state=KeyState.ACTIVE,
        surfaces=frozenset(),
        user_id=user.id if user is not None else None,
        team_ids=tuple(sorted(teams)),
        roles=(user.role.value,) if user is not None else (),
    )


async def chain_around(tx: Transaction, subject: Subject) -> SubjectChain:
    """Return a chain on which everything that binds `subject` does so."""
    if subject.kind is not SubjectKind.USER:
        return SubjectChain((subject,))
    user = next((each for each in await tx.users.all() if each.id == subject.id), None)
    if user is None:
        return SubjectChain((subject,))
    teams = tuple(Subject(SubjectKind.TEAM, team) for team in sorted(user.team_ids))
    return SubjectChain((subject, *teams), (user.role.value,))
