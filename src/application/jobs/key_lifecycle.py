"""Looks after keys: warns before they expire, rotates them, closes what is abandoned.

One replica works at a time, under a lease; and every step is bound to the state it found, so a
replica that only believes in its lease does nothing twice. Authentication enforces expiry, grace
and inactivity at once, from the clock; what is done here makes it visible.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog
from msgspec.structs import replace

from application.console.key_acts import KeyMaker, key_target
from application.console.key_handovers import TOKEN_BYTES, link_of, new_handover
from application.ports.clock import Clock, IdGenerator, Randomness
from application.ports.key_listing import ExpiryWarning
from application.ports.leases import LeaderLease
from application.ports.secrets import SecretCipher
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.access.actor import system_actor
from domain.errors import Conflict, DomainError, NotFound
from domain.keys.policy import ApiKey
from domain.keys.rotation import automatic_grace_ms
from domain.secret import Secret

LEASE = "key-lifecycle"
EVERY_S = 60.0
AT_ONCE = 100
MOST_BATCHES = 50
WARNING_DAYS = (14, 7, 3, 1)
SLACK_MS = 5 * 60_000
"""Uses reach the store within half a minute or so: a key is closed only well after that."""
BY_JOB = system_actor("key-lifecycle")

T = TypeVar("T")
log = structlog.get_logger(__name__)


class KeyLifecycle:
    """Runs in every worker; the holder of the lease works."""

    def __init__(
        self,
        uow: UnitOfWork,
        lease: LeaderLease,
        cipher: SecretCipher,
        *,
        clock: Clock,
        ids: IdGenerator,
        randomness: Randomness,
    ) -> None:
        """Take the ports."""
        self._uow = uow
        self._lease = lease
        self._cipher = cipher
        self._clock = clock
        self._ids = ids
        self._randomness = randomness
        self._maker = KeyMaker(clock, ids, randomness)

    async def run(self) -> None:
        """Work once a minute until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S * (0.75 + self._randomness.roll() / 2))
            try:
                await self.round()
            except DomainError as error:
                log.warning("key_lifecycle_waits", error=error.message)

    async def round(self) -> bool:
        """Do everything that is due, unless somebody else does; return whether it was done here.

        Raises:
            ServiceUnavailable: the store does not answer; what was done stays done.
        """
        async with self._lease.hold(LEASE) as holds:
            if holds:
                await self.work()
        return holds

    async def work(self) -> None:
        """Do everything that is due now, whoever else does.

        Raises:
            ServiceUnavailable
        """
        now_ms = self._clock.now_ms()

        async def batch(read: Callable[[Transaction], Awaitable[Sequence[T]]]) -> Sequence[T]:
            async with self._uow.begin() as tx:
                return await read(tx)

        await _each(
            lambda: batch(lambda tx: tx.key_listing.after_grace(now_ms, limit=AT_ONCE)),
            self._end_grace,
        )
        await _each(
            lambda: batch(
                lambda tx: tx.key_listing.abandoned(now_ms, slack_ms=SLACK_MS, limit=AT_ONCE)
            ),
            self._close,
        )
        await _each(
            lambda: batch(lambda tx: tx.key_listing.due_for_rotation(now_ms, limit=AT_ONCE)),
            self._rotate,
        )
        await _each(
            lambda: batch(
                lambda tx: tx.key_listing.expiring(now_ms, days=WARNING_DAYS, limit=AT_ONCE)
            ),
            self._warn,
        )
        await self._forget_handovers(now_ms)

    async def _end_grace(self, key: ApiKey) -> None:
        async with self._uow.begin() as tx:
            if await tx.key_listing.end_grace(key.id):
                tx.audit.record(BY_JOB, "key.end_grace", key_target(key), before=key)
                await tx.commit()

    async def _close(self, key: ApiKey) -> None:
        async with self._uow.begin() as tx:
            await tx.keys.revoke(key.lineage_id)
            # Read after the rows are locked: it may have been used, changed or rotated meanwhile.
            closed = (await tx.key_listing.lineage(key.lineage_id))[-1]
            if replace(closed, state=key.state) != key:
                raise Conflict("The key is not as it was when it was found unused.")
            tx.audit.record(
                BY_JOB,
                "key.close_unused",
                key_target(key),
                before=key,
                reason="It was not used for its inactivity limit.",
            )
            await tx.commit()
        log.warning("key_closed_unused", key_id=key.id, key_name=key.policy.name)

    async def _rotate(self, key: ApiKey) -> None:
        grace_ms = automatic_grace_ms(key.policy.rotation_period_ms or 0)
        now_ms = self._clock.now_ms()
        async with self._uow.begin() as tx:
            successor, secret = await self._maker.rotate(
                tx, BY_JOB, key, grace_ms=grace_ms, reason="Its rotation period is over."
            )
            token = await self._hand_over(tx, successor, secret, now_ms, now_ms + grace_ms)
            await tx.commit()
        log.warning(
            "key_handover_waits",
            key_id=successor.id,
            key_name=key.policy.name,
            owner_id=key.owner_id,
            link=link_of(token),
        )

    async def _hand_over(
        self,
        tx: Transaction,
        successor: ApiKey,
        secret: Secret,
        now_ms: int,
        old_works_until_ms: int,
    ) -> Secret:
        handover, token = new_handover(
            self._cipher,
            handover_id=self._ids.new_id(),
            key=successor,
            secret=secret,
            random_bytes=self._randomness.token_bytes(TOKEN_BYTES),
            now_ms=now_ms,
            old_works_until_ms=old_works_until_ms,
        )
        await tx.handovers.add(handover)
        return token

    async def _warn(self, warning: ExpiryWarning) -> None:
        key = warning.key
        async with self._uow.begin() as tx:
            await tx.key_listing.note_warning(warning)
            tx.audit.record(
                BY_JOB,
                "key.expiry_warning",
                key_target(key),
                reason=f"It expires within {warning.days} days.",
            )
            await tx.commit()
        log.warning(
            "key_expires_soon",
            key_id=key.id,
            key_name=key.policy.name,
            owner_id=key.owner_id,
            days=warning.days,
            expires_at_ms=key.policy.expires_at_ms,
        )

    async def _forget_handovers(self, now_ms: int) -> None:
        for _ in range(MOST_BATCHES):
            async with self._uow.begin() as tx:
                gone = await tx.handovers.forget_dead(now_ms, limit=AT_ONCE)
                await tx.commit()
            if gone < AT_ONCE:
                return


async def _each(
    read: Callable[[], Awaitable[Sequence[T]]], work: Callable[[T], Awaitable[None]]
) -> None:
    """Work on what `read` returns, batch by batch; who was faster elsewhere has done it."""
    for _ in range(MOST_BATCHES):
        found = await read()
        done = 0
        for each in found:
            try:
                await work(each)
                done += 1
            except (Conflict, NotFound) as error:
                log.info("key_was_changed_meanwhile", error=error.message)
        if len(found) < AT_ONCE or done == 0:
            return
