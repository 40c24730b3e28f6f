"""Planning of keys. A key is identified by its owner and name; rotations keep both."""

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from application.console.configuration.document import KeyEntry
from application.console.configuration.plan import (
    SHOWN_SECRET,
    CreatedSecret,
    FieldChange,
    Planned,
    field_changes,
)
from application.console.configuration.planning import (
    Planning,
    Plans,
    create,
    delete,
    is_repeated,
    readable,
    unchanged,
    update,
)
from application.console.limits.names import key_text
from application.instants import instant_text, milliseconds
from application.ports.clock import Randomness
from application.ports.unit_of_work import Transaction
from domain.access.accounts import normal_email
from domain.durations import parse_duration
from domain.errors import InvalidRequest
from domain.identifiers import ApiKeyId, UserId
from domain.keys.api_key import KeyState
from domain.keys.issuing import issue
from domain.keys.policy import ApiKey, KeyPolicy
from domain.keys.rotation import rotate
from domain.keys.secret import RANDOM_BYTES, is_well_formed, key_hash, mint
from domain.secret import Secret


class _Wanted(Struct, frozen=True, kw_only=True):
    """An entry with its references resolved; `shown` is how plans call the key."""

    owner_id: UserId
    owner_email: str
    policy: KeyPolicy
    secret: Secret | None

    @property
    def shown(self) -> str:
        return f"{self.policy.name} ({self.owner_email})"

    @property
    def subject(self) -> str:
        """How subjects of limits name the key."""
        return key_text(self.owner_email, self.policy.name)


class KeyPlanner:
    """Mints secrets where the document gives none."""

    def __init__(self, randomness: Randomness) -> None:
        """Take the source of new secrets."""
        self._randomness = randomness

    def plan(self, planning: Planning) -> Plans:
        """Keys by owner and name, after users and teams were planned."""
        upserts: list[Planned] = []
        seen: set[str] = set()
        secrets: set[str] = set()
        active = {
            (key.owner_id, key.policy.name): key
            for key in planning.stored.keys
            if key.state is KeyState.ACTIVE
        }
        for path, entry in readable(planning.document.keys, "keys"):
            wanted = _wanted(planning, path, entry)
            if wanted is None or is_repeated(seen, wanted.shown, path, planning.faults):
                continue
            if wanted.secret is not None and wanted.secret.reveal() in secrets:
                planning.faults.append(f"{path}.secret: another key of the document has it too")
                continue
            if wanted.secret is not None:
                secrets.add(wanted.secret.reveal())
            key = active.pop((wanted.owner_id, wanted.policy.name), None)
            if key is not None:
                planning.key_ids[wanted.subject] = key.lineage_id
                upserts.append(_comparison(planning, path, wanted, key))
            else:
                upserts.append(self._creation(planning, path, wanted))
        emails = {user.id: email for email, user in planning.stored.users.items()}
        gone = [
            _deletion(key, emails.get(key.owner_id, "removed user"))
            for key in active.values()
            if planning.prune
        ]
        return Plans(upserts, gone)

    def _creation(self, planning: Planning, path: str, wanted: _Wanted) -> Planned:
        if wanted.secret is not None:
            _refuse_known_secret(planning, path, wanted.secret)
        expires_at_ms = wanted.policy.expires_at_ms
        if expires_at_ms is not None and expires_at_ms <= planning.now_ms:
            planning.faults.append(f"{path}.expires_at: is in the past")
        secret = wanted.secret or mint(self._randomness.token_bytes(RANDOM_BYTES))
        key = issue(
            wanted.policy,
            key_id=ApiKeyId(planning.ids.new_id()),
            owner_id=wanted.owner_id,
            secret=secret,
            now_ms=planning.now_ms,
        )
        planning.key_ids[wanted.subject] = key.lineage_id

        async def work(tx: Transaction) -> CreatedSecret | None:
            await tx.keys.add(key)
            if wanted.secret is not None:
                return None
            return CreatedSecret(
                kind="key", name=wanted.policy.name, owner=wanted.owner_email, secret=secret
            )

        return create("key", wanted.shown, work)


def _comparison(planning: Planning, path: str, wanted: _Wanted, key: ApiKey) -> Planned:
    """Return the step for an existing key; a new secret replaces the old one at once."""
    changes = _policy_changes(planning, key.policy, wanted.policy)
    replacement: Secret | None = None
    note = ""
    if wanted.secret is not None:
        owner_of_secret = _key_with(planning, wanted.secret)
        if owner_of_secret is None:
            replacement = wanted.secret
            changes += (FieldChange("secret", SHOWN_SECRET, SHOWN_SECRET),)
            note = "the old secret stops working at once"
        elif owner_of_secret.lineage_id != key.lineage_id:
            planning.faults.append(f"{path}.secret: it belongs to another key already")
        elif owner_of_secret.id != key.id:
            note = "the key was rotated since; the secret of the document is an old one"
    if not changes:
        return unchanged("key", wanted.shown, note)

    async def work(tx: Transaction) -> None:
        await tx.keys.change_policy(key.lineage_id, wanted.policy)
        if replacement is not None:
            rotation = rotate(
                replace(key, policy=wanted.policy),
                successor_id=ApiKeyId(planning.ids.new_id()),
                secret=replacement,
                now_ms=planning.now_ms,
                grace_ms=0,
            )
            await tx.keys.rotate(rotation)

    return update("key", wanted.shown, changes, work, note)


def _deletion(key: ApiKey, email: str) -> Planned:
    shown = f"{key.policy.name} ({email})"
    return delete("key", shown, lambda tx: tx.keys.remove(key.lineage_id))


def _wanted(planning: Planning, path: str, entry: KeyEntry) -> _Wanted | None:
    """Resolve an entry, adding every fault of it; None when there were some."""
    before = len(planning.faults)
    team_ids = planning.team_ids_of(entry.teams, f"{path}.teams")
    policy = KeyPolicy(
        name=entry.name,
        surfaces=frozenset(entry.surfaces),
        models=entry.models,
        tools=entry.tools,
        permissions=frozenset(entry.permissions) if entry.permissions is not None else None,
        team_ids=team_ids,
        expires_at_ms=_instant(planning, f"{path}.expires_at", entry.expires_at),
        inactivity_ms=_duration(planning, f"{path}.inactivity_timeout", entry.inactivity_timeout),
        rotation_period_ms=_duration(planning, f"{path}.rotation_period", entry.rotation_period),
        ip_allow=entry.ip_allow,
        cost_centre=entry.cost_centre,
        tags=entry.tags,
    )
    planning.faults.extend(f"{path}: {fault}" for fault in policy.faults(planning.now_ms))
    if entry.secret is not None and not is_well_formed(entry.secret):
        planning.faults.append(
            f"{path}.secret: not a well-formed key; leave it out to have one made"
        )
    email = entry.owner.strip().lower()
    try:
        email = normal_email(entry.owner)
    except ValueError as error:
        planning.faults.append(f"{path}.owner: {error}")
    else:
        _check_owner(planning, path, email)
    owner_id = planning.user_ids.get(email)
    if len(planning.faults) > before or owner_id is None:
        return None
    return _Wanted(
        owner_id=owner_id,
        owner_email=email,
        policy=policy.normal(),
        secret=Secret(entry.secret) if entry.secret is not None else None,
    )


def _check_owner(planning: Planning, path: str, email: str) -> None:
    named = {name.strip().lower() for name in planning.names["users"]}
    if email not in named:
        planning.refer("users", email, planning.stored.users, f"{path}.owner")


def _instant(planning: Planning, path: str, value: datetime | None) -> int | None:
    if value is None:
        return None
    if value.tzinfo is None:
        planning.faults.append(f"{path}: must have a time zone, e.g. 2030-01-01T00:00:00Z")
        return None
    try:
        return milliseconds(value, path)
    except InvalidRequest:
        planning.faults.append(f"{path}: must be before the year 10000")
        return None


def _duration(planning: Planning, path: str, value: str | None) -> int | None:
    if value is None:
        return None
    try:
        return parse_duration(value)
    except ValueError as error:
        planning.faults.append(f"{path}: {error}")
        return None


def _key_with(planning: Planning, secret: Secret) -> ApiKey | None:
    secret_hash = key_hash(secret.reveal())
    return next((key for key in planning.stored.keys if key.secret_hash == secret_hash), None)


def _refuse_known_secret(planning: Planning, path: str, secret: Secret) -> None:
    known = _key_with(planning, secret)
    if known is not None and known.state is KeyState.REVOKED:
        planning.faults.append(f"{path}.secret: it was revoked; a revoked secret stays revoked")
    elif known is not None:
        planning.faults.append(f"{path}.secret: it belongs to another key already")


def _policy_changes(
    planning: Planning, before: KeyPolicy, after: KeyPolicy
) -> tuple[FieldChange, ...]:
    names = {team_id: name for name, team_id in planning.team_ids.items()}
    return field_changes(
        [
            ("surfaces", _texts(before.surfaces), _texts(after.surfaces)),
            ("models", before.models, after.models),
            ("tools", before.tools, after.tools),
            ("permissions", before.permissions, after.permissions),
            (
                "teams",
                frozenset(names[each] for each in before.team_ids),
                frozenset(names[each] for each in after.team_ids),
            ),
            ("expires_at", _text_of(before.expires_at_ms), _text_of(after.expires_at_ms)),
            ("inactivity_timeout", before.inactivity_ms, after.inactivity_ms),
            ("rotation_period", before.rotation_period_ms, after.rotation_period_ms),
            ("ip_allow", before.ip_allow, after.ip_allow),
            ("cost_centre", before.cost_centre, after.cost_centre),
            ("tags", before.tags, after.tags),
        ]
    )


def _texts(surfaces: frozenset[str]) -> frozenset[str]:
    return frozenset(map(str, surfaces))


def _text_of(at_ms: int | None) -> str | None:
    return None if at_ms is None else instant_text(at_ms)
