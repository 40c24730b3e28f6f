"""The self-pipelining connection against servers that misbehave."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest

from adapters.embedded.valkey import EmbeddedValkey
from adapters.redis.discovery import resolver
from adapters.redis.endpoint import Endpoint, endpoint, endpoints
from adapters.redis.link import MAX_WAITING, CommandRefused, Link, dial
from adapters.redis.pipelined import PipelinedCommands, Script
from domain.errors import LimitStoreUnavailable

Answer = Callable[[bytes], bytes]


class Scripted(asyncio.Protocol):
    """A server that answers every read with what `answer` makes of it."""

    def __init__(self, answer: Answer, reads: list[bytes]) -> None:
        self._answer, self._reads = answer, reads
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        if b"SETNAME" in data:
            self._transport.write(b"+OK\r\n")
            return
        self._reads.append(data)
        reply = self._answer(data)
        if reply == b"hang up":
            self._transport.close()
        else:
            self._transport.write(reply)


@asynccontextmanager
async def scripted(answer: Answer) -> AsyncGenerator[tuple[Endpoint, list[bytes]]]:
    reads: list[bytes] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Scripted(answer, reads), "127.0.0.1", 0)
    try:
        yield Endpoint(host="127.0.0.1", port=server.sockets[0].getsockname()[1]), reads
    finally:
        server.close()


def echo(data: bytes) -> bytes:
    """Answer each `PING n` with n."""
    return b"".join(b":%s\r\n" % part.split(b"\r\n")[3] for part in data.split(b"*2\r\n")[1:])


async def link_to(target: Endpoint, timeout_s: float = 5.0) -> Link:
    return await dial(target, connect_timeout_s=5.0, timeout_s=timeout_s)


async def test_commands_of_one_turn_of_the_loop_leave_in_one_write() -> None:
    async with scripted(echo) as (target, reads):
        link = await link_to(target)
        replies = await asyncio.gather(*(link.call("PING", number) for number in range(50)))
        assert replies == list(range(50))
        assert len(reads) == 1
        link.fail("done")


async def test_a_cancelled_caller_does_not_get_the_others_out_of_step() -> None:
    async with scripted(echo) as (target, _):
        link = await link_to(target)
        calls = [asyncio.ensure_future(link.call("PING", number)) for number in range(5)]
        await asyncio.sleep(0)
        calls[2].cancel()
        replies = await asyncio.gather(*calls, return_exceptions=True)
        assert [r for r in replies if not isinstance(r, BaseException)] == [0, 1, 3, 4]
        assert await link.call("PING", 9) == 9
        link.fail("done")


async def test_an_error_reply_reaches_its_caller_only() -> None:
    async with scripted(lambda _: b":1\r\n-ERR no\r\n:3\r\n") as (target, _):
        link = await link_to(target)
        replies = await asyncio.gather(
            *(link.call("PING", number) for number in range(3)), return_exceptions=True
        )
        assert (replies[0], replies[2]) == (1, 3)
        assert isinstance(replies[1], CommandRefused)
        assert replies[1].code == "ERR"
        link.fail("done")


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b":1\r\n:2\r\n"])
async def test_a_server_that_misbehaves_breaks_the_link_for_good(garbage: bytes) -> None:
    async with scripted(lambda _: garbage) as (target, _):
        link = await link_to(target)
        first = await asyncio.gather(link.call("PING", 1), return_exceptions=True)
        assert link.broken, first
        with pytest.raises(LimitStoreUnavailable):
            await link.call("PING", 1)


async def test_silence_fails_every_waiting_caller_and_no_reply_is_taken_for_anothers() -> None:
    async with scripted(lambda _: b"") as (target, _):
        link = await link_to(target, timeout_s=0.05)
        replies = await asyncio.gather(
            *(link.call("PING", number) for number in range(20)), return_exceptions=True
        )
        assert all(isinstance(reply, LimitStoreUnavailable) for reply in replies)
        assert link.broken


async def test_a_loop_that_was_held_up_does_not_blame_the_server(
    valkey_server: EmbeddedValkey,
) -> None:
    link = await dial(await resolver(valkey_server.url)(), connect_timeout_s=5.0, timeout_s=0.1)
    for _ in range(3):
        replies = [asyncio.ensure_future(link.call("PING")) for _ in range(20)]
        await asyncio.sleep(0)
        time.sleep(0.15)  # noqa: ASYNC251 - this is what holds it up
        assert await asyncio.gather(*replies) == [b"PONG"] * 20
    link.fail("done")


async def test_silence_is_pardoned_once(valkey_server: EmbeddedValkey) -> None:
    link = await dial(await resolver(valkey_server.url)(), connect_timeout_s=5.0, timeout_s=0.1)
    assert valkey_server.pid is not None
    os.kill(valkey_server.pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        reply = asyncio.ensure_future(link.call("PING"))
        await asyncio.sleep(0)
        time.sleep(0.15)  # noqa: ASYNC251 - as above
        with pytest.raises(LimitStoreUnavailable):
            await reply
        assert time.monotonic() - started < 1.0
    finally:
        os.kill(valkey_server.pid, signal.SIGCONT)


async def test_the_queue_is_bounded() -> None:
    async with scripted(lambda _: b"") as (target, _):
        link = await link_to(target)
        waiting = [asyncio.ensure_future(link.call("PING", n)) for n in range(MAX_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(LimitStoreUnavailable):
            await link.call("PING", 1)
        link.fail("done")
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_demoted_server_is_left_and_the_command_sent_once_more() -> None:
    refusing = True

    def answer(_: bytes) -> bytes:
        nonlocal refusing
        refusing, now = False, refusing
        return b"-READONLY You can't write against a read only replica.\r\n" if now else b":7\r\n"

    async with scripted(answer) as (target, reads):
        commands = PipelinedCommands.from_url(f"redis://{target}", timeout_s=5, connect_timeout_s=5)
        assert await commands.run(Script.of("return 7"), ["k"], []) == 7
        assert len(reads) == 2
        await commands.aclose()
        with pytest.raises(LimitStoreUnavailable):
            await commands.call("PING", 1)


def test_urls_are_read_like_redis_py_reads_them() -> None:
    plain = endpoint("redis://u:p%40ss@example.com:7000/4")
    assert (plain.host, plain.port, plain.username, plain.db) == ("example.com", 7000, "u", 4)
    assert plain.password is not None
    assert plain.password.reveal() == "p@ss"
    assert "p@ss" not in f"{plain} {plain!r}"
    assert endpoint("unix:///run/valkey.sock?db=2").path == "/run/valkey.sock"
    secure = endpoint("rediss://example.com?ssl_cert_reqs=none")
    assert secure.tls is not None
    assert not secure.tls.check_hostname
    nodes = endpoints("rediss+cluster://:pw@a:1,b:2?ssl_cert_reqs=none")
    assert [(str(node), node.tls is not None) for node in nodes] == [("a:1", True), ("b:2", True)]


@pytest.mark.parametrize(
    "url", ["http://example.com", "redis://h:port", "redis+sentinel://h:1", ""]
)
def test_a_url_that_cannot_work_is_refused(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - redis-py's texts
        PipelinedCommands.from_url(url)


async def test_a_server_that_hangs_up_fails_the_caller_who_waits() -> None:
    async with scripted(lambda _: b"hang up") as (target, _):
        link = await link_to(target)
        with pytest.raises(LimitStoreUnavailable):
            await link.call("PING", 1)
        assert link.broken
