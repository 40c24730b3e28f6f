"""A process loads what its roles need: it starts sooner, and each one of many is smaller."""

import subprocess
import sys

import pytest

from tests.support.processes import python_environment

GATEWAY = "entrypoints.process, entrypoints.container.gateway, entrypoints.gateway.app"
TRACES = ("opentelemetry.exporter", "opentelemetry.proto", "opentelemetry.sdk.trace", "google")
"""The client of Redis imports what there is for metrics, wherever it is installed."""
OF_OTHER_ROLES = (
    "entrypoints.console", "application.console", "adapters.clickhouse", "adapters.identity",
    "entrypoints.container.console", "entrypoints.container.worker", "alembic", "argon2", "joserfc",
    "zxcvbn", "clickhouse_connect",
)  # fmt: skip


@pytest.fixture(scope="module")
def loaded() -> list[str]:
    """The modules of a process that serves port 3000 and nothing else."""
    return subprocess.run(
        [sys.executable, "-c", f"import sys, {GATEWAY}; print(*sys.modules)"],
        env=python_environment(),
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    ).stdout.split()


def test_a_gateway_loads_nothing_of_the_console(loaded: list[str]) -> None:
    assert "entrypoints.gateway.app" in loaded
    assert [name for name in loaded if name.startswith(OF_OTHER_ROLES)] == []


def test_nothing_of_traces_is_imported_without_need(loaded: list[str]) -> None:
    assert "entrypoints.container.tracing" in loaded
    assert [name for name in loaded if name.startswith(TRACES)] == []
