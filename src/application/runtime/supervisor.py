"""Named background tasks: referenced, restarted after a failure, drained at shutdown."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 10.0
_HEALTHY_AFTER_S = 60.0

log = structlog.get_logger(__name__)


class TaskSupervisor:
    """Owns every task this program starts outside a request."""

    def __init__(self) -> None:
        """Start with no tasks."""
        self._tasks: set[asyncio.Task[None]] = set()

    def run_forever(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Keep `work()` running: a failure is logged and followed by a restart with back-off.

        The pause doubles from 0.1 s to 10 s and starts over once the work has run for a minute.
        """
        self._start(name, self._restarting(name, work))

    def run_once(self, name: str, work: Awaitable[None]) -> None:
        """Run `work` to its end in the background; a failure is logged."""
        self._start(name, self._logged(name, work))

    async def cancel_all(self, timeout_s: float) -> None:
        """Cancel every task and wait for their clean-up, `timeout_s` seconds at most."""
        tasks = [task for task in self._tasks if not task.done()]
        for task in tasks:
            task.cancel()
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=timeout_s)
        for task in late:
            log.warning("task_did_not_stop", task=task.get_name(), timeout_s=timeout_s)

    def _start(self, name: str, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        task.set_name(name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _restarting(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE_S
        while True:
            started = loop.time()
            try:
                await work()
            except Exception:
                log.exception("background_task_failed", task=name, restart_in_s=pause)
            if loop.time() - started > _HEALTHY_AFTER_S:
                pause = _FIRST_PAUSE_S
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _logged(self, name: str, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception:
            log.exception("background_task_failed", task=name)
