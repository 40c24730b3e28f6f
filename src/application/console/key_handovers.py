"""New secrets of keys that rotated by themselves: a one-time link for the owner."""

from base64 import urlsafe_b64encode
from datetime import datetime
from hashlib import sha256

from msgspec import Struct

from application.console.key_acts import find_key, key_target, require_may_hand_out, target_of_key
from application.console.key_documents import IssuedKeyView, issued_view, key_view
from application.instants import instant, instant_or_none
from application.ports.clock import Clock
from application.ports.key_handovers import KeyHandover
from application.ports.secrets import SecretCipher
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.access.accounts import User, UserKind
from domain.access.actor import Actor, ActorKind
from domain.access.permissions import Permission
from domain.errors import BeyondOwnRights, Conflict, InvalidRequest, NotFound
from domain.identifiers import UserId
from domain.keys.policy import ApiKey
from domain.secret import Secret

TOKEN_BYTES = 32
_MOST = 500
_MISSING = "There is no such hand-over; it may have been taken already."


class HandoverView(Struct, frozen=True, kw_only=True):
    """A secret that waits.

    Attributes:
        link: POST to it gives the secret, once; null: it was sealed with an encryption key that is
            not there any more, so rotate the key again.
        expires_at: with the key itself; null: it waits for ever.
        old_works_until: until then the secret before works too.
    """

    id: str
    key_id: str
    key_name: str
    owner: str
    link: str | None
    created_at: datetime
    expires_at: datetime | None
    old_works_until: datetime


class HandoverList(Struct, frozen=True):
    """What waits, oldest first; the first 500."""

    items: tuple[HandoverView, ...]


class KeyHandoverDesk:
    """Gives a secret to the owner alone, once.

    A service account cannot sign in: whoever may rotate its key, and so could have a new secret
    anyway, collects it.
    """

    def __init__(self, uow: UnitOfWork, cipher: SecretCipher, clock: Clock) -> None:
        """Take the ports."""
        self._uow = uow
        self._cipher = cipher
        self._clock = clock

    async def pending(self, by: Actor) -> HandoverList:
        """Return what the actor may collect. An actor without a user has nothing to collect."""
        async with self._uow.begin() as tx:
            owners = await self._owners(tx, by)
            found = await tx.handovers.pending(list(owners), self._clock.now_ms(), limit=_MOST)
            views: list[HandoverView] = []
            for each in found:
                key = await tx.keys.find(each.key_id)
                if key is not None and await _may_take(tx, by, key, owners.get(key.owner_id)):
                    views.append(self._view(each, key, owners[key.owner_id]))
        return HandoverList(tuple(views))

    async def take(self, by: Actor, token: str) -> IssuedKeyView:
        """Return the key with its secret, and forget the secret.

        Raises:
            NotFound: no such token, not the actor's, taken already, or the key does not work any
                more. One text for all, so that nothing can be probed.
            InvalidRequest: it was sealed with a key that is not in the ring any more.
        """
        now_ms = self._clock.now_ms()
        async with self._uow.begin() as tx:
            found = await tx.handovers.by_token(token_hash(token))
            if found is None:
                raise NotFound(_MISSING)
            key = await find_key(tx, found.key_id)
            owner = await tx.users.find(key.owner_id)
            if owner is None or not await _may_take(tx, by, key, owner):
                raise NotFound(_MISSING)
            if key.condition(now_ms) not in ("active", "inactive"):
                raise NotFound(_MISSING)
            secret = self._cipher.open(found.sealed_secret, context=secret_context(found.id))
            await tx.handovers.take(found.id, now_ms)
            # It could not be used before; its time without use begins now.
            await tx.key_listing.note_use(key.lineage_id, now_ms)
            tx.audit.record(by, "key.take_handover", key_target(key))
            names = {team.id: team.name for team in await tx.teams.all()}
            taken = await find_key(tx, found.key_id)
            await tx.commit()
        return issued_view(key_view(taken, owner.email, names, now_ms), secret.reveal())

    async def _owners(self, tx: Transaction, by: Actor) -> dict[UserId, User]:
        own = await tx.users.find(by.user_id) if by.user_id is not None else None
        owners = {own.id: own} if own is not None else {}
        reach = by.rights.reach(Permission.KEYS_ROTATE).allowed
        if reach.everything or reach.team_ids:
            accounts = (each for each in await tx.users.all() if each.kind is UserKind.SERVICE)
            owners |= {each.id: each for each in accounts}
        return owners

    def _view(self, found: KeyHandover, key: ApiKey, owner: User) -> HandoverView:
        return HandoverView(
            id=found.id,
            key_id=key.id,
            key_name=key.policy.name,
            owner=owner.email,
            link=self._link(found),
            created_at=instant(found.created_at_ms),
            expires_at=instant_or_none(key.policy.expires_at_ms),
            old_works_until=instant(found.old_works_until_ms),
        )

    def _link(self, found: KeyHandover) -> str | None:
        try:
            token = self._cipher.open(found.sealed_token, context=token_context(found.id))
        except InvalidRequest:  # the key it was sealed with has left the ring
            return None
        return link_of(token)


def new_handover(
    cipher: SecretCipher,
    *,
    handover_id: str,
    key: ApiKey,
    secret: Secret,
    random_bytes: bytes,
    now_ms: int,
    old_works_until_ms: int,
) -> tuple[KeyHandover, Secret]:
    """Return a hand-over of a key's secret, and its token made of `TOKEN_BYTES` random bytes."""
    if len(random_bytes) != TOKEN_BYTES:
        raise ValueError(f"a token needs exactly {TOKEN_BYTES} random bytes")
    token = Secret(urlsafe_b64encode(random_bytes).decode().rstrip("="))
    handover = KeyHandover(
        id=handover_id,
        key_id=key.id,
        token_hash=token_hash(token.reveal()),
        sealed_token=cipher.seal(token, context=token_context(handover_id)),
        sealed_secret=cipher.seal(secret, context=secret_context(handover_id)),
        created_at_ms=now_ms,
        old_works_until_ms=old_works_until_ms,
    )
    return handover, token


def token_hash(token: str) -> bytes:
    """Return the SHA-256 under which a token is looked up."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def link_of(token: Secret) -> str:
    """Return the one-time link: it opens nothing without the owner's own session."""
    return f"/api/keys/handovers/{token.reveal()}"


def secret_context(handover_id: str) -> str:
    """Return what the envelope of the secret is bound to."""
    return f"key-handover:{handover_id}:secret"


def token_context(handover_id: str) -> str:
    """Return what the envelope of the token is bound to."""
    return f"key-handover:{handover_id}:token"


async def _may_take(tx: Transaction, by: Actor, key: ApiKey, owner: User | None) -> bool:
    if owner is None:
        return False
    if owner.kind is UserKind.PERSON:
        return by.kind is ActorKind.USER and by.user_id == owner.id
    if not by.allows(Permission.KEYS_ROTATE, target_of_key(key, owner)):
        return False
    try:
        await require_may_hand_out(tx, by, owner, key.policy)
    except (BeyondOwnRights, Conflict):
        return False
    return True
