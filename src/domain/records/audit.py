"""The administrative audit trail: what was done by whom, and the hash chain over it (audit.md).

An event is kept as the exact JSON text that was hashed. `hash = SHA-256(previous hash || content)`,
and the content has the event's own number, so an edit, an insertion, a deletion and a change of
order are all found, and the first bad row is known. Whoever could rewrite the whole chain is
stopped by signed checkpoints.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from hashlib import sha256
from typing import cast

import msgspec
from msgspec import Struct

from domain.access.actor import Actor
from domain.identifiers import EventId
from domain.secret import Secret

GENESIS = bytes(32)
"""The previous hash of the first event."""
MASK = "…"
LONGEST_STATE = 64 * 1024
"""Bytes of one of before and after; a longer one is replaced by a note of its size and digest."""
LONGEST_TEXT = 2_000
_SECRET_ANYWHERE = ("secret", "password", "credential", "sealed", "private_key", "api_key")
_SECRET_AT_THE_END = ("token", "hash", "verifier")

State = Mapping[str, object]
"""An object before or after a change, as plain JSON values with secrets masked."""


class AuditOutcome(StrEnum):
    """What became of it."""

    SUCCESS = "success"
    DENIED = "denied"
    FAILED = "failed"


class AuditTarget(Struct, frozen=True, kw_only=True):
    """What was acted on. `name` is a snapshot: it never changes with the object."""

    kind: str
    id: str = ""
    name: str = ""


class AuditEntry(Struct, frozen=True, kw_only=True):
    """Something that was done or refused, before it has its place in the chain."""

    id: EventId
    at_ms: int
    actor_kind: str
    actor_id: str
    actor_name: str
    action: str
    target: AuditTarget
    outcome: AuditOutcome = AuditOutcome.SUCCESS
    reason: str | None = None
    before: dict[str, object] | None = None
    after: dict[str, object] | None = None
    ip: str | None = None
    user_agent: str | None = None
    request_id: str | None = None
    session_id: str | None = None


class _Numbered(Struct, frozen=True, kw_only=True):
    """The content of a row: the entry with its number."""

    sequence: int
    schema: str = "thinkwatch.audit/1"
    entry: AuditEntry


class ChainedEvent(Struct, frozen=True, kw_only=True):
    """A row of the trail: number, exact content, its hash and that of the row before."""

    sequence: int
    content: str
    previous_hash: bytes
    hash: bytes

    def entry(self) -> AuditEntry:
        """Return the event. Raises `msgspec.MsgspecError` for content that is none."""
        return msgspec.json.decode(self.content, type=_Numbered).entry


class ChainHead(Struct, frozen=True, kw_only=True):
    """The end of the chain: number and hash of its last event."""

    sequence: int = 0
    hash: bytes = GENESIS


class Break(Struct, frozen=True, kw_only=True):
    """The first row that is not what it was, and what is wrong with it."""

    sequence: int
    fault: str


def entry(
    by: Actor,
    action: str,
    target: AuditTarget,
    *,
    event_id: EventId,
    at_ms: int,
    outcome: AuditOutcome = AuditOutcome.SUCCESS,
    reason: str | None = None,
    before: object = None,
    after: object = None,
) -> AuditEntry:
    """Return what is recorded of an act. `before` and `after` are masked (see `state`)."""
    return AuditEntry(
        id=event_id,
        at_ms=at_ms,
        actor_kind=by.kind.value,
        actor_id=by.id,
        actor_name=_text(by.name) or "",
        action=action,
        target=AuditTarget(
            kind=target.kind, id=_text(target.id) or "", name=_text(target.name) or ""
        ),
        outcome=outcome,
        reason=_text(reason),
        before=state(before),
        after=state(after),
        ip=by.origin.ip,
        user_agent=_text(by.origin.user_agent),
        request_id=by.origin.request_id,
        session_id=by.session_id,
    )


def chained(head: ChainHead, entries: Iterable[AuditEntry]) -> list[ChainedEvent]:
    """Return the rows that continue the chain after `head`."""
    rows: list[ChainedEvent] = []
    sequence, previous = head.sequence, head.hash
    for each in entries:
        sequence += 1
        content = msgspec.json.encode(_Numbered(sequence=sequence, entry=each)).decode()
        row = ChainedEvent(
            sequence=sequence,
            content=content,
            previous_hash=previous,
            hash=link(previous, content),
        )
        rows.append(row)
        previous = row.hash
    return rows


def link(previous: bytes, content: str) -> bytes:
    """Return the hash of a row with this content after the row with hash `previous`."""
    return sha256(previous + content.encode("utf-8", "surrogatepass")).digest()


def verify(before: ChainHead, rows: Iterable[ChainedEvent]) -> ChainHead | Break:
    """Check rows that should follow `before`, in the order of their numbers.

    Returns the head after them, or the first row that is wrong.
    """
    sequence, previous = before.sequence, before.hash
    for row in rows:
        expected = sequence + 1
        if row.sequence != expected:
            fault = "is missing" if row.sequence > expected else "is there twice"
            return Break(sequence=min(row.sequence, expected), fault=fault)
        if row.previous_hash != previous:
            return Break(sequence=expected, fault="does not follow the event before it")
        if link(previous, row.content) != row.hash:
            return Break(sequence=expected, fault="has other content than was recorded")
        if _own_number(row.content) != expected:
            return Break(sequence=expected, fault="has the content of another event")
        sequence, previous = expected, row.hash
    return ChainHead(sequence=sequence, hash=previous)


def state(value: object) -> dict[str, object] | None:
    """Return an object as plain JSON values; None for None.

    Secrets are masked by their type, raw bytes likewise, and members whose name says that they are
    a secret whatever their type: a mask too many is better than one too few.
    """
    if value is None:
        return None
    plain: object = msgspec.to_builtins(
        value, enc_hook=_masked, str_keys=True, builtin_types=(bytes, bytearray), order="sorted"
    )
    members = cast("dict[str, object]", plain) if isinstance(plain, dict) else {"value": plain}
    clean = {name: _clean(name, member) for name, member in members.items()}
    encoded = msgspec.json.encode(clean)
    if len(encoded) > LONGEST_STATE:
        return {"too_long": {"bytes": len(encoded), "sha256": sha256(encoded).hexdigest()}}
    return clean


def _masked(value: object) -> object:
    if isinstance(value, Secret):
        return MASK
    return str(value)


def _clean(name: str, value: object) -> object:
    match value:
        case dict():
            members = cast("dict[str, object]", value)
            return {inner: _clean(inner, member) for inner, member in members.items()}
        case list():
            return [_clean(name, member) for member in cast("list[object]", value)]
        case bytes() | bytearray():
            return MASK
        case str() if value and _names_a_secret(name.lower()):
            return MASK
        case str():
            return value.replace("\x00", "").encode("utf-8", "replace").decode()
        case _:
            return value


def _names_a_secret(name: str) -> bool:
    return name.endswith(_SECRET_AT_THE_END) or any(part in name for part in _SECRET_ANYWHERE)


def _text(value: str | None) -> str | None:
    if value is None:
        return None
    return value.replace("\x00", "").encode("utf-8", "replace").decode()[:LONGEST_TEXT]


def _own_number(content: str) -> int | None:
    try:
        return msgspec.json.decode(content, type=_Numbered).sequence
    except msgspec.MsgspecError:
        return None
