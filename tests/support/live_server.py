"""An ASGI app on a real socket, served in the test's own event loop.

Litestar's own test clients either run the app in another thread's loop or collect the whole reply
first, so they can show neither shared pools, nor streaming, nor a client that hangs up.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Generator
from typing import Any, cast

import uvicorn

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 10.0


class _QuietServer(uvicorn.Server):
    """A server that leaves the signals to pytest."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture nothing."""
        yield


@contextlib.asynccontextmanager
async def live_server(app: object, *, lifespan: str = "auto") -> AsyncGenerator[str]:
    """Serve `app` on a free port of 127.0.0.1 and yield its base URL (no slash at the end).

    On exit open requests get a moment to end, then they are cancelled.
    """
    config = uvicorn.Config(
        cast("Any", app),
        lifespan=cast("Any", lifespan),
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=1,
    )
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    server = _QuietServer(config)
    task = asyncio.get_running_loop().create_task(server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            # uvicorn offers no event for "started"; a turn of the loop at a time is not a guess.
            while not server.started:
                if task.done():
                    await task
                    raise RuntimeError("the server ended before it had started")
                await asyncio.sleep(0)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await task
        finally:
            listener.close()
