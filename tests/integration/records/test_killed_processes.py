"""`kill -9` of gateways and of adopters at any moment: every admitted request has one record."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.journal.holding import journal_directories
from domain.records.events import Outcome
from tests.support.record_pipeline import Pipeline

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}


class Child:
    """A process to kill, and what it reported until then."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said: list[tuple[str, str]] = []

    async def hear(self, lines: int) -> None:
        """Wait until so many lines were reported."""
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            while len(self.said) < lines:
                line = await self._process.stdout.readline()
                assert line, "the child ended by itself"
                self._note(line)

    async def kill(self) -> None:
        """Kill it and read what it had reported."""
        assert self._process.stdout is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        rest = await self._process.stdout.read()
        for line in rest.splitlines(keepends=True):
            self._note(line)
        await self._process.wait()

    def _note(self, line: bytes) -> None:
        if line.endswith(b"\n"):
            what, _, event_id = line.decode().strip().partition(" ")
            self.said.append((what, event_id))


async def start(work: str, root: Path, name: str, redis_url: str) -> Child:
    return Child(
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.journal_process",
            work, str(root), name, redis_url,
            cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE,
        )
    )  # fmt: skip


async def outcomes(pipeline: Pipeline) -> dict[str, str]:
    """Return the outcome of every event; two rows of one event are an error."""
    stored = await pipeline.stored()
    found = dict(stored.keys())
    assert len(found) == sum(stored.values()), "an event has more than one row"
    return found


async def adopt_everything(pipeline: Pipeline) -> None:
    """Run an adopter and a worker until only the pipeline's own journal is left."""
    pipeline.start(pipeline.store(), pipeline.adopt())
    await pipeline.until(
        lambda: [path.name for path in journal_directories(pipeline.root)] == ["gateway-test"]
    )


@pytest.mark.parametrize("seed", range(6))
async def test_after_a_kill_every_admitted_request_has_exactly_one_record(
    pipeline: Pipeline, redis_url: str, seed: int
) -> None:
    dice = random.Random(seed)
    children = [
        await start("gateway", pipeline.root, f"g{number}", redis_url) for number in range(2)
    ]
    # One dies young, one after its segments were shipped, confirmed and deleted many times.
    for child, least in zip(children, (1, 4000), strict=True):
        await child.hear(least + dice.randrange(1500))
        await child.kill()
    await adopt_everything(pipeline)
    found = await outcomes(pipeline)
    opened = {event for child in children for what, event in child.said if what == "o"}
    closed = {event for child in children for what, event in child.said if what == "c"}
    assert opened <= found.keys()
    assert {event for event in closed if found[event] != Outcome.OK} == set()
    # What a child did last it may not have lived to report: one open or one close each.
    unreported = found.keys() - opened
    assert len(unreported) <= len(children)
    finished = {event for event, outcome in found.items() if outcome == Outcome.OK}
    assert len(finished - closed) <= len(children)
    abandoned = {event for event, outcome in found.items() if outcome == Outcome.ABANDONED}
    assert abandoned == found.keys() - finished
    assert abandoned, "requests were running when the process was killed"


@pytest.mark.parametrize("seed", range(3))
async def test_an_adopter_that_is_killed_is_succeeded_by_another(
    pipeline: Pipeline, redis_url: str, seed: int
) -> None:
    dice = random.Random(seed)
    gateway = await start("gateway", pipeline.root, "g0", redis_url)
    await gateway.hear(3000)
    await gateway.kill()
    for number in range(4):
        adopter = await start("adopt", pipeline.root, f"a{number}", redis_url)
        await adopter.hear(1)
        await asyncio.sleep(dice.random() * 0.15)
        await adopter.kill()
    await adopt_everything(pipeline)
    found = await outcomes(pipeline)
    opened = {event for what, event in gateway.said if what == "o"}
    closed = {event for what, event in gateway.said if what == "c"}
    assert opened <= found.keys()
    assert all(found[event] == Outcome.OK for event in closed)


async def test_two_adopters_share_dead_journals_and_duplicate_nothing(
    pipeline: Pipeline, redis_url: str
) -> None:
    gateways = [
        await start("gateway", pipeline.root, f"g{number}", redis_url) for number in range(3)
    ]
    for gateway in gateways:
        await gateway.hear(200)
        await gateway.kill()
    pipeline.start(pipeline.adopt())
    await adopt_everything(pipeline)
    found = await outcomes(pipeline)
    opened = {event for gateway in gateways for what, event in gateway.said if what == "o"}
    assert opened <= found.keys()
    assert len(found) - len(opened) <= len(gateways)
