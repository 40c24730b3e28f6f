"""One running installation for all tests that leave it as it was."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.installation import Installation, installed
from tests.support.scripted_upstream import ScriptedUpstream


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    """The program with two gateway processes; its provider is the fixture `upstream`."""
    with installed("--workers", "2") as running:
        # Each test is about what becomes of one answer, whatever came before.
        alone = {
            "routing.max_attempts": 1,
            "routing.breaker_min_requests": 100_000,
            "routing.breaker_consecutive_failures": 1_000,
        }
        running.apply({"settings": alone})
        yield running
        assert running.program.stop() == 0


@pytest.fixture
async def upstream(installation: Installation) -> AsyncIterator[ScriptedUpstream]:
    """The provider behind the installation, new for every test, always on the same port."""
    async with ScriptedUpstream(port=installation.upstream_port) as running:
        yield running
        assert running.errors == []
