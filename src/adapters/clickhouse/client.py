"""Access to ClickHouse: a server over HTTP(S), or the chDB engine in this process."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from adapters.clickhouse.failures import translate
from domain.errors import ServiceUnavailable

DEFAULT_DATABASE = "thinkwatch"
EMBEDDED_SCHEME = "chdb"

T = TypeVar("T")

_log = logging.getLogger(__name__)
# The driver logs a traceback for every failed request and raises it as well; raising is enough.
logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)


class ClickHouse:
    """One connection, used by one thread of its own: the driver and the engine are synchronous.

    The connection is made when it is first needed, so a ClickHouse that is down at start is no
    reason not to start.
    """

    def __init__(
        self,
        url: str,
        *,
        database: str | None = None,
        timeout_s: float = 30.0,
        max_waiting: int = 64,
    ) -> None:
        """Connect to `http(s)://user:password@host:port/database` or `chdb:///directory`.

        `database` wins over the URL's; without both it is `thinkwatch`. A call that takes longer
        than `timeout_s`, or finds `max_waiting` others before it, raises `ServiceUnavailable`.
        chDB hosts one directory per process, which no other process may have open.
        """
        parts = urlsplit(url)
        self._embedded = parts.scheme == EMBEDDED_SCHEME
        named = "" if self._embedded else parts.path.strip("/")
        self._dsn = url if self._embedded else urlunsplit(parts._replace(path="/"))
        self.database = database or named or DEFAULT_DATABASE
        self._timeout_s = timeout_s
        self._max_waiting = max_waiting
        self._waiting = 0
        self._client: Client | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="clickhouse")

    async def run(self, ask: Callable[[Client], T], *, timeout_s: float | None = None) -> T:
        """Return `ask(client)`, computed in the connection's thread.

        Raises:
            ServiceUnavailable: not reachable, too slow, or too many calls are waiting.
            InvalidRequest: the rows handed in will never be accepted.
        """
        if self._waiting >= self._max_waiting:
            raise ServiceUnavailable("The log store is overloaded.")
        loop = asyncio.get_running_loop()
        self._waiting += 1
        work = loop.run_in_executor(self._thread, self._call, ask)
        work.add_done_callback(self._finished)
        try:
            async with asyncio.timeout(timeout_s or self._timeout_s):
                # Shielded: what runs in a thread cannot be stopped, and still counts as waiting.
                return await asyncio.shield(work)
        except TimeoutError as error:
            raise ServiceUnavailable("The log store did not answer in time.") from error
        except ClickHouseError as error:
            _log.debug("clickhouse: %s", error)
            raise translate(error) from error
        except OSError as error:
            raise ServiceUnavailable("The log store cannot be reached.") from error

    async def ping(self) -> None:
        """Ask for a sign of life. Raises `ServiceUnavailable`."""
        await self.run(_ask_for_one, timeout_s=5.0)

    async def version(self) -> str:
        """Return the version of the server or engine. Raises `ServiceUnavailable`."""
        return await self.run(_ask_for_version, timeout_s=5.0)

    @property
    def waiting(self) -> int:
        """How many calls wait for the connection or its answer."""
        return self._waiting

    async def aclose(self) -> None:
        """Close the connection, after the running call if that ends within the timeout."""
        loop = asyncio.get_running_loop()
        closing = loop.run_in_executor(self._thread, self._disconnect)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                await asyncio.shield(closing)
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _call(self, ask: Callable[[Client], T]) -> T:
        if self._client is None:
            self._client = self._connect()
        return ask(self._client)

    def _connect(self) -> Client:
        if self._embedded:
            client = clickhouse_connect.get_client(dsn=self._dsn)
        else:
            client = clickhouse_connect.get_client(
                dsn=self._dsn,
                connect_timeout=5,
                send_receive_timeout=int(self._timeout_s),
                query_retries=0,
                # Without a session, calls of several clients never wait for one another.
                autogenerate_session_id=False,
            )
        client.database = self.database
        return client

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _finished(self, work: "asyncio.Future[T]") -> None:
        self._waiting -= 1
        if not work.cancelled():
            work.exception()  # retrieved, so that a late failure after a timeout is no warning


def _ask_for_one(client: Client) -> None:
    client.command("SELECT 1", use_database=False)


def _ask_for_version(client: Client) -> str:
    return str(client.command("SELECT version()", use_database=False))
