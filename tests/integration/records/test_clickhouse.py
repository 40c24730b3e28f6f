"""Schema, odd rows, and a ClickHouse that does not answer, on the engine and over HTTP."""

import asyncio
import threading
from pathlib import Path

import msgspec
import pytest
from clickhouse_connect.driver.client import Client

from adapters.clickhouse.client import ClickHouse
from adapters.clickhouse.migrations import migrate, pending, read_migrations
from adapters.clickhouse.request_log import ClickHouseRequestLog
from adapters.clickhouse.rows import read_record
from adapters.clickhouse.writer import ClickHouseRequests
from application.jobs.shipment import batch_of
from application.ports.request_log import RequestFilter
from domain.errors import Conflict, ServiceUnavailable
from domain.records.events import Outcome, RequestRecord
from tests.support.clickhouse_bridge import ClickHouseBridge
from tests.support.record_pipeline import MIGRATIONS
from tests.support.request_records import make_record
from tests.support.stores import ClickHouseDatabase


@pytest.fixture
async def engine(clickhouse: ClickHouseDatabase) -> ClickHouse:
    """An empty database of the engine in this process."""
    return ClickHouse(clickhouse.url, database=clickhouse.name)


async def test_migrations_run_once_and_in_order(engine: ClickHouse, tmp_path: Path) -> None:
    (tmp_path / "0001_first.sql").write_text(
        "-- A comment; with a semicolon;\nCREATE TABLE IF NOT EXISTS a (x Int8) ENGINE = Memory;\n"
        "INSERT INTO a VALUES (1);\n"
    )
    assert await pending(engine, tmp_path) == ["0001_first"]
    assert await migrate(engine, tmp_path) == ["0001_first"]
    (tmp_path / "0002_second.sql").write_text("INSERT INTO a VALUES (2)")
    assert await pending(engine, tmp_path) == ["0002_second"]
    assert await migrate(engine, tmp_path) == ["0002_second"]
    assert await migrate(engine, tmp_path) == []
    rows = await engine.run(lambda client: client.query("SELECT x FROM a ORDER BY x").result_rows)
    assert list(rows) == [(1,), (2,)]
    await engine.aclose()


async def test_an_edited_migration_is_refused(engine: ClickHouse, tmp_path: Path) -> None:
    path = tmp_path / "0001_first.sql"
    path.write_text("SELECT 1;\n")
    await migrate(engine, tmp_path)
    path.write_text("-- only a comment\nSELECT 1;\n")
    assert await migrate(engine, tmp_path) == []
    path.write_text("SELECT 2;\n")
    for ask in (migrate, pending):
        with pytest.raises(Conflict, match="0001_first"):
            await ask(engine, tmp_path)
    await engine.aclose()


async def test_a_failed_migration_is_tried_again(engine: ClickHouse, tmp_path: Path) -> None:
    path = tmp_path / "0001_first.sql"
    path.write_text("CREATE TABLE IF NOT EXISTS a (x Int8) ENGINE = Memory;\nSELECT nonsense;\n")
    with pytest.raises(ServiceUnavailable):
        await migrate(engine, tmp_path)
    path.write_text("CREATE TABLE IF NOT EXISTS a (x Int8) ENGINE = Memory;\nSELECT 1;\n")
    assert await migrate(engine, tmp_path) == ["0001_first"]
    await engine.aclose()


@pytest.mark.parametrize("names", [["first.sql"], ["0001_a.sql", "0001_b.sql"]])
def test_a_migration_without_a_number_of_its_own_is_a_fault(
    tmp_path: Path, names: list[str]
) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(ValueError, match="number of its own"):
        read_migrations(tmp_path)


async def test_the_table_has_a_column_for_every_field(engine: ClickHouse) -> None:
    await migrate(engine, MIGRATIONS)
    columns = await engine.run(
        lambda client: (
            client.query(
                "SELECT name FROM system.columns WHERE database = currentDatabase() "
                "AND table = 'requests' AND default_kind = ''"
            ).result_rows
        )
    )
    assert {name for (name,) in columns} == set(RequestRecord.__struct_fields__)
    await engine.aclose()


def test_an_odd_row_is_shown_as_near_as_possible() -> None:
    fields = msgspec.to_builtins(make_record(key_name="plain"))
    odd = msgspec.json.encode({**fields, "outcome": "beamed_up"}).replace(b"plain", b"\xffplain")
    record = read_record(odd)
    assert (record.outcome, record.key_name) == (Outcome.INTERNAL_ERROR, "\ufffdplain")


async def test_an_odd_row_hides_no_other(engine: ClickHouse) -> None:
    await migrate(engine, MIGRATIONS)
    plain, odd = make_record(), make_record()
    fields = {**msgspec.to_builtins(odd), "outcome": "beamed_up"}
    lines = [msgspec.json.encode(plain), msgspec.json.encode(fields)]
    await ClickHouseRequests(engine).deliver([batch_of(lines)])
    found = await ClickHouseRequestLog(engine).newest(RequestFilter(), limit=5)
    assert [record.event_id for record in found] == [odd.event_id, plain.event_id]
    await engine.aclose()


async def test_a_call_that_takes_too_long_is_given_up_and_the_queue_is_bounded(
    clickhouse: ClickHouseDatabase,
) -> None:
    engine = ClickHouse(clickhouse.url, database=clickhouse.name, timeout_s=0.2, max_waiting=2)
    gate = threading.Event()

    def wait(_: Client) -> None:
        gate.wait(20)

    with pytest.raises(ServiceUnavailable, match="in time"):
        await engine.run(wait)
    with pytest.raises(ServiceUnavailable, match="in time"):
        await engine.run(wait)
    with pytest.raises(ServiceUnavailable, match="overloaded"):
        await engine.ping()
    gate.set()
    async with asyncio.timeout(20):
        while True:
            try:
                await engine.run(lambda client: client.command("SELECT 1"), timeout_s=10)
                break
            except ServiceUnavailable:
                await asyncio.sleep(0)
    await engine.aclose()


async def test_a_server_that_is_down_at_the_start_is_used_once_it_is_up(
    clickhouse_bridge: ClickHouseBridge,
) -> None:
    clickhouse = ClickHouse(clickhouse_bridge.url)
    clickhouse_bridge.stop()
    with pytest.raises(ServiceUnavailable):
        await clickhouse.ping()
    clickhouse_bridge.start()
    await clickhouse.ping()
    await clickhouse.aclose()


def test_the_database_comes_from_the_url() -> None:
    assert ClickHouse("http://u:p@host:8123/logs").database == "logs"
    assert ClickHouse("http://host:8123").database == "thinkwatch"
    assert ClickHouse("http://host:8123/logs", database="own").database == "own"
    assert ClickHouse("chdb:///var/lib/thinkwatch/clickhouse").database == "thinkwatch"
