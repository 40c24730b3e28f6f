"""`thinkwatch audit` on a database and on an export."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.test_administration import Run, answer, done, run
from tests.support.stores import connect_postgres

__all__ = ["run"]
EDIT = "UPDATE audit_events SET content = replace(content, 'create', 'delete') WHERE sequence = 2"


@pytest.fixture
def installed(run: Run) -> Run:
    """Commands on a database with three events."""
    done(run("migrate"))
    for name in ("one", "two", "three"):
        document = f"version: 1\nteams: [{{name: {name}}}]\n"
        done(run("apply", "-f", "-", stdin=document))
    return run


@pytest.fixture
def tamper(empty_postgres_url: str) -> Callable[[str], None]:
    """Runs a statement past the trigger."""

    async def work(statement: str) -> None:
        async with connect_postgres(empty_postgres_url) as connection:
            await connection.execute("ALTER TABLE audit_events DISABLE TRIGGER USER")
            await connection.execute(statement)

    return lambda statement: asyncio.run(work(statement))


def test_an_intact_trail_is_verified_exported_and_verified_again(
    installed: Run, tmp_path: Path
) -> None:
    verdict: dict[str, Any] = answer(installed("audit", "verify", "--json"))
    assert (verdict["intact"], verdict["events"], verdict["first_bad"]) == (True, 3, None)
    assert verdict["copy"] == "unreachable"
    assert "3 events are as they were recorded" in done(installed("audit", "verify"))
    path = tmp_path / "audit.jsonl"
    done(installed("audit", "export", "-o", str(path)))
    assert path.stat().st_mode & 0o077 == 0
    lines = path.read_text().splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["header", *["event"] * 4]
    assert "4 events" in done(installed("audit", "verify", "--file", str(path)))


def test_the_first_event_that_was_changed_is_named(
    installed: Run, tamper: Callable[[str], None], tmp_path: Path
) -> None:
    path = tmp_path / "audit.jsonl"
    tamper(EDIT)
    refused = installed("audit", "verify")
    assert refused.code == 1
    assert refused.err.startswith(
        "thinkwatch: audit event 2 has other content than was recorded - "
    )
    told = installed("audit", "verify", "--json")
    assert (told.code, json.loads(told.out)["first_bad"]) == (1, 2)
    done(installed("audit", "export", "-o", str(path)))
    offline = installed("audit", "verify", "--file", str(path))
    assert offline.code == 1
    assert "audit event 2 " in offline.err


def test_a_file_that_is_no_export_is_refused_in_one_line(installed: Run, tmp_path: Path) -> None:
    path = tmp_path / "other.jsonl"
    path.write_text("{}\n")
    refused = installed("audit", "verify", "--file", str(path))
    assert (refused.code, len(refused.err.splitlines())) == (1, 1)
    nowhere = installed("audit", "export", "-o", str(tmp_path / "absent" / "audit.jsonl"))
    assert (nowhere.code, len(nowhere.err.splitlines())) == (1, 1)
