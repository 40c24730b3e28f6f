"""The timer of a connection."""

import asyncio
from collections.abc import Callable

from adapters.upstream.deadline import Deadline


class Watched:
    """A deadline that tells when it passed."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.passed = asyncio.Event()
        self.times: list[float] = []
        self.deadline = Deadline(self.loop, self._note)

    def _note(self) -> None:
        self.times.append(self.loop.time())
        self.passed.set()

    def move(self, seconds: float) -> float:
        moment = self.loop.time() + seconds
        self.deadline.move(moment)
        return moment


async def test_it_passes_once_and_not_before_its_moment() -> None:
    watched = Watched()
    moment = watched.move(0.03)
    await asyncio.wait_for(watched.passed.wait(), 5)
    await asyncio.sleep(0.03)
    assert len(watched.times) == 1
    assert watched.times[0] >= moment - 0.003


async def test_moving_it_later_postpones_it() -> None:
    watched = Watched()
    watched.move(0.01)
    moment = watched.move(0.06)
    await asyncio.wait_for(watched.passed.wait(), 5)
    assert watched.times[0] >= moment - 0.003


async def test_moving_it_earlier_brings_it_forward() -> None:
    watched = Watched()
    watched.move(100)
    watched.move(0.01)
    await asyncio.wait_for(watched.passed.wait(), 5)


async def test_it_can_be_set_again_after_it_passed() -> None:
    watched = Watched()
    for count in (1, 2):
        watched.move(0.01)
        await asyncio.wait_for(watched.passed.wait(), 5)
        watched.passed.clear()
        assert len(watched.times) == count


async def test_a_stopped_deadline_never_passes() -> None:
    watched = Watched()
    watched.move(0.01)
    watched.deadline.stop()
    await asyncio.sleep(0.03)
    assert watched.times == []


async def test_moving_it_later_leaves_the_timer_alone() -> None:
    armed: list[float] = []

    class CountingLoop(asyncio.SelectorEventLoop):
        def call_at(self, when: float, callback: Callable[..., object], *args: object, **_: object):
            armed.append(when)
            return super().call_at(when, callback, *args)

    loop = CountingLoop()
    deadline = Deadline(loop, lambda: None)
    for moment in range(1000, 2000):
        deadline.move(moment)
    deadline.stop()
    loop.close()
    assert armed == [1000]
