"""Running provider clients, kept across snapshots while their configuration is unchanged."""

import asyncio
from collections.abc import Mapping

import structlog

from application.ports.provider import Provider, ProviderFactory
from application.runtime.supervisor import TaskSupervisor
from domain.errors import DomainError
from domain.identifiers import ProviderId
from domain.routing.catalog import Catalog, ProviderSpec

RETIRE_AFTER_S = 15 * 60.0
"""Longer than a call may hold its snapshot before its last attempt begins."""

log = structlog.get_logger(__name__)


class ProviderPool:
    """Builds, replaces and retires provider clients as the catalogue changes."""

    def __init__(self, factory: ProviderFactory, tasks: TaskSupervisor) -> None:
        """`tasks` runs the closing of retired clients."""
        self._factory = factory
        self._tasks = tasks
        self._running: dict[ProviderId, tuple[ProviderSpec, Provider]] = {}
        self._retired: set[Provider] = set()

    def update(self, catalog: Catalog) -> Mapping[ProviderId, Provider]:
        """Return the clients for `catalog`; unchanged ones are the same objects as before.

        A provider that cannot be built (bad credential envelope, impossible options) is logged and
        left out; its routes fail over. A replaced client is closed only when no call can still hold
        the snapshot it came from; its idle connections end by themselves long before.
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
        for provider_id, (_, provider) in self._running.items():
            kept = running.get(provider_id)
            if kept is None or kept[1] is not provider:
                self._retired.add(provider)
                self._tasks.run_once(f"retire-provider-{provider_id}", self._retire(provider))
        self._running = running
        return {provider_id: provider for provider_id, (_, provider) in running.items()}

    async def aclose(self) -> None:
        """Close all clients."""
        for provider in (*(provider for _, provider in self._running.values()), *self._retired):
            await provider.aclose()
        self._running = {}
        self._retired.clear()

    async def _retire(self, provider: Provider) -> None:
        await asyncio.sleep(RETIRE_AFTER_S)
        self._retired.discard(provider)
        await provider.aclose()
