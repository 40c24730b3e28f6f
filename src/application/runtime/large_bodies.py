"""Work on large bodies in threads, so that the event loop goes on serving everyone else."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

ABOVE_BYTES = 1024 * 1024
"""Reading a body of this size takes a few milliseconds: as long as one may hold the loop."""
THREADS = 2
"""The interpreter lets one thread run at a time; the second keeps one giant from blocking all."""

_Result = TypeVar("_Result")


class LargeBodies:
    """Runs synchronous work on a body: at once when it is small, in one of a few threads else."""

    def __init__(self, *, above_bytes: int = ABOVE_BYTES, threads: int = THREADS) -> None:
        """No thread starts before there is work for it."""
        self._above_bytes = above_bytes
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="large-body")

    async def work(self, body: bytes, job: Callable[[bytes], _Result]) -> _Result:
        """Return `job(body)`, or raise what it raises.

        When the caller is cancelled, work that waits for a thread is dropped, and the result of
        work that has begun is.
        """
        if len(body) <= self._above_bytes:
            return job(body)
        return await asyncio.get_running_loop().run_in_executor(self._threads, job, body)
