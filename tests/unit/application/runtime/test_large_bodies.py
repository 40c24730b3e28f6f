"""Large bodies are worked on in a few threads while the event loop goes on."""

import asyncio
import threading

import pytest

from application.runtime.large_bodies import LargeBodies

LARGE = b"x" * 11
PATIENCE_S = 10.0


def bodies() -> LargeBodies:
    return LargeBodies(above_bytes=10, threads=2)


class Gate:
    """A job that tells when it has begun and waits for leave."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.leave = threading.Event()
        self.calls = 0

    def job(self, body: bytes) -> int:
        self.calls += 1
        self.begun.release()
        assert self.leave.wait(PATIENCE_S)
        return len(body)

    async def wait_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.acquire, timeout=PATIENCE_S)


async def test_small_bodies_are_worked_on_at_once() -> None:
    here = threading.get_ident()
    assert await bodies().work(b"x" * 10, lambda _: threading.get_ident()) == here


async def test_the_loop_goes_on_while_a_large_body_is_worked_on() -> None:
    gate = Gate()
    running = asyncio.ensure_future(bodies().work(LARGE, gate.job))
    await gate.wait_begun()
    assert not running.done()
    gate.leave.set()
    assert await running == 11


async def test_no_more_than_the_threads_work_at_a_time() -> None:
    gate, pool = Gate(), bodies()
    running = [asyncio.ensure_future(pool.work(LARGE, gate.job)) for _ in range(3)]
    await gate.wait_begun()
    await gate.wait_begun()
    assert gate.calls == 2
    gate.leave.set()
    assert await asyncio.gather(*running) == [11, 11, 11]


async def test_work_that_waits_for_a_thread_is_dropped_with_its_caller() -> None:
    gate, pool = Gate(), bodies()
    running = [asyncio.ensure_future(pool.work(LARGE, gate.job)) for _ in range(3)]
    await gate.wait_begun()
    await gate.wait_begun()
    running[2].cancel()
    await asyncio.wait([running[2]])  # a thread that is free sooner takes it up
    gate.leave.set()
    await asyncio.gather(*running, return_exceptions=True)
    assert await pool.work(LARGE, len) == 11
    assert gate.calls == 2


async def test_what_the_work_raises_comes_out() -> None:
    def fail(_body: bytes) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await bodies().work(LARGE, fail)
