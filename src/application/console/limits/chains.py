"""Which subjects a request would have, and those around one subject."""

from decimal import Decimal

from msgspec import Struct

from application.console.callers import find_caller
from application.ports.unit_of_work import Transaction
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.errors import InvalidRequest, NotFound
from domain.identifiers import ProviderId
from domain.inference.dialect import Surface
from domain.routing.catalog import Catalog, Model
from domain.subjects import Subject, SubjectChain, SubjectKind


class LimitQuestion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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


async def chain_of(tx: Transaction, by: Actor, question: LimitQuestion) -> SubjectChain:
    """Return the subjects of the request in question.

    Raises:
        InvalidRequest: the question is not complete; `param` names the member.
        NotFound: no such key, user, model or provider, or its limits are not for `by` to see.
    """
    caller = await find_caller(tx, by, Permission.LIMITS_READ, key=question.key, user=question.user)
    has_key = bool(caller.key_id)
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


async def chain_around(tx: Transaction, subject: Subject) -> SubjectChain:
    """Return a chain on which everything that binds `subject` does so."""
    if subject.kind is not SubjectKind.USER:
        return SubjectChain((subject,))
    user = next((each for each in await tx.users.all() if each.id == subject.id), None)
    if user is None:
        return SubjectChain((subject,))
    teams = tuple(Subject(SubjectKind.TEAM, team) for team in sorted(user.team_ids))
    return SubjectChain((subject, *teams), (user.role,))
