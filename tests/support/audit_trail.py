"""Audit trails of a few events, and somebody who signs."""

from collections.abc import Sequence

from adapters.crypto.signing import Ed25519Signer
from application.ports.audit_log import Checkpoint
from domain.identifiers import EventId
from domain.records.audit import (
    AuditTarget,
    ChainedEvent,
    ChainHead,
    chained,
    entry,
)
from tests.support.acting import OPERATOR
from tests.support.configuration import NOW_MS

SIGNER = Ed25519Signer([b"k" * 32], purpose="audit")


def some_rows(count: int, after: ChainHead | None = None, word: str = "key") -> list[ChainedEvent]:
    """Return a chain of so many events."""
    head = after or ChainHead()
    return chained(
        head,
        [
            entry(
                OPERATOR,
                f"{word}.create",
                AuditTarget(kind=word, id=f"{word}-{number}", name=f"ключ {number}"),
                event_id=EventId(f"019a0000-0000-7000-8000-{number:012d}"),
                at_ms=NOW_MS + number,
                after={"number": number},
            )
            for number in range(head.sequence + 1, head.sequence + count + 1)
        ],
    )


def signed(row: ChainedEvent) -> Checkpoint:
    """Return a checkpoint of this event."""
    bare = Checkpoint(
        sequence=row.sequence, hash=row.hash, at_ms=NOW_MS, key_id=SIGNER.key_id, signature=b""
    )
    return Checkpoint(
        sequence=bare.sequence,
        hash=bare.hash,
        at_ms=bare.at_ms,
        key_id=bare.key_id,
        signature=SIGNER.sign(bare.signed_text()),
    )


def head_of(rows: Sequence[ChainedEvent]) -> ChainHead:
    """Return the end of a chain."""
    return ChainHead(sequence=rows[-1].sequence, hash=rows[-1].hash) if rows else ChainHead()
