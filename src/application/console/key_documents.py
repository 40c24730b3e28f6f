"""Keys as the REST API reads and shows them."""

from collections.abc import Mapping
from datetime import datetime

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from application.instants import instant, instant_or_none, milliseconds
from application.resources import Versioned, versioned
from domain.durations import format_duration, parse_duration
from domain.errors import InvalidRequest
from domain.identifiers import TeamId
from domain.inference.dialect import Surface
from domain.keys.policy import ApiKey, KeyPolicy


class KeyEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to be made.

    Attributes:
        name: unique among the owner's active keys.
        owner: address or id of the owner; null: whoever asks.
        surfaces: `ai_gateway`, `mcp_gateway`, `console`.
        models, tools: exact names or globs; null means all of what the owner may use.
        permissions: what a key that opens the console may do; required then, else forbidden.
        teams: names of teams the key counts for besides those of its owner.
        expires_at: with a time zone; required, and at most 366 days away, when it opens the console.
        inactivity_timeout: closes the key when it was not used for so long, e.g. `90d`.
        rotation_period: the key is rotated by itself before it gets this old, e.g. `90d`.
        ip_allow: networks it may be used from; null: from anywhere.
        cost_centre: whom its use is charged to.
    """

    name: str
    owner: str | None = None
    surfaces: tuple[Surface, ...] = (Surface.AI_GATEWAY,)
    models: tuple[str, ...] | None = None
    tools: tuple[str, ...] | None = None
    permissions: tuple[str, ...] | None = None
    teams: tuple[str, ...] = ()
    expires_at: datetime | None = None
    inactivity_timeout: str | None = None
    rotation_period: str | None = None
    ip_allow: tuple[str, ...] | None = None
    cost_centre: str | None = None
    tags: dict[str, str] = {}


class KeyPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes of a key: absent members stay, null goes back to the default."""

    name: str | UnsetType = UNSET
    surfaces: tuple[Surface, ...] | UnsetType | None = UNSET
    models: tuple[str, ...] | UnsetType | None = UNSET
    tools: tuple[str, ...] | UnsetType | None = UNSET
    permissions: tuple[str, ...] | UnsetType | None = UNSET
    teams: tuple[str, ...] | UnsetType | None = UNSET
    expires_at: datetime | UnsetType | None = UNSET
    inactivity_timeout: str | UnsetType | None = UNSET
    rotation_period: str | UnsetType | None = UNSET
    ip_allow: tuple[str, ...] | UnsetType | None = UNSET
    cost_centre: str | UnsetType | None = UNSET
    tags: dict[str, str] | UnsetType | None = UNSET


class KeyView(Struct, frozen=True, kw_only=True):
    """A key; never its secret.

    Attributes:
        lineage_id: stays through rotations; limits and history hang on it.
        owner: address.
        prefix: first characters of the secret, to recognise it by.
        state: `active`, `rotated` (works until `grace_ends_at`), `expired`, `inactive` (not used
            for too long) or `revoked`.
    """

    id: str
    lineage_id: str
    name: str
    owner: str
    owner_id: str
    prefix: str
    state: str
    surfaces: tuple[Surface, ...]
    models: tuple[str, ...] | None
    tools: tuple[str, ...] | None
    permissions: tuple[str, ...] | None
    teams: tuple[str, ...]
    ip_allow: tuple[str, ...] | None
    cost_centre: str | None
    tags: dict[str, str]
    inactivity_timeout: str | None
    rotation_period: str | None
    created_at: datetime
    expires_at: datetime | None
    grace_ends_at: datetime | None
    last_used_at: datetime | None


class IssuedKeyView(KeyView, frozen=True, kw_only=True):
    """A key with its secret, which is told this once.

    `secret` is null in the replay of an answer (`Idempotency-Replayed`), and where none was made:
    it is not stored anywhere. Whoever lost it rotates the key.
    """

    secret: str | None


def policy_of(entry: KeyEntry, team_ids: frozenset[TeamId]) -> KeyPolicy:
    """Return the policy an entry asks for; its teams are looked up by the caller.

    Raises:
        InvalidRequest: a duration or an instant cannot be read.
    """
    permissions = entry.permissions
    return KeyPolicy(
        name=entry.name,
        surfaces=frozenset(entry.surfaces),
        models=entry.models,
        tools=entry.tools,
        permissions=frozenset(permissions) if permissions is not None else None,
        team_ids=team_ids,
        expires_at_ms=_millis("expires_at", entry.expires_at),
        inactivity_ms=_duration("inactivity_timeout", entry.inactivity_timeout),
        rotation_period_ms=_duration("rotation_period", entry.rotation_period),
        ip_allow=entry.ip_allow,
        cost_centre=entry.cost_centre,
        tags=entry.tags,
    )


def entry_of(policy: KeyPolicy, teams: Mapping[TeamId, str]) -> KeyEntry:
    """Return the entry that a change is merged into."""
    permissions = policy.permissions
    return KeyEntry(
        name=policy.name,
        surfaces=tuple(sorted(policy.surfaces)),
        models=policy.models,
        tools=policy.tools,
        permissions=tuple(sorted(permissions)) if permissions is not None else None,
        teams=_team_names(policy, teams),
        expires_at=instant_or_none(policy.expires_at_ms),
        inactivity_timeout=_text(policy.inactivity_ms),
        rotation_period=_text(policy.rotation_period_ms),
        ip_allow=policy.ip_allow,
        cost_centre=policy.cost_centre,
        tags=policy.tags,
    )


def key_view(key: ApiKey, owner: str, teams: Mapping[TeamId, str], now_ms: int) -> KeyView:
    """Return what is shown of a key."""
    policy, permissions = key.policy, key.policy.permissions
    return KeyView(
        id=key.id,
        lineage_id=key.lineage_id,
        name=policy.name,
        owner=owner,
        owner_id=key.owner_id,
        prefix=key.prefix,
        state=key.condition(now_ms),
        surfaces=tuple(sorted(policy.surfaces)),
        models=policy.models,
        tools=policy.tools,
        permissions=tuple(sorted(permissions)) if permissions is not None else None,
        teams=_team_names(policy, teams),
        ip_allow=policy.ip_allow,
        cost_centre=policy.cost_centre,
        tags=policy.tags,
        inactivity_timeout=_text(policy.inactivity_ms),
        rotation_period=_text(policy.rotation_period_ms),
        created_at=instant(key.created_at_ms),
        expires_at=instant_or_none(policy.expires_at_ms),
        grace_ends_at=instant_or_none(key.grace_ends_at_ms),
        last_used_at=instant_or_none(key.last_used_at_ms),
    )


def key_version(view: KeyView) -> Versioned[KeyView]:
    """Return a view with a tag that neither its use nor the passing of time changes."""
    still = replace(view, last_used_at=None, state="revoked" if view.state == "revoked" else "")
    return Versioned(view, versioned(still).etag)


def issued_view(view: KeyView, secret: str | None) -> IssuedKeyView:
    """Return a view with a secret."""
    members = {name: getattr(view, name) for name in KeyView.__struct_fields__}
    return IssuedKeyView(**members, secret=secret)


def _millis(field: str, at: datetime | None) -> int | None:
    return None if at is None else milliseconds(at, field)


def _duration(field: str, value: str | None) -> int | None:
    if value is None:
        return None
    try:
        return parse_duration(value)
    except ValueError as error:
        raise InvalidRequest(f"'{field}': {error}.", param=field) from error


def _text(length_ms: int | None) -> str | None:
    return None if length_ms is None else format_duration(length_ms)


def _team_names(policy: KeyPolicy, teams: Mapping[TeamId, str]) -> tuple[str, ...]:
    return tuple(sorted(teams[each] for each in policy.team_ids if each in teams))
