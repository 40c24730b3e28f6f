"""The command line itself: help, exit codes, one line per error."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import msgspec
import pytest

from adapters.embedded.errors import EmbeddedStoreError
from domain.errors import Conflict, ServiceUnavailable, ValidationFailed
from entrypoints.cli import COMMANDS
from entrypoints.cli.doctor import effective_values, masked_url
from entrypoints.cli.exit_codes import report_failure
from entrypoints.config import VARIABLES, load_config
from entrypoints.failures import Failure, StartFailed
from tests.support.processes import python_environment


def run(
    *arguments: str, cwd: Path, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "entrypoints", *arguments],
        env={**python_environment(), **(environ or {})},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_lists_every_command_and_the_exit_codes_without_importing_any(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "entrypoints", "--help"],
        env=python_environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout
    assert "78  the configuration is wrong" in done.stdout
    for heavy in ("litestar", "sqlalchemy", "entrypoints.cli.serve"):
        assert heavy not in done.stderr


@pytest.mark.parametrize(
    "name", ["quickstart", "serve", "gateway", "console", "worker", "doctor", "openapi", "version"]
)
def test_every_command_has_help_with_an_example(tmp_path: Path, name: str) -> None:
    done = run(name, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "--json" in done.stdout
    assert name in done.stdout.partition("Example")[2]


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("serve", "--nonsense"), ("serve", "--workers", "many")]
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("thinkwatch: ")
    assert " - see 'thinkwatch" in line


def test_a_faulty_configuration_is_exit_code_78_and_a_line_per_fault(tmp_path: Path) -> None:
    done = run("serve", cwd=tmp_path, environ={"GATEWAY_PORT": "x", "DATABASE_URL": "mysql://a/b"})
    assert done.returncode == 78
    assert [line.split()[:2] for line in done.stderr.splitlines()] == [
        ["thinkwatch:", "DATABASE_URL"],
        ["thinkwatch:", "GATEWAY_PORT"],
        ["thinkwatch:", "ENCRYPTION_KEY"],
        ["thinkwatch:", "JWT_SECRET"],
    ]
    assert not (tmp_path / "thinkwatch-data").exists()


def test_a_single_role_needs_external_stores(tmp_path: Path) -> None:
    done = run("console", cwd=tmp_path)
    assert done.returncode == 78
    assert "DATABASE_URL, REDIS_URL, CLICKHOUSE_URL not set - set it, or run" in done.stderr


def test_version_prints_one_json_object(tmp_path: Path) -> None:
    done = run("version", "--json", cwd=tmp_path)
    assert set(msgspec.json.decode(done.stdout)) == {"version", "python"}


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (StartFailed(Failure("a", "b", 69), Failure("c", "d", 78)), 78, ["a - b", "c - d"]),
        (EmbeddedStoreError("x", "y"), 69, ["x - y"]),
        (ServiceUnavailable("down"), 69, ["down"]),
        (Conflict("taken"), 1, ["taken"]),
        (ValidationFailed(["one", "two"]), 1, ["one", "two"]),
        (click.UsageError("No such thing."), 2, ["No such thing - see 'thinkwatch --help'"]),
    ],
)
def test_errors_become_lines_and_exit_codes(
    error: Exception, code: int, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_failure(error) == code
    assert capsys.readouterr().err.splitlines() == [f"thinkwatch: {line}" for line in lines]


def test_a_fault_of_the_program_is_not_dressed_up() -> None:
    assert report_failure(KeyError("oops")) is None


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "entrypoints", "openapi"],
            env=python_environment(),
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == (
        "thinkwatch: No space left on device - make room where the output or the data goes\n"
    )


def test_doctor_names_every_variable_and_shows_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = load_config(
        {
            "DATABASE_URL": "postgresql://tw:hunter2@db/tw?password=hunter2",
            "ENCRYPTION_KEY": "6f1d9ac47be2385071c6ee029d4b8fa31857dc40b9a263fe0c91744be825d36a",
            "JWT_SECRET": "hunter2-Zk3v9QwLr8TnXy2BcD5fGhJ7",
            "METRICS_BEARER_TOKEN": "hunter2-Zk3v9QwLr8Tn",
        }
    )
    values = {value.name: value for value in effective_values(loaded)}
    assert set(values) == {variable.name for variable in VARIABLES} - {"THINKWATCH_CONFIG"}
    assert values["DATABASE_URL"].value == "postgresql://tw:…@db/tw?…"
    assert values["DATABASE_URL"].source == "environment"
    assert values["ENCRYPTION_KEY"].value == "set (1)"
    assert values["REDIS_URL"].value == "embedded"
    shown = " ".join(value.value for value in values.values())
    assert "hunter2" not in shown
    assert "6f1d" not in shown


def test_a_url_is_shown_without_its_password() -> None:
    assert masked_url("redis://:p@h:1/0") == "redis://:…@h:1/0"
    assert masked_url("redis://h:1/0") == "redis://h:1/0"
    assert masked_url("redis+sentinel://u:p@a:1,b:2/m") == "redis+sentinel://u:…@a:1,b:2/m"
