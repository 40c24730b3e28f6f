"""`/api/keys`: keys as a resource (console.md sections 1 and 4)."""

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from application.console.key_acts import (
    MISSING,
    KeyMaker,
    change_key,
    find_key,
    key_target,
    require_may_hand_out,
    require_on_key,
    revoke_key,
)
from application.console.key_documents import (
    IssuedKeyView,
    KeyEntry,
    KeyPatch,
    KeyView,
    entry_of,
    issued_view,
    key_version,
    key_view,
    policy_of,
)
from application.console.restoring import find_restorable
from application.ports.clock import Clock, IdGenerator, Randomness
from application.ports.key_listing import Condition, KeyFilter
from application.ports.removed import RemovedKind, RemovedObject
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.resources import (
    Outcome,
    Page,
    Status,
    Versioned,
    check_page,
    each_on_its_own,
    merged,
    require_version,
)
from domain.access.accounts import User, normal_email
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.durations import parse_duration
from domain.errors import InvalidRequest, NotFound, PermissionDenied
from domain.identifiers import TeamId, UserId
from domain.inference.dialect import Surface
from domain.keys.policy import ApiKey
from domain.keys.rotation import DEFAULT_GRACE_MS
from domain.secret import Secret

_LONGEST_TEXT = 200


class KeyQuestion(Struct, frozen=True, kw_only=True):
    """Which keys to list: all conditions hold; None leaves one out.

    Attributes:
        owner: address or id.
        team: name or id.
        text: part of the name, the prefix or the owner's address.
        expires_within, unused_for: durations such as `14d`.
        removed: removed keys, which can be restored, instead of the others.
    """

    owner: str | None = None
    team: str | None = None
    state: Condition | None = None
    surface: Surface | None = None
    text: str | None = None
    expires_within: str | None = None
    unused_for: str | None = None
    removed: bool = False


class KeyRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One act of many; `grace` is for `rotate`."""

    op: Literal["rotate", "revoke", "delete"]
    id: str
    grace: str | None = None


class KeyCollection:
    """Every act is a transaction of its own; with `dry_run` it is tried and undone."""

    def __init__(
        self, uow: UnitOfWork, clock: Clock, ids: IdGenerator, randomness: Randomness
    ) -> None:
        """Take the ports."""
        self._uow = uow
        self._clock = clock
        self._maker = KeyMaker(clock, ids, randomness)

    async def page(
        self,
        by: Actor,
        asked: KeyQuestion,
        *,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[KeyView]:
        """Return keys within the actor's reach, oldest first.

        Raises:
            InvalidRequest: a parameter cannot be; `param` names it.
            PermissionDenied: the actor may see no keys at all.
        """
        check_page(limit, cursor)
        reach = by.rights.reach(Permission.KEYS_READ)
        if reach.nothing:
            raise PermissionDenied(Permission.KEYS_READ.value)
        now_ms = self._clock.now_ms()
        within_ms = _length("expires_within", asked.expires_within)
        unused_ms = _length("unused_for", asked.unused_for)
        if asked.text is not None and (len(asked.text) > _LONGEST_TEXT or "\0" in asked.text):
            raise InvalidRequest(f"'text' has at most {_LONGEST_TEXT} characters.", param="text")
        async with self._uow.begin() as tx:
            names = await _team_names(tx)
            wanted = KeyFilter(
                reach=reach,
                now_ms=now_ms,
                owner_id=await _owner_id(tx, asked.owner),
                team_id=_team_id(names, asked.team),
                condition=asked.state,
                surface=asked.surface,
                text=asked.text,
                expires_before_ms=now_ms + within_ms if within_ms is not None else None,
                unused_since_ms=now_ms - unused_ms if unused_ms is not None else None,
                removed=asked.removed,
            )
            found = await tx.key_listing.page(wanted, after=cursor, limit=limit + 1)
            total = await tx.key_listing.count(wanted)
        shown = found[:limit]
        return Page(
            items=tuple(key_view(each.key, each.owner_email, names, now_ms) for each in shown),
            next_cursor=shown[-1].key.id if len(found) > limit else None,
            total=total,
        )

    async def find(self, by: Actor, key_id: str) -> Versioned[KeyView]:
        """Return one key. Raises `NotFound`: also when the actor may not see it."""
        async with self._uow.begin() as tx:
            key = await find_key(tx, key_id)
            await require_on_key(tx, by, Permission.KEYS_READ, key)
            return await self._shown(tx, key)

    async def create(self, by: Actor, entry: KeyEntry) -> Versioned[IssuedKeyView]:
        """Make a key.

        Raises:
            InvalidRequest, NotFound, PermissionDenied, BeyondOwnRights, Conflict: see `KeyMaker`.
        """
        async with self._uow.begin() as tx:
            owner = await _owner(tx, by, entry.owner)
            policy = policy_of(entry, await _teams(tx, entry.teams))
            missing = f"There is no user '{entry.owner}'."
            key, secret = await self._maker.create(tx, by, owner, policy, owner_missing=missing)
            made = await self._issued(tx, key, secret)
            await tx.commit()
        return made

    async def update(
        self, by: Actor, key_id: str, changes: KeyPatch, *, if_match: str | None = None
    ) -> Versioned[KeyView]:
        """Merge `changes` into a key (RFC 7396).

        Raises:
            NotFound: there is none of this id, or the actor may not see it.
            PreconditionFailed: it is not the version of `if_match`.
            InvalidRequest, PermissionDenied, BeyondOwnRights, Conflict: see `change_key`.
        """
        async with self._uow.begin(exclusive=True) as tx:
            key = await find_key(tx, key_id)
            await require_on_key(tx, by, Permission.KEYS_UPDATE, key)
            require_version(await self._shown(tx, key), if_match, "key")
            entry = merged(entry_of(key.policy, await _team_names(tx)), changes)
            policy = policy_of(entry, await _teams(tx, entry.teams))
            changed = await change_key(tx, by, key, policy, self._clock.now_ms())
            shown = await self._shown(tx, changed)
            if changed != key:
                await tx.commit()
        return shown

    async def rotate(
        self, by: Actor, key_id: str, *, grace: str | None = None, dry_run: bool = False
    ) -> Versioned[IssuedKeyView]:
        """Give a key a new secret; the old one works until the grace period (default 1d) ends.

        With `dry_run` there is no secret in the answer, and nothing has happened.

        Raises:
            NotFound: there is none of this id, or the actor may not see it.
            InvalidRequest, PermissionDenied, BeyondOwnRights, Conflict: see `KeyMaker`.
        """
        grace_ms = 0 if grace == "0" else _length("grace", grace)
        async with self._uow.begin() as tx:
            key = await find_key(tx, key_id)
            successor, secret = await self._maker.rotate(
                tx, by, key, grace_ms=DEFAULT_GRACE_MS if grace_ms is None else grace_ms
            )
            made = await self._issued(tx, successor, None if dry_run else secret)
            if not dry_run:
                await tx.commit()
        return made

    async def revoke(self, by: Actor, key_id: str, *, dry_run: bool = False) -> Versioned[KeyView]:
        """End a key and its predecessors for good.

        Raises:
            NotFound: there is none of this id that works, or the actor may not see it.
            PermissionDenied
        """
        async with self._uow.begin() as tx:
            key = await find_key(tx, key_id)
            await revoke_key(tx, by, key)
            shown = await self._shown(tx, await find_key(tx, key_id))
            if not dry_run:
                await tx.commit()
        return shown

    async def delete(
        self, by: Actor, key_id: str, *, if_match: str | None = None, dry_run: bool = False
    ) -> Versioned[KeyView]:
        """Remove a key with its predecessors; it can be restored for 30 days.

        Raises:
            NotFound: there is none of this id, or the actor may not see it.
            PreconditionFailed: it is not the version of `if_match`.
            PermissionDenied
        """
        async with self._uow.begin() as tx:
            key = await find_key(tx, key_id)
            await require_on_key(tx, by, Permission.KEYS_DELETE, key)
            shown = await self._shown(tx, key)
            require_version(shown, if_match, "key")
            await tx.keys.remove(key.lineage_id)
            if not dry_run:
                tx.audit.record(by, "key.delete", key_target(key), before=key)
                await tx.commit()
        return shown

    async def restore(self, by: Actor, lineage_id: str) -> Versioned[KeyView]:
        """Bring back a line that was removed at most 30 days ago, in the state in which it was.

        Raises:
            NotFound: there is none, or the actor may not see it.
            PermissionDenied, BeyondOwnRights
            Conflict: the owner has an active key of that name meanwhile.
        """
        now_ms = self._clock.now_ms()
        async with self._uow.begin(exclusive=True) as tx:
            found = await find_restorable(tx, RemovedKind.KEY, lineage_id, now_ms, missing=MISSING)
            key = (await tx.key_listing.lineage(found.id, removed=True))[-1]
            owner = await require_on_key(tx, by, Permission.KEYS_DELETE, key)
            await require_may_hand_out(tx, by, owner, key.policy)
            await tx.removed.restore(found)
            tx.audit.record(by, "key.restore", key_target(key), after=key)
            shown = await self._shown(tx, key)
            await tx.commit()
        return shown

    async def purge(self, by: Actor, lineage_id: str, *, dry_run: bool = False) -> RemovedObject:
        """Delete a removed line for good, before its 30 days are over.

        Raises:
            NotFound: there is none, or the actor may not see it.
            PermissionDenied
        """
        async with self._uow.begin(exclusive=True) as tx:
            found = await tx.removed.find(RemovedKind.KEY, lineage_id)
            if found is None:
                raise NotFound(MISSING)
            key = (await tx.key_listing.lineage(found.id, removed=True))[-1]
            await require_on_key(tx, by, Permission.KEYS_DELETE, key)
            await tx.removed.forget(found)
            if not dry_run:
                tx.audit.record(by, "key.purge", key_target(key), before=key)
                await tx.commit()
        return found

    async def bulk(
        self, by: Actor, rows: Sequence[KeyRow], *, dry_run: bool = False
    ) -> list[Outcome[IssuedKeyView]]:
        """Carry out each row on its own; only those that rotated have a secret.

        Raises:
            InvalidRequest: too many rows.
            ServiceUnavailable: the store does not answer; the rows before were carried out.
        """

        async def work(row: KeyRow) -> tuple[Status, IssuedKeyView]:
            match row.op:
                case "rotate":
                    made = await self.rotate(by, row.id, grace=row.grace, dry_run=dry_run)
                    return "updated", made.view
                case "revoke":
                    ended = await self.revoke(by, row.id, dry_run=dry_run)
                    return "updated", issued_view(ended.view, None)
                case "delete":
                    gone = await self.delete(by, row.id, dry_run=dry_run)
                    return "deleted", issued_view(gone.view, None)

        return await each_on_its_own(rows, work)

    async def _shown(self, tx: Transaction, key: ApiKey) -> Versioned[KeyView]:
        owner = await tx.users.find(key.owner_id)
        email = owner.email if owner is not None else "(removed)"
        return key_version(key_view(key, email, await _team_names(tx), self._clock.now_ms()))

    async def _issued(
        self, tx: Transaction, key: ApiKey, secret: Secret | None
    ) -> Versioned[IssuedKeyView]:
        shown = await self._shown(tx, key)
        told = secret.reveal() if secret is not None else None
        return Versioned(issued_view(shown.view, told), shown.etag)


async def _team_names(tx: Transaction) -> Mapping[TeamId, str]:
    return {team.id: team.name for team in await tx.teams.all()}


async def _teams(tx: Transaction, wanted: Sequence[str]) -> frozenset[TeamId]:
    if not wanted:
        return frozenset()
    names = await _team_names(tx)
    by_name = {name: team_id for team_id, name in names.items()}
    for each in wanted:
        if each not in by_name and each not in names:
            raise NotFound("There is no such team.")
    return frozenset(by_name.get(each, TeamId(each)) for each in wanted)


def _team_id(names: Mapping[TeamId, str], wanted: str | None) -> TeamId | None:
    if wanted is None:
        return None
    return next((each for each, name in names.items() if name == wanted), TeamId(wanted))


async def _user(tx: Transaction, wanted: str) -> User | None:
    if "@" not in wanted:
        return await tx.users.find(UserId(wanted))
    try:
        return await tx.users.by_email(normal_email(wanted))
    except ValueError:
        return None


async def _owner_id(tx: Transaction, wanted: str | None) -> UserId | None:
    """Return whose keys are wanted; one that is not there owns nothing that can be found."""
    if wanted is None:
        return None
    found = await _user(tx, wanted)
    return found.id if found is not None else UserId(wanted)


async def _owner(tx: Transaction, by: Actor, wanted: str | None) -> User:
    if wanted is None and by.user_id is None:
        raise InvalidRequest("Say whose key it is with 'owner'.", param="owner")
    named = wanted if wanted is not None else by.user_id
    found = await _user(tx, named or "")
    if found is None:
        raise NotFound(f"There is no user '{named}'.")
    return found


def _length(field: str, value: str | None) -> int | None:
    if value is None:
        return None
    try:
        return parse_duration(value)
    except ValueError as error:
        raise InvalidRequest(f"'{field}': {error}.", param=field) from error
