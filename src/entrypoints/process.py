"""The inside of one process of a running server: event loop, container, ports, drain."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
from typing import TYPE_CHECKING

import structlog
import uvloop

from adapters.telemetry.logging import configure_logging
from domain.errors import DomainError, ServiceUnavailable
from entrypoints.container import Container, open_container
from entrypoints.failures import EXIT_CONFIGURATION, EXIT_UNAVAILABLE, StartFailed
from entrypoints.http_protocol import connections_within, raise_descriptor_limit
from entrypoints.port_server import PortServer, inherited_socket, port_server, started
from entrypoints.process_plan import GOODBYE, READY, TURN_RED, ProcessPlan

if TYPE_CHECKING:
    from entrypoints.console.services import Console
    from entrypoints.gateway.services import Gateway

_CONSOLE_GRACE_SECONDS = 5
_CONSOLE_CONNECTIONS = 512

log = structlog.get_logger(__name__)


def run_process(plan_bytes: bytes) -> int:
    """Serve the roles of the plan until SIGTERM; return the exit status."""
    plan = ProcessPlan.decode(plan_bytes)
    configure_logging(plan.config.log_level, plan.config.log_format)
    structlog.contextvars.bind_contextvars(process=plan.name)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(plan))
    except StartFailed as error:
        for failure in error.failures:
            sys.stderr.write(f"thinkwatch: {failure}\n")
        return error.exit_code
    except DomainError as error:
        sys.stderr.write(f"thinkwatch: {error.message}\n")
        is_dependency = isinstance(error, ServiceUnavailable)
        return EXIT_UNAVAILABLE if is_dependency else EXIT_CONFIGURATION
    return 0


async def _serve(plan: ProcessPlan) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with open_container(
        plan.config, plan.stores, plan.roles, plan.console_tokens
    ) as container:
        await _serve_ports(plan, container, stop)


async def _serve_ports(plan: ProcessPlan, container: Container, stop: asyncio.Event) -> None:
    servers: list[PortServer] = []
    grace = plan.config.shutdown_grace_seconds
    most = plan.config.max_connections or connections_within(raise_descriptor_limit())
    async with asyncio.TaskGroup() as tasks:
        running: list[asyncio.Task[None]] = []

        def serve(server: PortServer, descriptor: int) -> None:
            servers.append(server)
            running.append(tasks.create_task(server.serve([inherited_socket(descriptor)])))

        if container.gateway is not None and plan.gateway_socket is not None:
            server = _gateway_server(container.gateway, grace_seconds=grace, max_connections=most)
            serve(server, plan.gateway_socket)
        if container.console is not None and plan.console_socket is not None:
            server = _console_server(
                container.console,
                grace_seconds=min(grace, _CONSOLE_GRACE_SECONDS),
                max_connections=min(most, _CONSOLE_CONNECTIONS),
            )
            serve(server, plan.console_socket)
        await started(servers, running)
        asyncio.get_running_loop().add_signal_handler(TURN_RED, container.begin_drain)
        # What exists now lives as long as the process: keep the collector from walking it again
        # and again, which shows as pauses in the latency of requests.
        gc.collect()
        gc.freeze()
        gc.enable()
        os.write(plan.ready_pipe, READY)
        log.info("process_ready", roles=sorted(role.value for role in plan.roles))
        await stop.wait()
        log.info("process_draining", grace_s=grace)
        with contextlib.suppress(OSError):  # the parent may be gone
            os.write(plan.ready_pipe, GOODBYE)
        os.close(plan.ready_pipe)
        container.begin_drain()
        for server in servers:
            server.should_exit = True


def _gateway_server(gateway: "Gateway", *, grace_seconds: int, max_connections: int) -> PortServer:
    from entrypoints.gateway.app import create_gateway_app  # noqa: PLC0415 - only who has the role
    from entrypoints.gateway.refusals import gateway_refusals  # noqa: PLC0415

    return port_server(
        create_gateway_app(gateway),
        grace_seconds=grace_seconds,
        refusals=gateway_refusals(gateway.dialects.openai_chat, gateway.ids),
        max_connections=max_connections,
    )


def _console_server(console: "Console", *, grace_seconds: int, max_connections: int) -> PortServer:
    from entrypoints.console.app import create_console_app  # noqa: PLC0415 - only who has the role
    from entrypoints.console.refusals import console_refusals  # noqa: PLC0415

    return port_server(
        create_console_app(console),
        grace_seconds=grace_seconds,
        refusals=console_refusals(console.ids),
        max_connections=max_connections,
    )
