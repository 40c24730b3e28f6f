"""A client that `openapi-python-client` generates from the document works against the console."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.support.generated_client import GeneratedClient, connect, generate_client
from tests.support.stores import ClickHouseDatabase
from tests.support.whole_program import WholeProgram, whole_program


@pytest.fixture
async def program(
    postgres_url: str, redis_url: str, clickhouse: ClickHouseDatabase, tmp_path: Path
) -> AsyncIterator[WholeProgram]:
    async with whole_program(postgres_url, redis_url, clickhouse, tmp_path) as running:
        yield running


@pytest.fixture
async def console(
    program: WholeProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[GeneratedClient]:
    """The client, generated from what the console serves."""
    async with httpx.AsyncClient(base_url=program.console_url) as anybody:
        served = await anybody.get("/openapi.json")
    package = generate_client(served.json(), tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    connected = connect(package, program.console_url, program.token)
    async with connected.client:
        yield connected


async def test_a_generated_client_lists_creates_reads_changes_and_deletes_a_limit(
    console: GeneratedClient, program: WholeProgram
) -> None:
    entry, view = console.model("RuleEntry"), console.model("RuleView")
    metric, window = console.model("RuleMetric"), console.model("Window")
    nothing = await console.call("limits", "list_limits")
    assert (nothing.status, nothing.parsed.items, nothing.parsed.total) == (200, [], 0)

    made = await console.call(
        "limits",
        "create_rule",
        body=entry(subject="platform", metric=metric.REQUESTS, limit=7, window=window("1m")),
    )
    assert made.status == 201
    assert isinstance(made.parsed, view)
    rule_id = made.parsed.id
    assert made.headers["location"] == f"/api/limits/{rule_id}"

    listed = await console.call("limits", "list_limits", limit=10)
    assert listed.parsed.items == [made.parsed]
    read = await console.call("limits", "get_rule", rule_id)
    assert read.parsed == made.parsed

    changes = console.model("RulePatch")(limit=8)
    changed = await console.call(
        "limits", "update_rule", rule_id, body=changes, if_match=read.headers["etag"]
    )
    assert (changed.status, changed.parsed.limit) == (200, 8)
    stale = await console.call(
        "limits", "update_rule", rule_id, body=changes, if_match=read.headers["etag"]
    )
    assert (stale.status, stale.parsed.title) == (412, "Precondition failed")

    gone = await console.call("limits", "delete_rule", rule_id)
    assert (gone.status, gone.parsed.deleted, gone.parsed.item) == (200, True, changed.parsed)
    missing = await console.call("limits", "get_rule", rule_id)
    assert missing.status == 404
    assert isinstance(missing.parsed, console.model("Problem"))


async def test_a_generated_client_without_a_credential_reads_why_it_is_refused(
    console: GeneratedClient, program: WholeProgram
) -> None:
    stranger = connect(console.package, program.console_url, "wrong")
    async with stranger.client:
        refused = await stranger.call("limits", "list_limits")
    assert (refused.status, refused.parsed.type_) == (401, "urn:thinkwatch:problem:token_required")
    assert refused.parsed.request_id == refused.headers["x-request-id"]
