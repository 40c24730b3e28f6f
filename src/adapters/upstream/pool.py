"""Connections of one transport: bounded, reused newest first, waited for in order."""

import asyncio
from collections import deque
from ssl import SSLContext

from adapters.upstream.connecting import connect
from adapters.upstream.connection import Connection, ConnectionOwner
from adapters.upstream.options import TransportOptions
from adapters.upstream.target import Origin
from domain.errors import UpstreamUnavailable


class _Turn:
    """A request in the queue. It is granted a connection, or None: the right to open one."""

    __slots__ = ("fresh", "granted", "origin")

    def __init__(
        self, origin: Origin, *, fresh: bool, granted: "asyncio.Future[Connection | None]"
    ) -> None:
        self.origin = origin
        self.fresh = fresh
        self.granted = granted


class ConnectionPool(ConnectionOwner):
    """Hands out connections.

    `_open` counts every connection there is and every right to open one; it never exceeds
    `max_connections`. A freed place goes straight to the request that has waited longest, so
    nobody can overtake it.
    """

    def __init__(self, options: TransportOptions, context: SSLContext) -> None:
        """Start empty."""
        self._options = options
        self._context = context
        self._idle: dict[Origin, list[Connection]] = {}
        self._idle_count = 0
        self._open = 0
        self._queue: deque[_Turn] = deque()
        self._closing = False

    def take(self, origin: Origin) -> Connection | None:
        """Return the idle connection used last, if one is usable."""
        stack = self._idle.get(origin)
        while stack:
            connection = stack.pop()
            self._idle_count -= 1
            if connection.usable:
                return connection
            connection.close()
        return None

    async def obtain(self, origin: Origin, deadline: float, *, fresh: bool) -> Connection:
        """Open a connection, or wait for one. `fresh` refuses used ones.

        The caller enforces `deadline` (loop time) by cancelling.

        Raises:
            UpstreamUnavailable: connecting failed, or too many requests are waiting.
        """
        # Leaving by `break`, this request was granted a place; otherwise it takes a free one.
        while self._open >= self._options.max_connections and not self._evict():
            connection = await self._wait_for_turn(origin, fresh=fresh)
            if connection is None:
                break
            if connection.usable:
                return connection
            connection.close()
        else:
            self._open += 1
        try:
            connection = await connect(
                origin,
                self._options.address_policy,
                self._context,
                lambda: Connection(asyncio.get_running_loop(), origin),
                deadline,
            )
        except BaseException:
            self._place_freed()
            raise
        connection.join(self)
        return connection

    def released(self, connection: Connection) -> None:
        """See ConnectionOwner."""
        turn = self._next_turn()
        if turn is not None:
            if turn.origin == connection.origin and not turn.fresh:
                turn.granted.set_result(connection)
            else:
                self._queue.appendleft(turn)
                connection.close()
        elif self._closing or self._options.max_idle_connections == 0:
            connection.close()
        else:
            if self._idle_count >= self._options.max_idle_connections:
                self._evict()
            loop = asyncio.get_running_loop()
            connection.idle_until(loop.time() + self._options.idle_seconds)
            self._idle.setdefault(connection.origin, []).append(connection)
            self._idle_count += 1

    def lost(self, connection: Connection) -> None:
        """See ConnectionOwner."""
        stack = self._idle.get(connection.origin)
        if stack and connection in stack:
            stack.remove(connection)
            self._idle_count -= 1
        self._place_freed()

    def close(self) -> None:
        """Close idle connections, and from now on every one that becomes idle."""
        self._closing = True
        while self._evict():
            pass

    def _evict(self) -> bool:
        """Close the oldest idle connection of some origin."""
        for stack in self._idle.values():
            if stack:
                stack[0].close()  # calls `lost`, which takes it out
                return True
        return False

    async def _wait_for_turn(self, origin: Origin, *, fresh: bool) -> Connection | None:
        if len(self._queue) >= self._options.max_waiting:
            raise UpstreamUnavailable(
                "Too many requests are waiting for a connection to the model provider.",
                error_class="connect",
            )
        turn = _Turn(origin, fresh=fresh, granted=asyncio.get_running_loop().create_future())
        self._queue.append(turn)
        try:
            return await turn.granted
        except asyncio.CancelledError:
            if turn.granted.cancelled():
                self._queue.remove(turn)
            else:
                self._pass_on(turn.granted.result())
            raise

    def _pass_on(self, granted: Connection | None) -> None:
        if granted is None:
            self._place_freed()
        elif granted.usable:
            self.released(granted)
        else:
            granted.close()

    def _place_freed(self) -> None:
        turn = self._next_turn()
        if turn is None:
            self._open -= 1
        else:
            turn.granted.set_result(None)

    def _next_turn(self) -> _Turn | None:
        while self._queue:
            turn = self._queue.popleft()
            if not turn.granted.done():
                return turn
        return None
