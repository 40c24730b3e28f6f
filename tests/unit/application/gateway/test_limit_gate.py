import asyncio

import pytest
from msgspec import structs

from adapters.memory.limits import MemoryLimitStore
from application.gateway.limit_gate import FailureMode, LimitGate, Passed, Unavailable
from domain.errors import LimitStoreUnavailable
from domain.inference.dialect import Surface
from domain.limits.amounts import MAX_COUNT, NOTHING, Spend
from domain.limits.entries import Entry
from domain.limits.outage import FAILURES_TO_OPEN
from domain.limits.periods import Period
from domain.limits.policy import LimitPolicy
from domain.limits.reservations import Admitted, Claim, Rejected, Reservation, Settled, Usage
from domain.limits.rules import (
    BudgetCap,
    Enforcement,
    Holder,
    HolderKind,
    Metric,
    WindowRule,
)
from domain.limits.windows import Window
from domain.subjects import PLATFORM, SubjectChain
from tests.support.manual_clock import ManualClock

NOW_MS = 1_000_000


class SwitchableStore(MemoryLimitStore):
    """A store that can be down, and counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__(ManualClock())
        self.down = False
        self.asked = 0
        self.answered = asyncio.Event()

    def _ask(self) -> None:
        self.asked += 1
        if self.down:
            raise LimitStoreUnavailable("down")
        self.answered.set()

    async def admit(self, claim: Claim) -> Admitted | Rejected:
        self._ask()
        return await super().admit(claim)

    async def usage(self, entries: tuple[Entry, ...], estimate: Spend) -> Usage:
        self._ask()
        return await super().usage(entries, estimate)

    async def settle(
        self, reservation: Reservation, actual: Spend, *, occurred_at_ms: int
    ) -> Settled:
        self._ask()
        return await super().settle(reservation, actual, occurred_at_ms=occurred_at_ms)


def claim(number: int, limit: int) -> Claim:
    rule = WindowRule(
        id="r",
        holder=Holder(HolderKind.PLATFORM, PLATFORM.id),
        surface=Surface.AI_GATEWAY,
        metric=Metric.REQUESTS,
        window=Window.MINUTE,
        limit=limit,
    )
    binding = LimitPolicy([rule]).bind(SubjectChain((PLATFORM,)), Surface.AI_GATEWAY, NOW_MS)
    return Claim(
        reservation_id=f"reservation-{number}",
        entries=binding.entries,
        estimate=Spend(),
        lifetime_ms=60_000,
        started_at_ms=MAX_COUNT,
    )


async def ask(
    gate: LimitGate, number: int, mode: FailureMode, *, limit: int = 4, replicas: int = 1
) -> Passed | Rejected | Unavailable:
    return await gate.admit(claim(number, limit), mode, replicas=replicas, now_ms=NOW_MS)


@pytest.fixture
def store() -> SwitchableStore:
    return SwitchableStore()


@pytest.fixture
def gate(store: SwitchableStore) -> LimitGate:
    return LimitGate(store)


async def test_a_store_that_is_up_decides(gate: LimitGate) -> None:
    verdicts = [await ask(gate, n, FailureMode.OPEN) for n in range(5)]
    assert all(isinstance(verdict, Passed) and not verdict.failed_open for verdict in verdicts[:4])
    assert isinstance(verdicts[4], Rejected)


async def test_open_lets_everything_through_and_stops_asking(
    gate: LimitGate, store: SwitchableStore
) -> None:
    store.down = True
    verdicts = [await ask(gate, n, FailureMode.OPEN) for n in range(10)]
    assert all(isinstance(verdict, Passed) and verdict.failed_open for verdict in verdicts)
    assert store.asked == FAILURES_TO_OPEN
    assert gate.is_down
    first = verdicts[0]
    assert isinstance(first, Passed)
    assert first.reservation.epoch == 0


async def test_closed_refuses_and_says_what_to_give_back(
    gate: LimitGate, store: SwitchableStore
) -> None:
    store.down = True
    verdict = await ask(gate, 1, FailureMode.CLOSED)
    assert isinstance(verdict, Unavailable)
    assert verdict.reservation is not None
    assert verdict.reservation.id == "reservation-1"
    for number in range(2, 2 + FAILURES_TO_OPEN):
        verdict = await ask(gate, number, FailureMode.CLOSED)
    assert isinstance(verdict, Unavailable)
    assert verdict.reservation is None  # it was never sent, so there is nothing to give back


async def test_local_enforces_this_process_s_share_and_gives_it_back(
    gate: LimitGate, store: SwitchableStore
) -> None:
    store.down = True
    verdicts = [await ask(gate, n, FailureMode.LOCAL, limit=4, replicas=2) for n in range(3)]
    assert isinstance(verdicts[0], Passed)
    assert isinstance(verdicts[1], Passed)
    assert isinstance(verdicts[2], Unavailable)
    assert verdicts[2].verdict is not None
    assert verdicts[2].reservation is not None
    assert verdicts[0].local is not None
    gate.settle_local(verdicts[0].local, NOTHING, NOW_MS)
    assert isinstance(await ask(gate, 4, FailureMode.LOCAL, limit=4, replicas=2), Passed)


async def test_the_probe_closes_the_breaker_and_no_request_pays_for_it(
    gate: LimitGate, store: SwitchableStore
) -> None:
    store.down = True
    for number in range(FAILURES_TO_OPEN):
        await ask(gate, number, FailureMode.OPEN)
    asked = store.asked
    await ask(gate, 90, FailureMode.OPEN)
    assert store.asked == asked
    store.answered.clear()
    store.down = False
    probe = asyncio.ensure_future(gate.probe())
    async with asyncio.timeout(10):
        await store.answered.wait()
        await asyncio.sleep(0)  # the probe has its answer and now takes note of it
    assert not gate.is_down
    verdict = await ask(gate, 91, FailureMode.OPEN)
    assert isinstance(verdict, Passed)
    assert not verdict.failed_open
    probe.cancel()


async def test_one_answer_between_failures_keeps_the_breaker_closed(
    gate: LimitGate, store: SwitchableStore
) -> None:
    for number in range(FAILURES_TO_OPEN * 2):
        store.down = number % FAILURES_TO_OPEN != 0
        await ask(gate, number, FailureMode.OPEN, limit=100)
    assert not gate.is_down


async def test_local_lets_nothing_past_a_limit_of_zero(
    gate: LimitGate, store: SwitchableStore
) -> None:
    store.down = True
    assert isinstance(await ask(gate, 1, FailureMode.LOCAL, limit=0), Unavailable)


async def test_local_admits_under_a_strict_budget(gate: LimitGate, store: SwitchableStore) -> None:
    cap = BudgetCap(
        id="b",
        holder=Holder(HolderKind.PLATFORM, PLATFORM.id),
        period=Period.MONTHLY,
        limit=100,
        enforcement=Enforcement.STRICT,
    )
    binding = LimitPolicy([cap]).bind(SubjectChain((PLATFORM,)), Surface.AI_GATEWAY, NOW_MS)
    store.down = True
    strict = Claim(
        reservation_id="s",
        entries=binding.entries,
        estimate=Spend(tokens=60),
        lifetime_ms=60_000,
        started_at_ms=MAX_COUNT,
    )
    again = structs.replace(strict, reservation_id="t")
    first = await gate.admit(strict, FailureMode.LOCAL, replicas=1, now_ms=NOW_MS)
    second = await gate.admit(again, FailureMode.LOCAL, replicas=1, now_ms=NOW_MS)
    assert isinstance(first, Passed)
    assert isinstance(second, Unavailable)
