"""Insertion of request records."""

import hashlib
from collections.abc import Sequence

from clickhouse_connect.driver.client import Client

from adapters.clickhouse.client import ClickHouse
from application.ports.records import RecordBatch, Sink

INSERT_TIMEOUT_S = 10

_SETTINGS = {
    # A record of a newer version is stored as far as this schema goes, not refused.
    "input_format_skip_unknown_fields": 1,
    # The bound behind `ARRIVAL_SETTLES_MS`: an insert is visible by then or never.
    "max_execution_time": INSERT_TIMEOUT_S,
    # The answer means "stored", also where asynchronous inserts are the server's default.
    "async_insert": 0,
}


class ClickHouseRequests(Sink):
    """Sink of the table `requests`. The rows go through as they are: nobody parses them here.

    The same batches inserted twice are dropped by their token; the same row in another batch loses
    against the one stored first (see the table's definition).
    """

    def __init__(self, clickhouse: ClickHouse) -> None:
        """Insert through `clickhouse`."""
        self._clickhouse = clickhouse

    async def deliver(self, batches: Sequence[RecordBatch]) -> None:
        """Implement `Sink.deliver`: one insert for all batches."""
        rows = b"\n".join(line for batch in batches for line in batch.lines) + b"\n"
        names = "".join(batch.batch_id for batch in batches)
        token = hashlib.blake2b(names.encode(), digest_size=16).hexdigest()
        settings = {**_SETTINGS, "insert_deduplication_token": token}

        def insert(client: Client) -> None:
            client.raw_insert("requests", insert_block=rows, fmt="JSONEachRow", settings=settings)

        await self._clickhouse.run(insert, timeout_s=INSERT_TIMEOUT_S + 5)
