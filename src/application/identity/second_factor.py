"""Second factors: set up, shown, taken away (console.md section 2)."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from application.identity.passwords import LocalPasswords, signed_in
from application.ports.clock import Clock, Randomness
from application.ports.identity import OneTimeCodes
from application.ports.secrets import SecretCipher
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.access.actor import Actor
from domain.access.refusals import SignInFailed, TotpRequired
from domain.access.second_factor import (
    RECOVERY_BYTES,
    RECOVERY_CODES,
    SECRET_BYTES,
    SecondFactor,
    recovery_codes,
    recovery_hash,
    sealing_context,
)
from domain.errors import Conflict, InvalidRequest, NotFound
from domain.identifiers import UserId
from domain.records.audit import AuditTarget
from domain.secret import Secret
from domain.settings.catalog import Settings

ISSUER = "ThinkWatch"


class Enrolment(Struct, frozen=True, kw_only=True):
    """What an authenticator is set up with, shown once. `picture` is a QR code of `uri`."""

    secret: Secret
    uri: Secret
    picture: Secret


class SecondFactors:
    """Codes are accepted once each; a recovery code stands in for the authenticator."""

    def __init__(
        self,
        uow: UnitOfWork,
        passwords: LocalPasswords,
        codes: OneTimeCodes,
        cipher: SecretCipher,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        """Take the ports and what passwords are asked again with."""
        self._uow = uow
        self._passwords = passwords
        self._codes = codes
        self._cipher = cipher
        self._clock = clock
        self._randomness = randomness

    async def require(
        self,
        tx: Transaction,
        user_id: UserId,
        totp_code: Secret | None,
        recovery_code: Secret | None,
    ) -> None:
        """Accept a code of a user who has a second factor; nothing for one who has none.

        Raises:
            TotpRequired: no code was sent.
            SignInFailed: it is not right, or was used before.
        """
        factor = await tx.second_factors.find(user_id)
        if factor is None or not factor.confirmed:
            return
        if totp_code is not None:
            if not await self._accept(tx, factor, totp_code):
                raise SignInFailed
        elif recovery_code is not None:
            digest = recovery_hash(recovery_code)
            if digest is None or not await tx.second_factors.use_recovery_code(user_id, digest):
                raise SignInFailed
        else:
            raise TotpRequired

    async def begin(self, by: Actor) -> Enrolment:
        """Make a secret for an authenticator; it protects nothing until a code was shown.

        Raises:
            SessionRequired
            Conflict: there is a second factor.
        """
        user_id = signed_in(by)
        secret = self._codes.secret(self._randomness.token_bytes(SECRET_BYTES))
        factor = SecondFactor(
            user_id=user_id,
            sealed_secret=self._cipher.seal(secret, context=sealing_context(user_id)),
            created_at_ms=self._clock.now_ms(),
        )
        async with self._uow.begin(exclusive=True) as tx:
            present = await tx.second_factors.find(user_id)
            if present is not None and present.confirmed:
                raise Conflict("There is a second factor already; disable it first.")
            await tx.second_factors.put(factor)
            tx.audit.record(by, "second_factor.begin", _target(by))
            await tx.commit()
        uri = self._codes.uri(secret, account=by.name, issuer=ISSUER)
        return Enrolment(secret=secret, uri=uri, picture=self._codes.picture(uri))

    async def confirm(self, by: Actor, code: Secret) -> Sequence[Secret]:
        """Turn the second factor on with a first code; return the recovery codes, shown once.

        The user's other sessions end: they were not begun with a second factor.

        Raises:
            SessionRequired, TooManyAttempts
            NotFound: none was begun.
            Conflict: it is on already.
            InvalidRequest: the code is not right.
        """
        user_id = signed_in(by)
        await self._passwords.begin_attempt(by.name, by.origin)
        fresh = self._recovery_codes()
        async with self._uow.begin(exclusive=True) as tx:
            factor = await tx.second_factors.find(user_id)
            if factor is None:
                raise NotFound("No second factor was begun.")
            if factor.confirmed:
                raise Conflict("The second factor is on already.")
            if not await self._accept(tx, factor, code):
                raise InvalidRequest("The code is not right.", param="code")
            await self._keep_codes(tx, user_id, fresh)
            assert by.session_id is not None
            await tx.sessions.prove_second_factor(by.session_id)
            await tx.sessions.remove_of_user(user_id, except_id=by.session_id)
            tx.audit.record(by, "second_factor.enable", _target(by))
            await tx.commit()
        await self._passwords.end_attempt(by.name, by.origin)
        return fresh

    async def disable(self, by: Actor, password: Secret) -> None:
        """Turn the second factor off.

        Raises:
            SessionRequired, WrongPassword, TooManyAttempts
            NotFound: there is none.
        """
        await self._passwords.ask_again(by, password)
        async with self._uow.begin() as tx:
            if not await tx.second_factors.remove(signed_in(by)):
                raise NotFound("There is no second factor.")
            tx.audit.record(by, "second_factor.disable", _target(by))
            await tx.commit()

    async def new_recovery_codes(self, by: Actor, password: Secret) -> Sequence[Secret]:
        """Replace the recovery codes; return the new ones, shown once.

        Raises:
            SessionRequired, WrongPassword, TooManyAttempts
            NotFound: there is no second factor.
        """
        await self._passwords.ask_again(by, password)
        fresh = self._recovery_codes()
        async with self._uow.begin() as tx:
            factor = await tx.second_factors.find(signed_in(by))
            if factor is None or not factor.confirmed:
                raise NotFound("There is no second factor.")
            await self._keep_codes(tx, factor.user_id, fresh)
            tx.audit.record(by, "second_factor.renew_recovery_codes", _target(by))
            await tx.commit()
        return fresh

    def _recovery_codes(self) -> tuple[Secret, ...]:
        return recovery_codes(self._randomness.token_bytes(RECOVERY_CODES * RECOVERY_BYTES))

    async def _keep_codes(self, tx: Transaction, user_id: UserId, codes: Sequence[Secret]) -> None:
        factor = await tx.second_factors.find(user_id)
        assert factor is not None
        hashes = (recovery_hash(code) for code in codes)
        kept = tuple(each for each in hashes if each is not None)
        await tx.second_factors.put(replace(factor, confirmed=True, recovery_hashes=kept))

    async def _accept(self, tx: Transaction, factor: SecondFactor, code: Secret) -> bool:
        secret = self._cipher.open(factor.sealed_secret, context=factor.context)
        step = self._codes.step_of(code, secret, self._clock.now_ms())
        return step is not None and await tx.second_factors.accept_step(factor.user_id, step)


def totp_required_of(settings: Settings, roles: Sequence[str]) -> bool:
    """Tell whether somebody with these roles must have a second factor."""
    named = settings.text("security.totp_required_roles").split(",")
    return not {each.strip() for each in named}.isdisjoint(roles)


def _target(by: Actor) -> AuditTarget:
    return AuditTarget(kind="user", id=by.user_id or "", name=by.name)
