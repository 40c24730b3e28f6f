"""Copies the audit trail to the log store and signs where it ends."""

import asyncio

import structlog

from application.jobs.backoff import Backoff
from application.ports.audit_copy import AuditCopy
from application.ports.audit_log import AuditArchive, Checkpoint, Signer
from application.ports.clock import Clock, Randomness
from application.ports.leases import LeaderLease
from domain.errors import DomainError, ServiceUnavailable
from domain.records.audit import Break, ChainHead, verify

LEASE = "ship-audit"
BATCH = 500
LOOK_EVERY_S = 1.0
SIGN_EVERY_MS = 10_000
# Leadership is asked for again after this long: a leader that lost its lock with the connection
# does not notice otherwise. What two leaders do at once does no harm.
LEADS_FOR_MS = 60_000
STANDS_BY_S = 5.0

log = structlog.get_logger(__name__)


class ShipAudit:
    """One process at a time. It carries on from what the copy and the checkpoints have.

    Nothing is copied or signed that does not continue the chain: a trail that was changed must not
    get a signature for it.
    """

    def __init__(
        self,
        archive: AuditArchive,
        copy: AuditCopy,
        signer: Signer,
        leases: LeaderLease,
        *,
        clock: Clock,
        randomness: Randomness,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        """Take the ports."""
        self._archive = archive
        self._copy = copy
        self._signer = signer
        self._leases = leases
        self._clock = clock
        self._randomness = randomness
        self._look_every_s = look_every_s
        self._backoff = Backoff(first_s=0.5, longest_s=30.0)
        self._copied: ChainHead | None = None
        self._signed: ChainHead | None = None
        self._signed_at_ms = 0
        self._signed_number = 0
        self._copy_lost = False
        self._broken: Break | None = None

    async def run(self) -> None:
        """Lead when nobody else does, until cancelled."""
        while True:
            try:
                pause = await self._lead()
                self._backoff.reset()
            except DomainError as error:
                if self._backoff.failures == 1:
                    log.warning("audit_waits_for_its_store", error=error.message)
                pause = self._backoff.next_delay(self._randomness.roll())
            await asyncio.sleep(pause)

    async def round(self) -> None:
        """Copy what is new and sign the end; call it under the lease.

        A log store that does not answer only delays the copy.

        Raises:
            ServiceUnavailable: the trail cannot be read now.
        """
        await self._sign()
        try:
            await self._ship()
        except ServiceUnavailable as error:
            self._copied = None
            if not self._copy_lost:
                log.warning("audit_copy_waits", error=error.message)
            self._copy_lost = True
        else:
            self._copy_lost = False

    async def _lead(self) -> float:
        async with self._leases.hold(LEASE) as leading:
            if not leading:
                return STANDS_BY_S
            self._copied = self._signed = None  # another leader may have gone on since
            until_ms = self._clock.now_ms() + LEADS_FOR_MS
            while self._clock.now_ms() < until_ms:
                await self.round()
                await asyncio.sleep(self._look_every_s)
        return 0.0

    async def _ship(self) -> None:
        copied = self._copied or await self._copy.head()
        while rows := await self._archive.rows(copied.sequence, BATCH):
            end = verify(copied, rows)
            if isinstance(end, Break):
                self._report(end)
                return
            await self._copy.add(rows)
            copied = end
        self._copied = copied

    async def _sign(self) -> None:
        now_ms = self._clock.now_ms()
        signed = self._signed or await self._last_signed(now_ms)
        if now_ms < self._signed_at_ms + SIGN_EVERY_MS:
            return
        end = await self._end(signed)
        if isinstance(end, ChainHead) and self._signed is None:
            end = await self._unlike_its_copy() or end
        if isinstance(end, Break):
            self._report(end)
            return
        self._signed = end
        if end.sequence == self._signed_number:
            return
        unsigned = Checkpoint(
            sequence=end.sequence,
            hash=end.hash,
            at_ms=now_ms,
            key_id=self._signer.key_id,
            signature=b"",
        )
        signature = self._signer.sign(unsigned.signed_text())
        await self._archive.add_checkpoint(
            Checkpoint(
                sequence=end.sequence,
                hash=end.hash,
                at_ms=now_ms,
                key_id=unsigned.key_id,
                signature=signature,
            )
        )
        self._signed_at_ms, self._signed_number = now_ms, end.sequence
        # In the log as well, which is often kept where the database's administrator cannot write.
        log.info(
            "audit_checkpoint",
            sequence=end.sequence,
            hash=end.hash.hex(),
            at_ms=now_ms,
            key_id=unsigned.key_id,
            signature=signature.hex(),
        )

    async def _last_signed(self, now_ms: int) -> ChainHead:
        last = await self._archive.last_checkpoint()
        if last is None:
            self._signed_number = 0
            return ChainHead()
        self._signed_number = last.sequence
        self._signed_at_ms = min(last.at_ms, now_ms)
        return ChainHead(sequence=last.sequence, hash=last.hash)

    async def _unlike_its_copy(self) -> Break | None:
        """Tell whether the trail has another event where its copy ends.

        Whoever rewrote it and deleted the checkpoints there were must not get new ones.
        """
        try:
            copied = await self._copy.head()
        except ServiceUnavailable:
            return None
        rows = await self._archive.rows(copied.sequence - 1, 1)
        there = ChainHead(sequence=rows[0].sequence, hash=rows[0].hash) if rows else ChainHead()
        if copied in (there, ChainHead()):
            return None
        return Break(sequence=copied.sequence, fault="is not the event that was copied")

    async def _end(self, signed: ChainHead) -> ChainHead | Break:
        """Return the end of the chain that continues what was signed."""
        noted = await self._archive.head()
        if noted.sequence < signed.sequence:
            return Break(sequence=noted.sequence + 1, fault="was signed and is missing")
        end = signed
        while rows := await self._archive.rows(end.sequence, BATCH):
            reached = verify(end, rows)
            if isinstance(reached, Break):
                return reached
            end = reached
        if end.sequence < noted.sequence:
            return Break(sequence=end.sequence + 1, fault="is missing")
        return end

    def _report(self, broken: Break) -> None:
        if broken != self._broken:
            log.error("audit_chain_broken", sequence=broken.sequence, fault=broken.fault)
        self._broken = broken
