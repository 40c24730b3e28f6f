"""Reading an answer in a task of its own, so that it can be read to its end without its client.

For providers with `on_disconnect = drain`: they bill what they generate anyway, and only the end of
the answer tells how much that was.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import structlog

from application.ports.provider import UpstreamReply
from application.runtime.supervisor import TaskSupervisor
from domain.errors import DomainError, UpstreamUnavailable

PARTS_AHEAD = 4
"""How many parts are read before the client has taken the first: bounds memory, keeps pressure."""

log = structlog.get_logger(__name__)


class Pump:
    """One answer's reader. What reads `chunks` may be cancelled and begun again; nothing is lost."""

    def __init__(self, rest: AsyncIterator[bytes], tasks: TaskSupervisor) -> None:
        """Begin to read."""
        self._rest = rest
        self._parts: asyncio.Queue[bytes | DomainError | None] = asyncio.Queue(PARTS_AHEAD)
        self._reading: asyncio.Task[None] | None = None
        tasks.run_once("pump", self._read())

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Yield what comes, to the end.

        Raises:
            DomainError: as the answer's own `chunks`.
        """
        while True:
            part = await self._parts.get()
            if part is None:
                return
            if isinstance(part, DomainError):
                raise part
            yield part

    async def drain(self, reply: UpstreamReply, timeout_s: float) -> None:
        """Read on for the scanner of `reply` alone, `timeout_s` seconds at most."""
        try:
            async with asyncio.timeout(timeout_s):
                async for part in self.chunks():
                    reply.scanner.feed(part)
                    if reply.scanner.summary.terminated:
                        return
                reply.scanner.finish()
        except TimeoutError:
            log.info("answer_not_drained", timeout_s=timeout_s)
        except DomainError:
            pass  # the record tells what is known so far

    def stop(self) -> None:
        """Read no more."""
        if self._reading is not None:
            self._reading.cancel()

    async def _read(self) -> None:
        self._reading = asyncio.current_task()
        try:
            async for part in self._rest:
                await self._parts.put(part)
        except DomainError as error:
            await self._parts.put(error)
            return
        except Exception:
            # Whoever reads must hear of it too: he would wait for what never comes.
            await self._parts.put(UpstreamUnavailable())
            raise
        await self._parts.put(None)
