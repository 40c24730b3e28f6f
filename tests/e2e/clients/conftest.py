"""One installation and one scripted model for all clients, and the page of what they found."""

import gc
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.compatibility import Findings
from tests.support.proving_ground import ProvingGround, proving_ground


@pytest.fixture(scope="session")
def ground() -> Iterator[ProvingGround]:
    """The program in front of the scripted model."""
    with proving_ground() as running:
        yield running


@pytest.fixture(scope="session")
def findings() -> Findings:
    """What the clients of this run found."""
    return Findings()


@pytest.fixture(scope="module", autouse=True)
def clients_are_gone() -> Iterator[None]:
    """Let go of what clients leave open while warnings of it still go to the tests that made them."""
    yield
    gc.collect()


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory outside `/tmp`, where Codex would put no helpers of its own."""
    with tempfile.TemporaryDirectory(prefix="tw-agent-", dir="/var/tmp") as path:
        yield Path(path)
