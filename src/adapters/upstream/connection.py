"""One connection to an origin: the asyncio side of an exchange."""

import asyncio
import select
import ssl
from abc import abstractmethod
from typing import Protocol, cast

from adapters.upstream.deadline import Deadline
from adapters.upstream.exchange import Exchange, Link
from adapters.upstream.target import Origin
from application.ports.upstream import UpstreamTimeouts

# Below this, head and body are joined: one write, one segment. Above, copying costs more.
_JOIN_BELOW = 64 * 1024


class ConnectionOwner(Protocol):
    """Whoever counts connections."""

    @abstractmethod
    def released(self, connection: "Connection") -> None:
        """The connection finished an exchange and can serve another."""
        ...

    @abstractmethod
    def lost(self, connection: "Connection") -> None:
        """The connection is closed or closing; told exactly once."""
        ...


def _said_goodbye(transport: asyncio.Transport) -> bool:
    """Tell a TLS close_notify from a bare FIN, which anybody on the path can send.

    The event loops report both as the end of the stream; OpenSSL knows which it was.
    """
    tls: ssl.SSLObject = transport.get_extra_info("ssl_object")
    try:
        return tls.read(1) == b""
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:
        return False


class Connection(asyncio.Protocol, Link):
    """Carries one exchange at a time. Anything received between exchanges closes it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, origin: Origin) -> None:
        """Wait for `connection_made`."""
        self.origin = origin
        self.served = 0
        self._loop = loop
        self._owner: ConnectionOwner | None = None
        self._transport: asyncio.Transport | None = None
        self._poll = select.poll()
        self._exchange: Exchange | None = None
        self._deadline = Deadline(loop, self._deadline_passed)
        self._ended = False
        self._gone = False

    # -- what the pool asks

    def join(self, owner: ConnectionOwner) -> None:
        """Tell `owner` from now on; at once if the connection is lost already."""
        self._owner = owner
        if self._gone:
            owner.lost(self)

    def start(
        self,
        method: str,
        head: bytes,
        body: bytes,
        timeouts: UpstreamTimeouts,
        total_deadline: float,
    ) -> Exchange | None:
        """Write a request and return its exchange, or None if not a byte of it could be sent."""
        transport = self._transport
        assert transport is not None
        assert self._exchange is None
        if self._gone:
            return None
        exchange = Exchange(self._loop, self, method, timeouts, total_deadline)
        self._exchange = exchange
        if len(body) < _JOIN_BELOW:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)
        if transport.is_closing():
            # The very first write failed: the server had closed before it could read anything.
            self._exchange = None
            self.close()
            return None
        self.served += 1
        return exchange

    @property
    def usable(self) -> bool:
        """Whether an idle connection still looks open.

        The poll sees a FIN, a reset or stray bytes that the event loop has not delivered yet:
        cheaper than a failed request, and the only way to know before writing.
        """
        return (
            not self._gone
            and self._transport is not None
            and not self._transport.is_closing()
            and not self._poll.poll(0)
        )

    def idle_until(self, moment: float) -> None:
        """Close the connection at `moment` (loop time) if it is still unused then."""
        self._deadline.move(moment)

    def close(self) -> None:
        """Close in an orderly way."""
        self._leave()
        if self._transport is not None:
            self._transport.close()

    # -- what the exchange asks (Link)

    def set_deadline(self, moment: float) -> None:
        """See Link."""
        self._deadline.move(moment)

    def pause(self) -> None:
        """See Link."""
        assert self._transport is not None
        self._transport.pause_reading()

    def resume(self) -> None:
        """See Link."""
        assert self._transport is not None
        self._transport.resume_reading()

    def complete(self, *, reusable: bool) -> None:
        """See Link. A request that is not sent to its end yet would run into the next one."""
        transport = self._transport
        assert transport is not None
        self._exchange = None
        if reusable and not transport.is_closing() and not transport.get_write_buffer_size():
            owner = self._owner
            assert owner is not None
            owner.released(self)
        elif transport.get_write_buffer_size():
            self.abort()  # closing would wait for a server that may never read
        else:
            self.close()

    def abort(self) -> None:
        """See Link."""
        self._exchange = None
        self._leave()
        if self._transport is not None:
            self._transport.abort()

    # -- what the event loop reports

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        exchange = self._exchange
        if exchange is not None:
            exchange.feed(data)
        elif not self._gone:
            self.abort()

    def eof_received(self) -> bool:
        """See asyncio.Protocol."""
        assert self._transport is not None
        self._end(clean=not self.origin.secure or _said_goodbye(self._transport))
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        """See asyncio.Protocol."""
        self._end(clean=False)

    # -- within

    def _end(self, *, clean: bool) -> None:
        exchange, self._exchange = self._exchange, None
        self._leave()
        if exchange is not None:
            exchange.end(clean=clean)

    def _deadline_passed(self) -> None:
        if self._exchange is not None:
            self._exchange.expire()
        else:
            self.close()

    def _leave(self) -> None:
        if not self._gone:
            self._gone = True
            self._deadline.stop()
            if self._owner is not None:
                self._owner.lost(self)
