"""A page in a real browser, in which any fault that a person might overlook fails the test."""

import shutil
from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from adapters.embedded.valkey import EmbeddedValkey
from tests.support.program_in_thread import program_in_thread
from tests.support.stores import ClickHouseEngine, PostgresServer
from tests.support.watched_page import watch
from tests.support.whole_program import WholeProgram

CHROMIUM = shutil.which("chromium")
TIMEOUT_MS = 60_000
"""Swagger UI draws all operations anew on a click, which takes seconds on a busy machine."""
expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture(scope="module")
def program(
    postgres_server: PostgresServer,
    valkey_server: EmbeddedValkey,
    clickhouse_engine_of_process: ClickHouseEngine,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WholeProgram]:
    """The whole program, with nothing in it but what earlier tests of the file left."""
    database = clickhouse_engine_of_process.create()
    with program_in_thread(
        postgres_server, valkey_server.url, database, tmp_path_factory.mktemp("data")
    ) as running:
        yield running
    clickhouse_engine_of_process.drop(database)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium without a way out of the machine: no name of another host can be resolved."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: sudo apt-get install chromium")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
        )
        yield running
        await running.close()


@pytest.fixture
async def page(browser: Browser, program: WholeProgram) -> AsyncIterator[Page]:
    """A page of the console's origin, on which nothing may go wrong."""
    context = await browser.new_context(base_url=program.console_url)
    opened = await context.new_page()
    opened.set_default_timeout(TIMEOUT_MS)
    faults = watch(opened, program.console_url)
    yield opened
    await context.close()
    assert faults == []
