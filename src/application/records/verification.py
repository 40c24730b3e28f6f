"""Is the audit trail what it was?

The rows are held against one another, the noted end, the signed checkpoints, and the copy in the
log store.
Whoever can write to the database can rewrite rows with all hashes after them, and the head. He
cannot sign checkpoints, and he cannot change the copy, which is elsewhere.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from msgspec import Struct

from application.ports.audit_copy import AuditCopy
from application.ports.audit_log import AuditArchive, Checkpoint, Signer
from domain.errors import ServiceUnavailable
from domain.records.audit import Break, ChainHead, verify

BATCH = 500
_LOWEST = -(2**63)


class CopyState(StrEnum):
    """What is known from the copy in the log store."""

    COMPARED = "compared"
    UNREACHABLE = "unreachable"
    NONE = "none"


class TrailReport(Struct, frozen=True, kw_only=True):
    """The state of the chain.

    Attributes:
        events: how many events in a row are right, from the first one on.
        head: the last of them.
        first_bad: the first event that is not what it was; None when all are.
        checkpoints: how many were checked.
        unchecked_checkpoints: how many could not be, for want of a key ring.
        copied: number of the last event in the copy; None without a copy.
    """

    events: int
    head: ChainHead
    first_bad: Break | None
    checkpoints: int
    unchecked_checkpoints: int = 0
    last_checkpoint: Checkpoint | None
    copy: CopyState = CopyState.NONE
    copied: int | None = None

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return self.first_bad is None


class VerifyTrail:
    """Reads the whole trail in batches; it may grow meanwhile."""

    def __init__(
        self,
        archive: AuditArchive,
        signer: Signer,
        copy: AuditCopy | None = None,
        *,
        batch: int = BATCH,
    ) -> None:
        """Without `copy`, a tail that was cut with its checkpoints cannot be missed."""
        self._archive = archive
        self._signer = signer
        self._copy = copy
        self._batch = batch

    async def run(self) -> TrailReport:
        """Verify everything.

        Raises:
            ServiceUnavailable: the trail cannot be read now; an unreachable copy is only told.
        """
        # Both are read before the trail, which is written first: it must have at least as much.
        copied, state = await self._copied()
        last = await self._archive.last_checkpoint()
        walk = _Walk(self._signer, copied)
        await self._before_the_beginning(walk)
        await self._walk(walk)
        if last is not None and walk.whole:
            await self._beyond_the_end(walk, last)
        if copied is not None and copied.sequence > walk.head.sequence and walk.whole:
            walk.missing(f"the copy in the log store ends with event {copied.sequence}")
        if copied is not None and (walk.differs or walk.found):
            await self._compare(walk)
        return TrailReport(
            events=walk.head.sequence,
            head=walk.head,
            first_bad=walk.first(),
            checkpoints=walk.checkpoints,
            last_checkpoint=walk.last or last,
            copy=state,
            copied=copied.sequence if copied is not None else None,
        )

    async def _copied(self) -> tuple[ChainHead | None, CopyState]:
        if self._copy is None:
            return None, CopyState.NONE
        try:
            return await self._copy.head(), CopyState.COMPARED
        except ServiceUnavailable:
            return None, CopyState.UNREACHABLE

    async def _before_the_beginning(self, walk: "_Walk") -> None:
        rows = await self._archive.rows(_LOWEST, 1)
        if rows and rows[0].sequence < 1:
            walk.found.append(Break(sequence=rows[0].sequence, fault="is before the first event"))
        for mark in await self._archive.checkpoints(until=0):
            walk.found.append(
                Break(sequence=mark.sequence, fault="has a checkpoint but cannot be there")
            )

    async def _beyond_the_end(self, walk: "_Walk", last: Checkpoint) -> None:
        end = walk.head.sequence
        for mark in await self._archive.checkpoints(after=end, until=last.sequence):
            walk.check({}, [mark])
            if walk.whole and self._signer.verify(mark.signed_text(), mark.signature, mark.key_id):
                walk.missing(f"a signed checkpoint names event {mark.sequence}")

    async def _walk(self, walk: "_Walk") -> None:
        while walk.whole:
            rows = await self._archive.rows(walk.head.sequence, self._batch)
            if rows:
                marks = await self._archive.checkpoints(
                    after=walk.head.sequence, until=rows[-1].sequence
                )
                walk.check({row.sequence: row.hash for row in rows}, marks)
                walk.went(verify(walk.head, rows))
                continue
            end = await self._archive.head()
            if end.sequence > walk.head.sequence:
                if not await self._archive.rows(walk.head.sequence, 1):
                    walk.missing(f"the chain is noted to end with event {end.sequence}")
                continue
            if end.sequence < walk.head.sequence:
                number = max(end.sequence, 0) + 1
                walk.went(Break(sequence=number, fault="is beyond the noted end of the chain"))
            elif end.hash != walk.head.hash:
                walk.went(
                    Break(sequence=walk.head.sequence, fault="is not the noted end of the chain")
                )
            return

    async def _compare(self, walk: "_Walk") -> None:
        """Find the first row that differs from its copy: it may be before the first bad link."""
        assert self._copy is not None
        after = 0
        try:
            while True:
                copies = await self._copy.hashes(after, self._batch)
                if not copies:
                    return
                rows = await self._archive.rows(after, copies[-1].sequence - after)
                hashes = {row.sequence: row.hash for row in rows}
                for each in copies:
                    if hashes.get(each.sequence) != each.hash:
                        fault = "is not as the log store has it"
                        if each.sequence not in hashes:
                            fault = "is missing; the log store has it"
                        walk.found.append(Break(sequence=each.sequence, fault=fault))
                        return
                after = copies[-1].sequence
        except ServiceUnavailable:
            return


class _Walk:
    """How far the trail was walked, and what was found on the way."""

    def __init__(self, signer: Signer, copied: ChainHead | None) -> None:
        self._signer = signer
        self._copied = copied
        self.head = ChainHead()
        self.found: list[Break] = []
        self.checkpoints = 0
        self.last: Checkpoint | None = None
        self.whole = True
        self.differs = False

    def check(self, hashes: Mapping[int, bytes], marks: Iterable[Checkpoint]) -> None:
        for mark in marks:
            self.checkpoints += 1
            self.last = mark
            fault = checkpoint_fault(mark, hashes.get(mark.sequence), self._signer)
            if fault is not None:
                self.found.append(Break(sequence=mark.sequence, fault=fault))
        if self._copied is not None and self._copied.sequence in hashes:
            self.differs = hashes[self._copied.sequence] != self._copied.hash

    def went(self, end: ChainHead | Break) -> None:
        if isinstance(end, Break):
            self.found.append(end)
            self.whole = False
        else:
            self.head = end

    def missing(self, why: str) -> None:
        self.went(Break(sequence=self.head.sequence + 1, fault=f"is missing: {why}"))

    def first(self) -> Break | None:
        return min(self.found, key=lambda each: each.sequence, default=None)


def checkpoint_fault(mark: Checkpoint, hash_there: bytes | None, signer: Signer) -> str | None:
    """Return what is wrong with a checkpoint, given the hash of the event that it names."""
    match signer.verify(mark.signed_text(), mark.signature, mark.key_id):
        case None:
            return f"has a checkpoint by key {mark.key_id[:40]}, which is not in ENCRYPTION_KEY"
        case False:
            return "has a checkpoint with a wrong signature"
        case True:
            pass
    if hash_there is None:
        return "has a checkpoint but is not there"
    if hash_there != mark.hash:
        return "is not the event that was signed; those before it may have been changed too"
    return None
