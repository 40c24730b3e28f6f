"""`thinkwatch requests` and `thinkwatch journal` as processes, against a live console and stores."""

import asyncio
import os
import secrets
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from litestar import Litestar
from litestar.di import Provide
from litestar.types import Receive, Scope, Send

from adapters.clickhouse.request_log import ClickHouseRequestLog
from adapters.memory.change_feed import MemoryChangeFeed
from adapters.memory.store import MemoryStore, MemoryUnitOfWork
from adapters.system.clock import SystemClock
from adapters.system.identifiers import UuidGenerator
from application.console.request_records import RequestRecords
from entrypoints.asgi import REQUEST_ID
from entrypoints.console.api.requests import request_routes
from entrypoints.console.problems import problem_response
from entrypoints.console.security import actor_of, console_guard
from tests.support.command_line import run, running
from tests.support.identity_services import identity_services
from tests.support.live_server import live_server
from tests.support.record_pipeline import Pipeline
from tests.support.request_records import batch_of_records, make_record, record_of

TOKEN, ANOTHER_TOKEN = secrets.token_urlsafe(32), secrets.token_urlsafe(32)


@pytest.fixture
async def console_url(pipeline: Pipeline) -> AsyncIterator[str]:
    """A console over the pipeline's log."""
    log, clock = ClickHouseRequestLog(pipeline.clickhouse), SystemClock()
    uow = MemoryUnitOfWork(MemoryStore(), MemoryChangeFeed(), clock, UuidGenerator())
    identity = identity_services(uow, clock, TOKEN)
    api = Litestar(
        route_handlers=request_routes(RequestRecords(log, clock=clock)),
        dependencies={"by": Provide(actor_of, sync_to_thread=False)},
        guards=[console_guard(identity.access, identity.edge)],
        exception_handlers={Exception: problem_response},
        openapi_config=None,
        logging_config=None,
    )

    async def with_request_id(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["state"] = {REQUEST_ID: "req_1"}
        await api(scope, receive, send)

    async with live_server(with_request_id) as url:
        yield url


async def thinkwatch(
    *arguments: str, directory: Path, **environ: str
) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(run, *arguments, directory=directory, environ=environ)


async def test_requests_are_printed_as_json_and_as_a_table(
    pipeline: Pipeline, console_url: str, tmp_path: Path
) -> None:
    records = [make_record(status=status) for status in (200, 500, 429)]
    await pipeline.sink.deliver([batch_of_records(*records)])
    arguments = ("requests", "--url", console_url, "--limit", "2")
    done = await thinkwatch(*arguments, "--json", directory=tmp_path, THINKWATCH_TOKEN=TOKEN)
    assert (done.stderr, done.returncode) == ("", 0)
    assert [record_of(line.encode()) for line in done.stdout.splitlines()] == records[1:]
    done = await thinkwatch(
        *arguments, "--status", "500", directory=tmp_path, THINKWATCH_TOKEN=TOKEN
    )
    heading, row = done.stdout.splitlines()
    assert heading.startswith("TIME")
    assert row.endswith(records[1].request_id)


async def test_the_token_of_the_data_directory_is_used(
    pipeline: Pipeline, console_url: str, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "operator_token").write_text(f"{TOKEN}\n")
    done = await thinkwatch(
        "requests", "--url", console_url, "--data-dir", str(data), directory=tmp_path
    )
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize(
    ("arguments", "environ", "code", "said"),
    [
        ((), {}, 69, "THINKWATCH_TOKEN"),
        ((), {"THINKWATCH_TOKEN": ANOTHER_TOKEN}, 1, "refused the token"),
        (("--since", "1h", "--until", "2h"), {"THINKWATCH_TOKEN": TOKEN}, 1, "'since_ms'"),
        (("--outcome", "fine"), {"THINKWATCH_TOKEN": TOKEN}, 2, "--outcome"),
        (("--url", "http://127.0.0.1:1"), {"THINKWATCH_TOKEN": TOKEN}, 69, "does not answer"),
        (("--url", "http://[bad"), {"THINKWATCH_TOKEN": TOKEN}, 2, "--url"),
    ],
)
async def test_every_error_is_one_line(
    console_url: str,
    tmp_path: Path,
    arguments: tuple[str, ...],
    environ: dict[str, str],
    code: int,
    said: str,
) -> None:
    done = await thinkwatch(
        "requests", "--url", console_url, *arguments, directory=tmp_path, **environ
    )
    assert done.returncode == code, done.stderr
    (line,) = done.stderr.splitlines()
    assert said in line
    assert TOKEN not in line


async def test_following_prints_what_arrives(
    pipeline: Pipeline, console_url: str, tmp_path: Path
) -> None:
    first, second = make_record(), make_record()
    await pipeline.sink.deliver([batch_of_records(first)])
    with running(
        "requests", "--follow", "--json", "--url", console_url,
        directory=tmp_path, environ={"THINKWATCH_TOKEN": TOKEN},
    ) as program:  # fmt: skip
        out = program.process.stdout
        assert out is not None
        line = await asyncio.to_thread(out.readline)
        assert msgspec.json.decode(line)["event_id"] == first.event_id
        await pipeline.sink.deliver([batch_of_records(first, second)])
        line = await asyncio.to_thread(out.readline)
        assert msgspec.json.decode(line)["event_id"] == second.event_id


async def test_a_dead_journal_is_shown_and_replayed(
    pipeline: Pipeline, redis_url: str, tmp_path: Path
) -> None:
    data = tmp_path
    stores = {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "ENCRYPTION_KEY": os.urandom(32).hex(),
        "JWT_SECRET": os.urandom(32).hex(),
        "REDIS_URL": redis_url,
        "THINKWATCH_DATA_DIR": str(data),
    }
    await pipeline.run_requests(5)
    pipeline.journal.shut()
    done = await thinkwatch("journal", "status", "--json", directory=tmp_path, **stores)
    assert done.stderr == ""
    (report,) = msgspec.json.decode(done.stdout)
    assert (report["in_use"], report["unconfirmed_records"]) == (False, 5)
    done = await thinkwatch("journal", "status", directory=tmp_path, **stores)
    assert "dead" in done.stdout
    done = await thinkwatch(
        "journal", "replay", "--wait", "0", "--json", directory=tmp_path, **stores
    )
    assert msgspec.json.decode(done.stdout) == {"found": 1, "stored": 0, "waiting": 1}
    pipeline.start(pipeline.store())
    done = await thinkwatch(
        "journal", "replay", "--wait", "20", "--json", directory=tmp_path, **stores
    )
    assert msgspec.json.decode(done.stdout) == {"found": 1, "stored": 1, "waiting": 0}
    assert await pipeline.stored() == pipeline.expected()
    done = await thinkwatch("journal", "replay", directory=tmp_path, **stores)
    assert done.stdout == "No process has left a journal behind.\n"
