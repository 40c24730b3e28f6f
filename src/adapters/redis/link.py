"""One connection on which commands are pipelined by themselves.

redis-py spends 350 us of CPU on a lone EVALSHA; two of them per request would cost more than the
rest of the gateway. Here commands issued in the same turn of the event loop leave in one write, and
replies are matched to callers in order.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

import hiredis

from adapters.redis.endpoint import Endpoint
from domain.errors import LimitStoreUnavailable

Reply = int | bytes | list["Reply"] | None
Part = str | bytes | int
# hiredis' own annotation allows one part only.
_pack = cast("Callable[[tuple[Part, ...]], bytes]", hiredis.pack_command)
# More callers than this wait for the server at once only if something is badly wrong.
MAX_WAITING = 20_000
# uvloop runs timers before it reads: how long the loop gets to find a reply that is already there.
_ONE_READ_S = 0.002


class CommandRefused(Exception):
    """The server answered with an error; `args[0]` is its text, which starts with a code."""

    @property
    def code(self) -> str:
        """First word of the error, e.g. `NOSCRIPT`."""
        return str(self.args[0]).partition(" ")[0]


class Link(asyncio.Protocol):
    """A connection that fails as a whole: after the first fault every caller is told."""

    def __init__(self, timeout_s: float) -> None:
        """`timeout_s` bounds the wait for each reply. Not yet connected.

        Time in which the loop itself was held up, up to as much again, is not held against the
        server: requests would pass unchecked because this process was busy.
        """
        self._loop = asyncio.get_running_loop()
        self._timeout_s = timeout_s
        self._reader = hiredis.Reader()
        self._waiting: deque[tuple[float, asyncio.Future[Reply]]] = deque()
        self._outbox: list[bytes] = []
        self._watchdog: asyncio.TimerHandle | None = None
        self._pardoned: float | None = None
        self._transport: asyncio.Transport | None = None
        self._fault: str | None = None

    @property
    def broken(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._fault is not None

    async def call(self, *parts: Part) -> Reply:
        """Send one command and return its reply. Cancelling forgets the reply, not the command.

        Raises:
            CommandRefused: the server's own error.
            LimitStoreUnavailable: no reply in time, or the connection broke.
        """
        if self._fault is not None:
            raise LimitStoreUnavailable(self._fault)
        if len(self._waiting) >= MAX_WAITING:
            raise LimitStoreUnavailable(f"{MAX_WAITING} commands wait already")
        if not self._outbox:
            self._loop.call_soon(self._flush)
        self._outbox.append(_pack(parts))
        deadline = self._loop.time() + self._timeout_s
        reply: asyncio.Future[Reply] = self._loop.create_future()
        self._waiting.append((deadline, reply))
        if self._watchdog is None:
            self._watchdog = self._loop.call_at(deadline, self._watch)
        return await reply

    def fail(self, fault: str) -> None:
        """Close the connection and tell every waiting caller why."""
        if self._fault is not None:
            return
        self._fault = fault
        if self._watchdog is not None:
            self._watchdog.cancel()
        for _, reply in self._waiting:
            if not reply.done():
                reply.set_exception(LimitStoreUnavailable(fault))
        self._waiting.clear()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Called by the loop: hand out every complete reply."""
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not False:
                _, waiter = self._waiting.popleft()
                if waiter.done():
                    continue
                if isinstance(reply, hiredis.ReplyError):
                    waiter.set_exception(CommandRefused(*reply.args))
                else:
                    waiter.set_result(cast("Reply", reply))
        except (hiredis.ProtocolError, IndexError):
            self.fail("the server does not speak the Redis protocol")

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self.fail(f"the connection broke: {exc}" if exc else "the server closed the connection")

    def _flush(self) -> None:
        parts, self._outbox = self._outbox, []
        if self._transport is not None and self._fault is None:
            self._transport.write(b"".join(parts))

    def _watch(self) -> None:
        """Fail when the oldest reply is overdue: later ones cannot overtake it."""
        self._watchdog = None
        if not self._waiting:
            return
        deadline = self._waiting[0][0]
        late_s = self._loop.time() - deadline
        if late_s < 0:
            self._watchdog = self._loop.call_at(deadline, self._watch)
        elif self._pardoned != deadline:
            self._pardoned = deadline
            pardon_s = max(_ONE_READ_S, min(late_s, self._timeout_s))
            self._watchdog = self._loop.call_later(pardon_s, self._watch)
        else:
            self.fail(f"no reply within {self._timeout_s * 1000:.0f} ms")


async def dial(target: Endpoint, *, connect_timeout_s: float, timeout_s: float) -> Link:
    """Return a link that is authenticated and on the right database.

    Raises:
        LimitStoreUnavailable: not reachable within `connect_timeout_s`, or it refuses us.
    """
    loop = asyncio.get_running_loop()
    link = Link(timeout_s)
    try:
        async with asyncio.timeout(connect_timeout_s):
            if target.path is not None:
                await loop.create_unix_connection(lambda: link, target.path)
            else:
                # asyncio and uvloop both set TCP_NODELAY.
                await loop.create_connection(lambda: link, target.host, target.port, ssl=target.tls)
            await _greet(link, target)
    except BaseException as error:
        link.fail("the connection was not completed")
        if isinstance(error, OSError | TimeoutError):
            reason = "timeout" if isinstance(error, TimeoutError) else str(error)
            raise LimitStoreUnavailable(f"cannot connect to {target}: {reason}") from None
        if isinstance(error, CommandRefused):
            raise LimitStoreUnavailable(f"{target} refuses us: {error}") from None
        raise
    return link


async def _greet(link: Link, target: Endpoint) -> None:
    if target.password is not None:
        if target.username:
            await link.call("AUTH", target.username, target.password.reveal())
        else:
            await link.call("AUTH", target.password.reveal())
    if target.db:
        await link.call("SELECT", target.db)
    await link.call("CLIENT", "SETNAME", "thinkwatch-limits")
