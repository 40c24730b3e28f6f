"""The copy of the audit trail in ClickHouse: the table `audit`."""

from collections.abc import Sequence

import msgspec
from clickhouse_connect.driver.client import Client
from msgspec import Struct

from adapters.clickhouse.client import ClickHouse
from application.ports.audit_copy import AuditCopy
from domain.records.audit import ChainedEvent, ChainHead

INSERT_TIMEOUT_S = 10

# `argMin`: of rows with one number the one that was stored first is the copy.
_HEAD = """
SELECT sequence, argMin(hash, stored_at) AS hash FROM audit
WHERE sequence = (SELECT max(sequence) FROM audit) GROUP BY sequence"""
_HASHES = """
SELECT sequence, argMin(hash, stored_at) AS hash FROM audit
WHERE sequence > {after:Int64} GROUP BY sequence ORDER BY sequence LIMIT {limit:UInt32}"""
_FORMAT = """
SETTINGS output_format_json_quote_64bit_integers = 0, max_execution_time = 20
FORMAT JSONEachRow"""


class _Hash(Struct, frozen=True):
    sequence: int
    hash: str


class _Row(Struct, frozen=True, kw_only=True):
    """A row of the table; hashes are hexadecimal."""

    sequence: int
    event_id: str
    at_ms: int
    actor_kind: str
    actor_id: str
    actor_name: str
    action: str
    target_kind: str
    target_id: str
    target_name: str
    outcome: str
    reason: str
    ip: str
    user_agent: str
    request_id: str
    session_id: str
    content: str
    previous_hash: str
    hash: str


_hash = msgspec.json.Decoder(_Hash)


class ClickHouseAuditCopy(AuditCopy):
    """Inserts and reads through one connection."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        """Ask through `clickhouse`."""
        self._clickhouse = clickhouse

    async def head(self) -> ChainHead:
        """Return the highest number and its hash."""
        found = await self._hashes(_HEAD, {})
        return found[0] if found else ChainHead()

    async def hashes(self, after: int, limit: int) -> Sequence[ChainHead]:
        """Return numbers and hashes in order."""
        return await self._hashes(_HASHES, {"after": after, "limit": limit})

    async def add(self, rows: Sequence[ChainedEvent]) -> None:
        """Insert rows; the same ones inserted twice are dropped by their token."""
        lines = b"\n".join(msgspec.json.encode(_row(row)) for row in rows) + b"\n"
        settings = {
            "insert_deduplication_token": f"audit-{rows[0].sequence}-{rows[-1].hash.hex()}",
            "max_execution_time": INSERT_TIMEOUT_S,
            "async_insert": 0,
        }

        def insert(client: Client) -> None:
            client.raw_insert("audit", insert_block=lines, fmt="JSONEachRow", settings=settings)

        await self._clickhouse.run(insert, timeout_s=INSERT_TIMEOUT_S + 5)

    async def _hashes(self, query: str, parameters: dict[str, int]) -> list[ChainHead]:
        answer = await self._clickhouse.run(
            lambda client: client.raw_query(query + _FORMAT, parameters=parameters)
        )
        found = map(_hash.decode, answer.splitlines())
        return [ChainHead(sequence=each.sequence, hash=bytes.fromhex(each.hash)) for each in found]


def _row(row: ChainedEvent) -> _Row:
    entry = row.entry()
    return _Row(
        sequence=row.sequence,
        event_id=entry.id,
        at_ms=entry.at_ms,
        actor_kind=entry.actor_kind,
        actor_id=entry.actor_id,
        actor_name=entry.actor_name,
        action=entry.action,
        target_kind=entry.target.kind,
        target_id=entry.target.id,
        target_name=entry.target.name,
        outcome=entry.outcome.value,
        reason=entry.reason or "",
        ip=entry.ip or "",
        user_agent=entry.user_agent or "",
        request_id=entry.request_id or "",
        session_id=entry.session_id or "",
        content=row.content,
        previous_hash=row.previous_hash.hex(),
        hash=row.hash.hex(),
    )
