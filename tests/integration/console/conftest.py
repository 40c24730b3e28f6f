"""A console on real stores, for the tests that go over every operation of the document."""

from collections.abc import Iterator

import pytest

from adapters.embedded.valkey import EmbeddedValkey
from tests.support.described_api import document
from tests.support.known_things import Known, known_things
from tests.support.program_in_thread import program_in_thread
from tests.support.stores import ClickHouseEngine, PostgresServer
from tests.support.whole_program import WholeProgram

DOCUMENT = {
    "providers": [{"name": "demo", "kind": "demo"}],
    "models": [
        {
            "name": "a-model",
            "price": {"input": 2.5, "output": 10},
            "routes": [{"provider": "demo", "upstream_model": "demo"}],
        }
    ],
}


@pytest.fixture(scope="module")
def described_program(
    postgres_server: PostgresServer,
    valkey_server: EmbeddedValkey,
    clickhouse_engine_of_process: ClickHouseEngine,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WholeProgram]:
    """The whole program, with a provider and a model that is routed to it."""
    document()  # printed by the command, on the output that the program is about to log to
    database = clickhouse_engine_of_process.create()
    with program_in_thread(
        postgres_server, valkey_server.url, database, tmp_path_factory.mktemp("data"), **DOCUMENT
    ) as running:
        yield running
    clickhouse_engine_of_process.drop(database)


@pytest.fixture(scope="module")
def known(described_program: WholeProgram) -> Known:
    """What is there to be addressed, by path and parameter."""
    return known_things(described_program.console_url, described_program.token)
