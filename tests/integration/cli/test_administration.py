"""Setting an installation up from the command line, on stores of one's own."""

import io
import json
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from domain.keys.secret import is_well_formed
from entrypoints.cli import main

DOCUMENT = """\
version: 1
providers:
  - {name: openai, kind: openai, credentials: {api_key: "${UPSTREAM_KEY}"}}
models:
  - {name: gpt-4o, price: {input: 2.50, output: 10.00}, routes: [{provider: openai}]}
users: [{email: dev@example.com, role: developer}]
keys: [{name: ci, owner: dev@example.com, surfaces: [ai_gateway]}]
"""
UPSTREAM_KEY = "sk-0123456789abcdef"


class Finished(Struct):
    """A command that ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


Run = Callable[..., Finished]


@pytest.fixture
def run(
    empty_postgres_url: str,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Runs commands in this process, on external stores with nothing in them."""
    for name, value in {
        "THINKWATCH_DATA_DIR": str(tmp_path),
        "DATABASE_URL": empty_postgres_url,
        "REDIS_URL": redis_url,
        "CLICKHOUSE_URL": "http://127.0.0.1:1",
        "ENCRYPTION_KEY": secrets.token_hex(32),
        "JWT_SECRET": secrets.token_urlsafe(32),
        "UPSTREAM_KEY": UPSTREAM_KEY,
    }.items():
        monkeypatch.setenv(name, value)

    def command(*arguments: str, stdin: str = "") -> Finished:
        monkeypatch.setattr(sys, "argv", ["thinkwatch", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = main()
        captured = capsys.readouterr()
        return Finished(code, captured.out, captured.err)

    return command


def done(finished: Finished) -> str:
    assert finished.code == 0, finished.err
    assert UPSTREAM_KEY not in finished.out + finished.err
    return finished.out


def answer(finished: Finished) -> Any:
    return json.loads(done(finished))


def test_from_an_empty_database_to_keys(run: Run) -> None:
    assert run("migrate", "--check").code == 1
    refused = run("keys", "list")
    assert (refused.code, refused.out) == (69, "")
    assert "thinkwatch migrate" in refused.err
    assert answer(run("migrate", "--json"))["before"] is None
    assert run("migrate", "--check").code == 0

    planned = done(run("apply", "-f", "-", "--dry-run", stdin=DOCUMENT))
    assert "+ provider openai" in planned
    applied = answer(run("apply", "-f", "-", "--json", stdin=DOCUMENT))
    (minted,) = applied["secrets"]
    assert is_well_formed(minted["secret"])
    again = answer(run("apply", "-f", "-", "--json", stdin=DOCUMENT))
    assert (again["applied"], again["secrets"]) == (False, [])

    exported = done(run("export"))
    unchanged = answer(run("apply", "-f", "-", "--prune", "--json", stdin=exported))
    assert {step["action"] for step in unchanged["steps"]} == {"unchanged"}

    rotated = answer(run("keys", "rotate", "ci", "--grace", "1h", "--json"))
    assert rotated["secret"] != minted["secret"]
    listed = answer(run("keys", "list", "--json"))
    assert [key["condition"] for key in listed] == ["rotated", "active"]
    assert all("secret" not in key for key in listed)
    assert "revoked" in done(run("keys", "revoke", "ci"))


def test_faults_are_one_line_each_and_change_nothing(run: Run) -> None:
    done(run("migrate"))
    broken = DOCUMENT.replace("${UPSTREAM_KEY}", "${ABSENT}") + "limitz: []\n"
    refused = run("apply", "-f", "-", stdin=broken)
    assert refused.code == 1
    unset, unknown = refused.err.splitlines()
    assert unset == (
        "thinkwatch: providers[0].credentials.api_key: the environment variable ABSENT is not set"
    )
    assert unknown.startswith("thinkwatch: limitz: there is no such member; known are version, ")
    assert done(run("export")).endswith("version: 1\n")


def test_an_administrator_is_made_once(run: Run) -> None:
    done(run("migrate"))
    made = answer(run("admin", "create", "--email", "boss@example.com", "--json"))
    assert (made["role"], len(made["password"])) == ("super_admin", 20)
    assert run("admin", "create", "--email", "boss@example.com").code == 1
    weak = run(
        "admin", "reset-password", "--email", "boss@example.com", "--password-stdin", stdin="weak\n"
    )
    assert weak.code == 1
    assert "upper-case" in weak.err
