"""Readiness: bounded, shared by all who ask, and red at once when draining."""

import asyncio

import pytest

from entrypoints import health
from entrypoints.health import HealthChecks


class Counted:
    """A check that counts, waits for `gate`, and fails when told."""

    def __init__(self) -> None:
        self.runs = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.broken = False

    async def __call__(self) -> None:
        self.runs += 1
        await self.gate.wait()
        if self.broken:
            raise ConnectionError


async def test_a_crowd_is_answered_by_one_round_of_checks() -> None:
    check = Counted()
    checks = HealthChecks({"store": check})
    check.gate.clear()
    crowd = [asyncio.ensure_future(checks.run()) for _ in range(50)]
    await asyncio.sleep(0)
    check.gate.set()
    assert {verdict.status for verdict in await asyncio.gather(*crowd)} == {"ready"}
    assert (await checks.run()).status == "ready"
    assert check.runs == 1


async def test_one_who_hangs_up_does_not_spoil_it_for_the_others() -> None:
    check = Counted()
    checks = HealthChecks({"store": check})
    check.gate.clear()
    first, second = (asyncio.ensure_future(checks.run()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    check.gate.set()
    assert (await second).status == "ready"
    assert first.cancelled()


async def test_results_are_asked_for_anew_when_they_are_old(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check = Counted()
    checks = HealthChecks({"store": check})
    assert (await checks.run()).status == "ready"
    check.broken = True
    monkeypatch.setattr(health, "FRESH_S", 0.0)
    verdict = await checks.run()
    assert verdict.status == "unavailable"
    assert verdict.checks["store"].error == "ConnectionError"
    assert check.runs == 2


async def test_draining_shows_at_once_on_results_that_are_still_good() -> None:
    checks = HealthChecks({"store": Counted()})
    assert (await checks.run()).status == "ready"
    checks.draining = True
    assert (await checks.run()).status == "draining"


async def test_a_check_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PROBE_TIMEOUT_S", 0.01)
    check = Counted()
    check.gate.clear()
    verdict = await HealthChecks({"store": check}).run()
    assert verdict.checks["store"].error == "timed out"
