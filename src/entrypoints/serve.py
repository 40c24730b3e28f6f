"""The parent of a running server: lock, stores, checks, sockets, processes, signals, drain."""

import asyncio
import contextlib
import shutil
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog
from msgspec import Struct, structs

from adapters.sql import migrations
from adapters.telemetry.logging import configure_logging
from domain.errors import DomainError
from entrypoints.child_process import ChildProcess
from entrypoints.config import BootConfig, environment
from entrypoints.datadir import DataDir, DataDirLock, with_secrets
from entrypoints.failures import (
    EXIT_CONFIGURATION,
    EXIT_UNAVAILABLE,
    StartFailed,
    unavailable,
)
from entrypoints.layout import processes
from entrypoints.listeners import listen
from entrypoints.metrics import METRICS_VARIABLE, forget_process
from entrypoints.preflight import Check, check_dependencies, check_ports
from entrypoints.process_plan import ProcessPlan
from entrypoints.readiness import local_url, unhealthy
from entrypoints.roles import ALL_ROLES, ConsoleTokens, Role, StoreUrls
from entrypoints.stop_signals import StopRequested, StopSignals
from entrypoints.stores import EmbeddedStores

_READY_TIMEOUT_SECONDS = 120.0
_TICK_SECONDS = 0.5
_STARTING_TICK_SECONDS = 0.02
_SHUTDOWN_MARGIN_SECONDS = 10.0

log = structlog.get_logger(__name__)


class Installation(Struct, frozen=True, kw_only=True):
    """Stores that run and are migrated, with a configuration whose secrets are complete."""

    config: BootConfig
    stores: StoreUrls


class Ready(Struct, frozen=True, kw_only=True):
    """What a server that serves is reached at; None for a role it does not have."""

    config: BootConfig
    gateway_url: str | None
    console_url: str | None


class ServerOptions(Struct, frozen=True, kw_only=True):
    """What makes one command differ from another.

    Attributes:
        command: its name, for whoever finds the data directory in use.
        before_serving: called once with the running stores, before a port opens.
        on_ready: called once, when every process serves.
        require_health: ready is only when `/health/ready` of the gateway answers 200.
    """

    command: str
    roles: frozenset[Role]
    before_serving: Callable[[Installation], None] = lambda _: None
    on_ready: Callable[[Ready], None] = lambda _: None
    require_health: bool = False


class _ChildRefused(Exception):
    """A process that has never served ended with a verdict of its own, which it has printed."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class Server:
    """Runs everything until a signal; `run` is called once, in the main thread."""

    def __init__(self, config: BootConfig, options: ServerOptions) -> None:
        """Nothing starts yet."""
        self._config = config
        self._options = options
        self._children: list[ChildProcess] = []
        self._listeners: list[socket.socket] = []
        self._metrics = DataDir(config.data_dir).metrics / options.command
        self._signals = StopSignals(at_once=self._kill_children)

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT and return the exit status.

        Raises:
            StartFailed: it cannot start, or something keeps dying.
        """
        configure_logging(self._config.log_level, self._config.log_format)
        with self._signals.installed():
            try:
                self._run_locked()
            except StopRequested:
                return 0
            except _ChildRefused as refused:
                return refused.exit_code
        return 0

    def _run_locked(self) -> None:
        data_dir = DataDir(self._config.data_dir)
        with (
            data_dir.lock(self._options.command, name=self._lock_name()) as lock,
            contextlib.ExitStack() as cleanup,
        ):
            _require(*check_ports(self._config, self._options.roles))
            config = with_secrets(self._config)
            stores = EmbeddedStores(config)
            cleanup.callback(stores.stop)
            urls = stores.start()
            if config.database_url is None:
                _migrate(urls.database_url)
            _require(*asyncio.run(check_dependencies(config, urls, self._options.roles)))
            self._options.before_serving(Installation(config=config, stores=urls))
            lock.publish(stores=urls if stores.embedded else None)
            cleanup.callback(self._drain)
            config = self._start_children(config, urls, data_dir)
            self._signals.now_serving()
            self._watch(config, stores, lock)

    def _lock_name(self) -> str:
        roles = self._options.roles
        return "lock" if roles == ALL_ROLES else f"lock-{'-'.join(sorted(roles))}"

    def _start_children(self, config: BootConfig, urls: StoreUrls, data_dir: DataDir) -> BootConfig:
        layout = processes(self._options.roles, config.workers)
        tokens = ConsoleTokens(setup=data_dir.setup_token(), operator=data_dir.operator_token())
        sockets = {
            Role.GATEWAY: self._listen(Role.GATEWAY, config, layout),
            Role.CONSOLE: self._listen(Role.CONSOLE, config, layout),
        }
        actual = {role: opened[0].getsockname()[1] for role, opened in sockets.items() if opened}
        config = structs.replace(
            config,
            gateway_port=actual.get(Role.GATEWAY, config.gateway_port),
            console_port=actual.get(Role.CONSOLE, config.console_port),
        )
        environ = _child_environment(config, self._metrics)
        for name, roles in layout.items():
            mine = {
                role: opened.pop(0).fileno() for role, opened in sockets.items() if role in roles
            }

            def plan(
                ready_pipe: int,
                name: str = name,
                roles: frozenset[Role] = roles,
                mine: dict[Role, int] = mine,
            ) -> ProcessPlan:
                return ProcessPlan(
                    name=name,
                    roles=roles,
                    config=config,
                    stores=urls,
                    console_tokens=tokens,
                    gateway_socket=mine.get(Role.GATEWAY),
                    console_socket=mine.get(Role.CONSOLE),
                    ready_pipe=ready_pipe,
                )

            child = ChildProcess(name, plan, environ)
            self._children.append(child)
            child.start()
        return config

    def _listen(
        self, role: Role, config: BootConfig, layout: dict[str, frozenset[Role]]
    ) -> list[socket.socket]:
        count = sum(role in roles for roles in layout.values())
        if count == 0:
            return []
        gateway = role is Role.GATEWAY
        opened = listen(
            role,
            config.gateway_host if gateway else config.console_host,
            config.gateway_port if gateway else config.console_port,
            count=count,
        )
        self._listeners += opened
        return opened

    def _watch(self, config: BootConfig, stores: EmbeddedStores, lock: DataDirLock) -> None:
        """Keep everything running until a stop signal; say once when it is ready."""
        announced = False
        deadline = time.monotonic() + _READY_TIMEOUT_SECONDS
        while not self._signals.stopping:
            self._signals.wait(_TICK_SECONDS if announced else _STARTING_TICK_SECONDS)
            if self._signals.stopping:
                break
            stores.tend(lambda line: log.error("store_died", detail=line))
            self._tend_children(announced=announced)
            if not announced and not self._signals.stopping:
                problem = self._unready(config)
                if problem is None:
                    announced = True
                    ready = self._ready(config)
                    ports = {Role.GATEWAY: config.gateway_port, Role.CONSOLE: config.console_port}
                    roles = self._options.roles
                    lock.publish(ports={r.value: p for r, p in ports.items() if r in roles})
                    self._options.on_ready(ready)
                elif time.monotonic() > deadline:
                    raise unavailable(
                        f"not ready after {_READY_TIMEOUT_SECONDS:.0f} s: {problem}",
                        "see the log above",
                    )

    def _tend_children(self, *, announced: bool) -> None:
        now = time.monotonic()
        for child in self._children:
            if child.hand_over(now):
                log.info("process_succeeded", name=child.name)
            for predecessor in child.gone():
                forget_process(self._metrics, predecessor)
            pid, status = child.pid, child.poll()
            if status is not None:
                if pid is not None:
                    forget_process(self._metrics, pid)
                gave_verdict = status in (EXIT_CONFIGURATION, EXIT_UNAVAILABLE)
                if gave_verdict and not announced and not child.was_ready:
                    raise _ChildRefused(status)
                log.error("process_died", name=child.name, status=status)
                # A store that is away is waited for: the others serve on with what they know.
                patient = status == EXIT_UNAVAILABLE and child.was_ready
                if not child.schedule_restart(now, patient=patient):
                    raise unavailable(
                        f"the process {child.name} keeps dying (status {status})",
                        "see the log above",
                    )
            if child.restart_at is not None and now >= child.restart_at:
                try:
                    child.start()
                except OSError as error:  # no process or descriptor is free; the others serve on
                    log.warning("process_not_started", name=child.name, error=error.strerror)
                    child.schedule_restart(now, patient=True)

    def _unready(self, config: BootConfig) -> str | None:
        """Return what is not ready yet, None when everything is."""
        # A list, not any(): each process's pipe has to be looked at.
        waiting = [child.name for child in self._children if not child.is_ready()]
        if waiting:
            return f"{', '.join(waiting)} does not serve"
        if self._options.require_health and Role.GATEWAY in self._options.roles:
            return unhealthy(config.gateway_host, config.gateway_port)
        return None

    def _ready(self, config: BootConfig) -> Ready:
        roles = self._options.roles
        gateway = local_url(config.gateway_host, config.gateway_port)
        console = local_url(config.console_host, config.console_port)
        return Ready(
            config=config,
            gateway_url=(config.public_gateway_url or gateway) if Role.GATEWAY in roles else None,
            console_url=(config.public_console_url or console) if Role.CONSOLE in roles else None,
        )

    def _drain(self) -> None:
        """Show red, close the ports, let the gateways finish, then console and jobs."""
        self._lame_duck()
        # Before they stop: a port the parent kept open would go on queueing connections for nobody.
        while self._listeners:
            self._listeners.pop().close()
        patience = self._config.shutdown_grace_seconds + _SHUTDOWN_MARGIN_SECONDS
        gateways = [child for child in self._children if child.name.startswith(Role.GATEWAY)]
        others = [child for child in self._children if child not in gateways]
        for group in (gateways, others):  # jobs last: they ship what the gateways wrote
            deadline = time.monotonic() + patience
            for child in group:
                child.terminate()
            for child in group:
                child.wait(max(0.0, deadline - time.monotonic()))
        self._children.clear()

    def _lame_duck(self) -> None:
        """Keep serving with readiness red, until balancers have noticed."""
        delay = self._config.shutdown_delay_seconds
        serving = any(child.serves() for child in self._children)
        if not self._signals.stopping or not serving or delay == 0:
            return
        log.info("shutdown_delay", seconds=delay)
        deadline = time.monotonic() + delay
        red: list[ChildProcess] = []
        while (left := deadline - time.monotonic()) > 0:
            for child in self._children:  # one may have been starting when the signal came
                if child not in red and child.serves():
                    child.turn_red()
                    red.append(child)
            self._signals.wait(min(left, _TICK_SECONDS))

    def _kill_children(self) -> None:
        for child in self._children:
            child.kill()


def _child_environment(config: BootConfig, metrics: Path) -> Mapping[str, str]:
    """Return the environment of the processes, with an empty place for the metrics of all of them.

    What a server counted before it was stopped is of no use to the next one: counters begin anew.
    """
    shutil.rmtree(metrics, ignore_errors=True)
    environ = {name: value for name, value in environment().items() if name != METRICS_VARIABLE}
    if config.metrics_bearer_token is not None:
        metrics.mkdir(mode=0o700, parents=True)
        environ[METRICS_VARIABLE] = str(metrics)
    return environ


def _require(*checks: Check) -> None:
    """Log the warnings of `checks` and raise all their failures together."""
    for check in checks:
        if check.warning is not None:
            log.warning("preflight", check=check.name, warning=check.warning)
    failures = [check.failure for check in checks if check.failure is not None]
    if failures:
        raise StartFailed(*failures)


def _migrate(database_url: str) -> None:
    try:
        asyncio.run(migrations.upgrade(database_url))
    except DomainError as error:
        raise unavailable(error.message, "run 'thinkwatch doctor'") from error
