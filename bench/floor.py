"""The least a Python gateway on this stack can do: pass bytes through and change the credentials.

The same server (uvicorn, uvloop, httptools) and the same upstream transport as ThinkWatch, and
nothing else: no key look-up, no model, no usage, no record, no framework. What ThinkWatch costs
above this floor is what governing costs.

`python -m bench.floor UPSTREAM_URL` prints its port and serves until its standard input ends.
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from typing import Any

import uvicorn
import uvloop

from adapters.upstream.http11 import Http11Transport
from adapters.upstream.options import TransportOptions
from application.ports.upstream import UpstreamRequest, UpstreamTimeouts
from domain.routing.address_policy import AddressPolicy

Message = MutableMapping[str, Any]
TIMEOUTS = UpstreamTimeouts(connect=5, first_byte=60, idle=60, total=300)
KEPT = (b"content-type", b"x-request-id", b"content-length")


class PassThrough:
    """The whole proxy."""

    def __init__(self, upstream_url: str) -> None:
        """`upstream_url` is what every request goes to."""
        self._url = upstream_url
        self._transport = Http11Transport(
            TransportOptions(address_policy=AddressPolicy.allowing(["127.0.0.0/8"]))
        )

    async def __call__(
        self,
        _scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Forward one request and its answer."""
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        request = UpstreamRequest(
            method="POST",
            url=self._url,
            headers=(
                (b"content-type", b"application/json"),
                (b"authorization", b"Bearer sk-bench"),
            ),
            body=body,
            timeouts=TIMEOUTS,
        )
        reply = await self._transport.send(request)
        headers = [(name, value) for name, value in reply.headers if name in KEPT]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        async for chunk in reply.chunks():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await reply.aclose()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def serve(upstream_url: str) -> None:
    """Serve until standard input ends."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    app: Any = PassThrough(upstream_url)
    config = uvicorn.Config(
        app,
        loop="none",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.should_exit = True
    await task


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(sys.argv[1]))
