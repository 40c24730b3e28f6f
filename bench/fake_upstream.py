"""A provider that costs next to nothing: it answers OpenAI chat completions out of constants.

`python -m bench.fake_upstream` prints its port and serves until its standard input ends.
"""

import asyncio
import contextlib
import socket
import sys
from typing import cast

import httptools
import uvloop

CHUNKS = 100
_CONTENT = "All happy providers are alike; each unhappy provider is unhappy in its own way. " * 9
_COMPLETION = (
    '{"id":"chatcmpl-bench","object":"chat.completion","created":1741570283,"model":"bench-upstream",'
    '"choices":[{"index":0,"message":{"role":"assistant","content":"' + _CONTENT + '",'
    '"refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":200,'
    '"completion_tokens":160,"total_tokens":360,"prompt_tokens_details":{"cached_tokens":0},'
    '"completion_tokens_details":{"reasoning_tokens":0}},"system_fingerprint":"fp_bench"}'
).encode()
_HEAD = (
    b"HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\nopenai-processing-ms: 1\r\n"
    b"x-request-id: req_0123456789abcdef\r\nopenai-version: 2020-10-01\r\n"
)
ANSWER = (
    _HEAD
    + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(_COMPLETION)
    + _COMPLETION
)
STREAM_HEAD = _HEAD + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _event(delta: str, rest: str = '"usage":null') -> bytes:
    data = (
        'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1741570283,'
        f'"model":"bench-upstream","system_fingerprint":"fp_bench","choices":[{delta}],{rest}}}\n\n'
    ).encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


EVENT = _event(
    '{"index":0,"delta":{"content":" word and word"},"logprobs":null,"finish_reason":null}'
)
LAST = (
    _event('{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}')
    + _event(
        "",
        '"usage":{"prompt_tokens":200,"completion_tokens":150,"total_tokens":350,'
        '"prompt_tokens_details":{"cached_tokens":0},'
        '"completion_tokens_details":{"reasoning_tokens":0}}',
    )
    + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
)


class FakeUpstream(asyncio.Protocol):
    """One keep-alive connection; a body that says `"stream":true` gets events, one write each."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start parsing."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._parser = httptools.HttpRequestParser(self)
        self._stream = False
        self._loop = asyncio.get_running_loop()
        with contextlib.suppress(AttributeError):
            plain: socket.socket = transport.get_extra_info("socket")
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Look for the one field that matters."""
        if b'"stream":true' in body or b'"stream": true' in body:
            self._stream = True

    def on_message_complete(self) -> None:
        """Answer."""
        if not self._stream:
            self._transport.write(ANSWER)
            return
        self._stream = False
        self._transport.write(STREAM_HEAD)
        self._send_event(CHUNKS)

    def _send_event(self, left: int) -> None:
        if self._transport.is_closing():
            return
        if left:
            self._transport.write(EVENT)
            self._loop.call_soon(self._send_event, left - 1)
        else:
            self._transport.write(LAST)


async def serve() -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(FakeUpstream, "127.0.0.1", 0, backlog=512)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
