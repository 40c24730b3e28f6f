"""uvicorn on sockets that were opened by the parent, several servers in one event loop."""

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn
from litestar.types import ASGIApp

from entrypoints.http_protocol import HEAD_TIMEOUT_S, DescribeRefusal, protocol_factory
from entrypoints.listeners import BACKLOG

_LAST_WORDS_S = 2.0
"""Longest time cancelled requests get to say so and to be settled."""


class PortServer(uvicorn.Server):
    """A server that leaves signals to the process, which stops all its ports in one drain."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture nothing."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End as uvicorn does, then wait until the requests it cancelled have really ended."""
        await super().shutdown(sockets)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _LAST_WORDS_S
        state = self.server_state
        # uvicorn has no event for it.
        while (state.tasks or state.connections) and loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def port_server(
    app: ASGIApp,
    *,
    grace_seconds: int,
    refusals: DescribeRefusal,
    max_connections: int,
    head_timeout_s: float = HEAD_TIMEOUT_S,
) -> PortServer:
    """Return a server for `app` whose open requests may go on for `grace_seconds` at the end.

    `refusals` words what is refused below the app: malformed requests, endless heads, and
    connections over `max_connections`.
    """
    return PortServer(
        uvicorn.Config(
            app,
            loop="none",
            http=protocol_factory(refusals, max_connections, head_timeout_s=head_timeout_s),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # forwarded addresses are judged by TRUSTED_PROXIES
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=75,
            # uvicorn reads 0 as "no timeout".
            timeout_graceful_shutdown=max(grace_seconds, 1),
        )
    )


async def started(servers: list[PortServer], running: list[asyncio.Task[None]]) -> None:
    """Return when all servers accept connections.

    Raises:
        RuntimeError: one ended before; its own exception is the cause, if it had one.
    """
    while not all(server.started for server in servers):
        for task in running:
            if task.done():
                raise RuntimeError("a server ended before it had started") from task.exception()
        await asyncio.sleep(0.005)  # uvicorn has no event for it


def inherited_socket(descriptor: int) -> socket.socket:
    """Wrap a listening socket that the parent opened."""
    return socket.socket(fileno=descriptor)
