"""How the installation is, for people who run it: checks, versions, connections, what waits."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import structlog
from msgspec import Struct

from application.ports.connections import PoolUse
from application.ports.records import BusBacklog
from domain.access.actor import Actor
from domain.access.permissions import Permission
from entrypoints.health import FRESH_S, PROBE_TIMEOUT_S, HealthChecks, Probe
from entrypoints.version import VERSION

_T = TypeVar("_T")

log = structlog.get_logger(__name__)


class SystemSources(Struct, frozen=True, kw_only=True):
    """Where the answers come from.

    Attributes:
        versions: versions of the stores.
        pools: how this process uses its connections; None where the client does not tell.
        backlog: what waits on the bus.
        journal_bytes: what waits on this machine's disk; called in a thread.
        log_store_calls: calls that wait for the log store.
    """

    versions: Mapping[str, Callable[[], Awaitable[str]]]
    pools: Mapping[str, Callable[[], PoolUse | None]]
    backlog: Callable[[], Awaitable[BusBacklog]]
    journal_bytes: Callable[[], int]
    log_store_calls: Callable[[], int]


class Queues(Struct, frozen=True, kw_only=True):
    """What waits. `bus` is None while the bus does not answer, `journal_bytes` likewise."""

    bus: BusBacklog | None = None
    journal_bytes: int | None = None
    log_store_calls: int = 0


class SystemReport(Struct, frozen=True, kw_only=True):
    """The whole report. A version is None while its store does not answer."""

    status: str
    checks: dict[str, Probe]
    version: str
    versions: dict[str, str | None]
    pools: dict[str, PoolUse]
    queues: Queues


class SystemStatus:
    """Makes the report, at most once in `FRESH_S`, each question bounded in time."""

    def __init__(self, checks: HealthChecks, sources: SystemSources | None) -> None:
        """Without `sources` there is only what `checks` say."""
        self._checks = checks
        self._sources = sources
        self._asking = asyncio.Lock()
        self._asked_at = float("-inf")
        self._versions: dict[str, str | None] = {}
        self._queues = Queues()

    async def report(self, by: Actor) -> SystemReport:
        """Return how everything is, not older than `FRESH_S`. Raises `PermissionDenied`."""
        by.require(Permission.SYSTEM_READ)
        health, _ = await asyncio.gather(self._checks.run(), self._refresh())
        pools: dict[str, PoolUse] = {}
        if self._sources is not None:
            used = {name: ask() for name, ask in self._sources.pools.items()}
            pools = {name: use for name, use in used.items() if use is not None}
        return SystemReport(
            status=health.status,
            checks=health.checks,
            version=VERSION,
            versions=self._versions,
            pools=pools,
            queues=self._queues,
        )

    async def _refresh(self) -> None:
        sources, loop = self._sources, asyncio.get_running_loop()
        if sources is None:
            return
        async with self._asking:
            if loop.time() - self._asked_at < FRESH_S:
                return
            bus, journal_bytes, versions = await asyncio.gather(
                _answer("bus", sources.backlog),
                _answer("journal", lambda: asyncio.to_thread(sources.journal_bytes)),
                asyncio.gather(*(_answer(name, ask) for name, ask in sources.versions.items())),
            )
            self._versions = dict(zip(sources.versions, versions, strict=True))
            self._queues = Queues(
                bus=bus, journal_bytes=journal_bytes, log_store_calls=sources.log_store_calls()
            )
            self._asked_at = loop.time()


async def _answer(name: str, ask: Callable[[], Awaitable[_T]]) -> _T | None:
    """Return the answer, or None when it does not come within the time of a check."""
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            return await ask()
    except Exception as error:  # noqa: BLE001 - the report is for the time when things fail
        log.debug("no_answer", source=name, error=type(error).__name__)
        return None
