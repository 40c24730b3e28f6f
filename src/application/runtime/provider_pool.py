"""Running provider clients, kept across snapshots while their configuration is unchanged."""

import asyncio
import contextlib
import weakref
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import structlog

from application.ports.provider import Provider, ProviderFactory
from application.runtime.supervisor import TaskSupervisor
from domain.errors import DomainError
from domain.identifiers import ProviderId
from domain.routing.catalog import Catalog, ProviderSpec

log = structlog.get_logger(__name__)


class _Clients(dict[ProviderId, Provider]):
    """The clients of one snapshot. Unlike a plain dictionary it can be watched until it is gone."""

    __slots__ = ("__weakref__",)


class ProviderPool:
    """Builds, replaces and closes provider clients as the catalogue changes.

    A call keeps the clients it began with by keeping its snapshot. A client is closed when the last
    snapshot that has it is gone, which is when the last call that could still use it has ended its
    attempts; an exchange that runs then ends as it would, and its connection with it.
    """

    def __init__(self, factory: ProviderFactory, tasks: TaskSupervisor) -> None:
        """`tasks` runs the closing of clients."""
        self._factory = factory
        self._tasks = tasks
        self._running: dict[ProviderId, tuple[ProviderSpec, Provider]] = {}
        self._held_by: Counter[Provider] = Counter()

    def update(self, catalog: Catalog) -> Mapping[ProviderId, Provider]:
        """Return the clients for `catalog`; unchanged ones are the same objects as before.

        A provider that cannot be built (bad credential envelope, impossible options) is logged and
        left out; its routes fail over.
        """
        running: dict[ProviderId, tuple[ProviderSpec, Provider]] = {}
        for spec in catalog.providers.values():
            if not spec.enabled:
                continue
            held = self._running.get(spec.id)
            if held is not None and held[0] == spec:
                running[spec.id] = held
                continue
            try:
                running[spec.id] = (spec, self._factory.build(spec))
            except DomainError as error:
                log.warning("provider_unusable", provider=spec.name, error=error.message)
        self._running = running
        clients = _Clients({key: provider for key, (_, provider) in running.items()})
        holds = tuple(clients.values())
        self._held_by.update(holds)
        # Whichever thread lets go of the last reference: clients are closed in the loop's.
        loop = asyncio.get_running_loop()
        weakref.finalize(clients, _tell, loop, self._let_go, holds).atexit = False
        return clients

    async def aclose(self) -> None:
        """Close all clients."""
        self._running = {}
        providers = tuple(self._held_by)
        self._held_by.clear()
        for provider in providers:
            await provider.aclose()

    def _let_go(self, providers: Sequence[Provider]) -> None:
        for provider in providers:
            if provider not in self._held_by:
                continue  # everything was closed meanwhile
            self._held_by[provider] -= 1
            if not self._held_by[provider]:
                del self._held_by[provider]
                self._tasks.run_once("close-provider", provider.aclose())


def _tell(
    loop: asyncio.AbstractEventLoop,
    let_go: Callable[[Sequence[Provider]], None],
    providers: Sequence[Provider],
) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended, and all clients with it
        loop.call_soon_threadsafe(let_go, providers)
