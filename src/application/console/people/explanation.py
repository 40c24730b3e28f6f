"""Why something is allowed or denied (console.md section 3)."""

from fnmatch import fnmatchcase
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from application.identity.roster import Roster, target_of_team, target_of_user
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.access.accounts import User, UserState
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.access.rights import INSTALLATION, Decision, Rights, Target
from domain.errors import InvalidRequest, NotFound
from domain.identifiers import ApiKeyId, TeamId, UserId
from domain.inference.dialect import Surface
from domain.keys.api_key import KeyState
from domain.keys.policy import ApiKey

_NOBODY = "There is no such user or key."
_NO_TARGET = "There is no such target."


class TargetEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What would be acted on; `id` is left out for the installation, which owns all the rest."""

    kind: Literal["installation", "user", "team", "key"] = "installation"
    id: str | None = None


class AccessQuestion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """May this user (id or address), or this key (id), do this?

    Attributes:
        permission: of the catalogue, with a target; or
        model: the name of a model to be called.
        target: None means what is the user's own where that has a meaning, else the installation.
    """

    user: str | None = None
    key: str | None = None
    permission: str | None = None
    model: str | None = None
    target: TargetEntry | None = None


class Explanation(Struct, frozen=True, kw_only=True):
    """The decision and why, the statement that decided first; `roles` are those that count."""

    allowed: bool
    reasons: tuple[str, ...]
    user_id: str
    email: str
    roles: tuple[str, ...]


class ExplainAccess:
    """Asks the one decision there is."""

    def __init__(self, uow: UnitOfWork) -> None:
        """Take the port."""
        self._uow = uow

    async def explain(self, by: Actor, question: AccessQuestion) -> Explanation:
        """Return the decision about a permission or a model.

        Raises:
            InvalidRequest: not exactly one of user and key, or of permission and model.
            NotFound: there is no such user, key or target that the actor may see.
            PermissionDenied: the actor may see the user and not ask.
        """
        if (question.user is None) == (question.key is None):
            raise InvalidRequest("Give either 'user' or 'key'.", param="user")
        if (question.permission is None) == (question.model is None):
            raise InvalidRequest("Give either 'permission' or 'model'.", param="permission")
        async with self._uow.begin() as tx:
            roster = await Roster.read(tx)
            user, key = await _whom(tx, roster, question)
            if user is None:
                raise NotFound(_NOBODY)
            by.require(
                Permission.ACCESS_EXPLAIN,
                target_of_user(user),
                seen_by=Permission.USERS_READ,
                missing=_NOBODY,
            )
            if question.model is not None:
                decision = _about_model(roster, user, key, question.model)
            else:
                permission = _permission(question.permission or "")
                target = await _target(tx, by, roster, user, question.target)
                decision = _rights(roster, user, key).decide(permission, target)
        return Explanation(
            allowed=decision.allowed and user.state is UserState.ACTIVE,
            reasons=(*_inactive(user), *decision.reasons),
            user_id=user.id,
            email=user.email,
            roles=roster.rights(user).roles,
        )


async def _whom(
    tx: Transaction, roster: Roster, question: AccessQuestion
) -> tuple[User | None, ApiKey | None]:
    if question.key is not None:
        key = await tx.keys.find(ApiKeyId(question.key))
        return (roster.users.get(key.owner_id), key) if key is not None else (None, None)
    wanted = (question.user or "").strip()
    found = roster.users.get(UserId(wanted)) or next(
        (each for each in roster.users.values() if each.email == wanted.lower()), None
    )
    return found, None


async def _target(
    tx: Transaction, by: Actor, roster: Roster, user: User, entry: TargetEntry | None
) -> Target:
    """Return what would be acted on. Raises `NotFound` for what the actor may not see."""
    if entry is None:
        return target_of_user(user)
    found: tuple[Target, Permission] | None = None
    match entry.kind:
        case "installation":
            return INSTALLATION
        case "user":
            other = roster.users.get(UserId(entry.id or ""))
            found = (target_of_user(other), Permission.USERS_READ) if other is not None else None
        case "team":
            if (entry.id or "") in roster.teams:
                found = target_of_team(TeamId(entry.id or "")), Permission.TEAMS_READ
        case "key":
            key = await tx.keys.find(ApiKeyId(entry.id or ""))
            owner = roster.users.get(key.owner_id) if key is not None else None
            if key is not None and owner is not None:
                teams = owner.team_ids | key.policy.team_ids
                found = Target(owner_id=owner.id, team_ids=teams), Permission.KEYS_READ
    if found is None or not by.allows(found[1], found[0]):
        raise NotFound(_NO_TARGET)
    return found[0]


def _rights(roster: Roster, user: User, key: ApiKey | None) -> Rights:
    """Return the rights of a user, or what a key of the user has of them."""
    rights = roster.rights(user)
    if key is None:
        return rights
    opens = key.state is not KeyState.REVOKED and Surface.CONSOLE in key.policy.surfaces
    names = (key.policy.permissions or ()) if opens else ()
    return replace(rights, ceiling=frozenset(each for each in Permission if each.value in names))


def _about_model(roster: Roster, user: User, key: ApiKey | None, model: str) -> Decision:
    """Decide as the gateway does: the surface, what roles deny and name, then the key itself."""
    use = roster.rights(user).decide(Permission.AI_GATEWAY_USE, target_of_user(user))
    access = roster.access(user)
    denied = [each for each in access.denied_models if fnmatchcase(model, each)]
    if not use.allowed:
        return use
    if not access.may_use(model):
        why = f"a role denies the model '{denied[0]}'" if denied else "no role names the model"
        return Decision(allowed=False, reasons=(why, *use.reasons))
    if key is not None and (fault := _key_fault(key, model)):
        return Decision(allowed=False, reasons=(fault, *use.reasons))
    named = [each for each in access.models or () if fnmatchcase(model, each)]
    why = f"a role names the model '{named[0]}'" if named else "no role narrows the models"
    return Decision(allowed=True, reasons=(why, *use.reasons))


def _key_fault(key: ApiKey, model: str) -> str | None:
    if key.state is KeyState.REVOKED:
        return "the key is revoked"
    if Surface.AI_GATEWAY not in key.policy.surfaces:
        return "the key is not for calling models"
    models = key.policy.models
    if models is not None and not any(fnmatchcase(model, each) for each in models):
        return "the key does not name the model"
    return None


def _inactive(user: User) -> tuple[str, ...]:
    return () if user.state is UserState.ACTIVE else ("the user is deactivated",)


def _permission(name: str) -> Permission:
    try:
        return Permission(name)
    except ValueError:
        raise InvalidRequest(f"'{name[:60]}' is not a permission.", param="permission") from None
