"""Composition root: the only package that builds adapters, one module per role.

Each process opens the services of its roles on the stores it was given; everything that was opened
is closed in reverse order when the context ends. A role's modules are imported by who has the role:
a gateway starts faster, and is smaller, without what only the console needs.
"""

import contextlib
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from msgspec import Struct

from entrypoints.config import BootConfig
from entrypoints.container.limits import tend_limits
from entrypoints.container.process import Process
from entrypoints.roles import ConsoleTokens, Role, StoreUrls

if TYPE_CHECKING:
    from entrypoints.console.services import Console
    from entrypoints.gateway.services import Gateway


class Container(Struct, frozen=True, kw_only=True):
    """The services of one process; None for roles it does not have."""

    gateway: "Gateway | None" = None
    console: "Console | None" = None

    def begin_drain(self) -> None:
        """Turn readiness red: no new traffic, running requests go on."""
        for app in (self.gateway, self.console):
            if app is not None:
                app.health.draining = True


@contextlib.asynccontextmanager
async def open_container(
    config: BootConfig, stores: StoreUrls, roles: frozenset[Role], tokens: ConsoleTokens
) -> AsyncGenerator[Container]:
    """Open the services of `roles`; background tasks run until the context ends.

    Leaving the context drains: records are shipped, key uses written, connections closed, each step
    bounded in time.

    Raises:
        DomainError: a store cannot be used; the message says which.
    """
    async with contextlib.AsyncExitStack() as stack:
        process = await Process.open(config, stores, stack, roles)
        if Role.GATEWAY in roles or Role.WORKER in roles:
            tend_limits(process)
        gateway = await _open_gateway(process) if Role.GATEWAY in roles else None
        console = None
        if Role.CONSOLE in roles or Role.WORKER in roles:
            console = await _open_console_and_worker(process, roles, tokens)
        # Registered last, so it runs first, on everything that is still open.
        stack.push_async_callback(process.drains.run)
        yield Container(gateway=gateway, console=console)


async def _open_gateway(process: Process) -> "Gateway":
    from entrypoints.container.gateway import open_gateway  # noqa: PLC0415

    return await open_gateway(process)


async def _open_console_and_worker(
    process: Process, roles: frozenset[Role], tokens: ConsoleTokens
) -> "Console | None":
    """Open both on one client of the log store: the embedded one has room for one process."""
    from entrypoints.container.clickhouse import open_clickhouse  # noqa: PLC0415

    clickhouse = await open_clickhouse(process)
    if Role.WORKER in roles:
        from entrypoints.container.worker import run_worker  # noqa: PLC0415

        run_worker(process, clickhouse)
    if Role.CONSOLE not in roles:
        return None
    from entrypoints.container.console import open_console  # noqa: PLC0415

    return open_console(process, clickhouse, tokens)
