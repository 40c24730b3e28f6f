"""Create, list, rotate and revoke keys."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from application.console.key_acts import KeyMaker, revoke_key
from application.ports.clock import Clock, IdGenerator, Randomness
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.access.accounts import User, normal_email
from domain.access.actor import Actor
from domain.errors import InvalidRequest, NotFound
from domain.identifiers import ApiKeyId, TeamId
from domain.keys.api_key import KeyState
from domain.keys.policy import ApiKey, KeyPolicy
from domain.keys.rotation import DEFAULT_GRACE_MS
from domain.keys.secret import is_well_formed
from domain.secret import Secret


class NewKey(Struct, frozen=True, kw_only=True):
    """Wish for a key.

    Attributes:
        owner_email: None means the only user there is.
        team_names: teams the key counts for besides those of its owner; they are looked up and
            put into the policy.
        lifetime_ms: sets the policy's expiry to this long from now.
        secret: a well-formed key to import; minted when None.
    """

    policy: KeyPolicy
    owner_email: str | None = None
    team_names: tuple[str, ...] = ()
    lifetime_ms: int | None = None
    secret: Secret | None = None


class IssuedKey(Struct, frozen=True, kw_only=True):
    """A key at the only moment at which its secret is known."""

    key: ApiKey
    owner_email: str
    secret: Secret


class ListedKey(Struct, frozen=True, kw_only=True):
    """A key as listings show it; `condition` is that of `ApiKey.condition`."""

    key: ApiKey
    owner_email: str
    condition: str


class ManageKeys:
    """Keys by the names people give them, for commands."""

    def __init__(
        self, uow: UnitOfWork, clock: Clock, ids: IdGenerator, randomness: Randomness
    ) -> None:
        """Take the ports."""
        self._uow = uow
        self._clock = clock
        self._maker = KeyMaker(clock, ids, randomness)

    async def create(self, by: Actor, wanted: NewKey) -> IssuedKey:
        """Store a new key.

        Raises:
            InvalidRequest: the policy, owner, team or secret cannot be.
            NotFound: no such owner or team, or the actor may not see it.
            PermissionDenied, BeyondOwnRights: see `key_acts`.
            Conflict: the owner has an active key of that name, or the secret was used before.
        """
        policy = wanted.policy
        if wanted.lifetime_ms is not None:
            policy = replace(policy, expires_at_ms=self._clock.now_ms() + wanted.lifetime_ms)
        if wanted.secret is not None and not is_well_formed(wanted.secret.reveal()):
            raise InvalidRequest(
                "The secret is not a well-formed key; leave it out to have one made.",
                param="secret",
            )
        async with self._uow.begin() as tx:
            owner = await _owner(tx, wanted.owner_email)
            policy = replace(policy, team_ids=await _teams(tx, wanted.team_names))
            key, secret = await self._maker.create(tx, by, owner, policy, secret=wanted.secret)
            await tx.commit()
        return IssuedKey(key=key, owner_email=owner.email, secret=secret)

    async def list(
        self, *, owner_email: str | None = None, include_ended: bool = False
    ) -> Sequence[ListedKey]:
        """Return keys, oldest first; those that no longer work only with `include_ended`."""
        now_ms = self._clock.now_ms()
        async with self._uow.begin() as tx:
            keys = await tx.keys.all()
            emails = {user.id: user.email for user in await tx.users.all()}
        listed = [
            ListedKey(
                key=key,
                owner_email=emails.get(key.owner_id, "(removed)"),
                condition=key.condition(now_ms),
            )
            for key in keys
        ]
        return [
            each
            for each in listed
            if (include_ended or each.condition in ("active", "rotated"))
            and (owner_email is None or each.owner_email == owner_email.strip().lower())
        ]

    async def rotate(
        self, by: Actor, reference: str, *, grace_ms: int = DEFAULT_GRACE_MS
    ) -> IssuedKey:
        """Give a key a new secret; the old one works until the grace period ends.

        `reference` is an id, or a name that only one active key has.

        Raises:
            NotFound: no such key.
            InvalidRequest: the name is ambiguous, or the grace period out of bounds.
            Conflict: the key is not active, or somebody else rotated it first.
        """
        async with self._uow.begin() as tx:
            key = await _find(tx, reference)
            successor, secret = await self._maker.rotate(tx, by, key, grace_ms=grace_ms)
            email = await _email_of(tx, key)
            await tx.commit()
        return IssuedKey(key=successor, owner_email=email, secret=secret)

    async def revoke(self, by: Actor, reference: str) -> ListedKey:
        """End a key and whatever of its lineage is in its grace period, for good.

        Raises:
            NotFound: no such key, or it is revoked already.
            InvalidRequest: the name is ambiguous.
        """
        async with self._uow.begin() as tx:
            key = await _find(tx, reference)
            await revoke_key(tx, by, key)
            email = await _email_of(tx, key)
            await tx.commit()
        revoked = replace(key, state=KeyState.REVOKED)
        return ListedKey(key=revoked, owner_email=email, condition=revoked.state.value)


async def _owner(tx: Transaction, email: str | None) -> User:
    if email is None:
        users = await tx.users.all()
        if len(users) != 1:
            raise InvalidRequest("Say whose key it is with the owner's e-mail.", param="owner")
        owner = users[0]
    else:
        try:
            found = await tx.users.by_email(normal_email(email))
        except ValueError as error:
            raise InvalidRequest(f"The owner is not valid: {error}.", param="owner") from error
        if found is None:
            raise NotFound(f"There is no user '{email}'.")
        owner = found
    return owner


async def _teams(tx: Transaction, names: tuple[str, ...]) -> frozenset[TeamId]:
    ids = {team.name: team.id for team in await tx.teams.all()} if names else {}
    for name in names:
        if name not in ids:
            raise NotFound(f"There is no team '{name}'.")
    return frozenset(ids[name] for name in names)


async def _find(tx: Transaction, reference: str) -> ApiKey:
    if (key := await tx.keys.find(ApiKeyId(reference))) is not None:
        return key
    named = [
        key
        for key in await tx.keys.all()
        if key.policy.name == reference and key.state is KeyState.ACTIVE
    ]
    if not named:
        raise NotFound(f"There is no active key '{reference}'.")
    if len(named) > 1:
        ids = ", ".join(key.id for key in named)
        raise InvalidRequest(f"Several keys are named '{reference}'; give one of the ids: {ids}.")
    return named[0]


async def _email_of(tx: Transaction, key: ApiKey) -> str:
    emails = {user.id: user.email for user in await tx.users.all()}
    return emails.get(key.owner_id, "(removed)")
