"""The embedded stores of an installation, and how a command reaches the stores of a running one."""

import contextlib
import time
from collections.abc import Callable, Generator
from typing import Protocol

from adapters.embedded.errors import EmbeddedStoreError
from adapters.embedded.postgres import EmbeddedPostgres
from adapters.embedded.sockets import run_directory
from adapters.embedded.valkey import EmbeddedValkey
from entrypoints.config import BootConfig
from entrypoints.datadir import DataDir, DataDirInUse
from entrypoints.failures import Failure, StartFailed, unavailable
from entrypoints.restarts import RestartBudget
from entrypoints.roles import StoreUrls

_JOIN_PATIENCE_SECONDS = 60.0
_SPARE_CONNECTIONS = 100  # console, jobs, commands, people with psql
_CONNECTIONS_PER_PROCESS = 15  # a full pool, and as much again while it is replaced


class _Store(Protocol):
    def start(self) -> None: ...
    def poll(self) -> int | None: ...
    def stop(self, timeout: float) -> None: ...


class _Supervised:
    """One store with its restart budget."""

    def __init__(self, name: str, store: _Store) -> None:
        self.name = name
        self.store = store
        self._budget = RestartBudget()
        self._restart_at: float | None = None

    def tend(self, now: float, report: Callable[[str], None]) -> None:
        """Start the store again when it has died and its back-off is over."""
        status = self.store.poll()
        if status is None:
            return
        if self._restart_at is None:
            delay = self._budget.delay_after_death(now)
            if delay is None:
                raise unavailable(
                    f"the embedded {self.name} keeps dying (status {status})",
                    "see its log in the data directory",
                )
            report(f"the embedded {self.name} died (status {status}), restarting")
            self._restart_at = now + delay
        elif now >= self._restart_at:
            self._restart_at = None
            try:
                self.store.start()
            except EmbeddedStoreError as error:
                report(str(error))


class EmbeddedStores:
    """Those of PostgreSQL and Valkey for which no URL is configured. Main thread only."""

    def __init__(self, config: BootConfig) -> None:
        """Nothing starts yet."""
        self._config = config
        self._started: list[_Supervised] = []

    @property
    def embedded(self) -> bool:
        """Whether there is anything to start."""
        return self._config.database_url is None or self._config.redis_url is None

    def start(self) -> StoreUrls:
        """Start what is embedded and return where everything is.

        Raises:
            StartFailed: with the one line of the store that cannot start (exit code 69).
        """
        data_dir = DataDir(self._config.data_dir)
        try:
            run_dir = run_directory(data_dir.path) if self.embedded else data_dir.path
            if self._config.database_url is None:
                connections = _SPARE_CONNECTIONS + _CONNECTIONS_PER_PROCESS * self._config.workers
                postgres = EmbeddedPostgres(data_dir.postgres, run_dir, max_connections=connections)
                self._start("PostgreSQL", postgres)
                database_url = postgres.url
            else:
                database_url = self._config.database_url.reveal()
            if self._config.redis_url is None:
                valkey = EmbeddedValkey(data_dir.valkey, run_dir)
                self._start("Valkey", valkey)
                redis_url = valkey.url
            else:
                redis_url = self._config.redis_url.reveal()
        except EmbeddedStoreError as error:
            self.stop()
            raise StartFailed(Failure(error.problem, error.mend)) from error
        except BaseException:
            self.stop()
            raise
        return StoreUrls(database_url=database_url, redis_url=redis_url)

    def _start(self, name: str, store: _Store) -> None:
        self._started.append(_Supervised(name, store))  # first: stop() must see a half-started one
        store.start()

    def tend(self, report: Callable[[str], None]) -> None:
        """Restart what died; call it often. `report` gets a line for the log.

        Raises:
            StartFailed: one of them keeps dying (exit code 69).
        """
        now = time.monotonic()
        for supervised in self._started:
            supervised.tend(now, report)

    def stop(self) -> None:
        """Stop them in reverse order, cleanly. Safe to call twice."""
        while self._started:
            self._started.pop().store.stop(30.0)


@contextlib.contextmanager
def stores_for_command(
    config: BootConfig, *, command: str = "command"
) -> Generator[StoreUrls, None, None]:
    """Reach the stores from a short-lived command, whether or not `serve` runs.

    External stores are used as configured. Embedded ones are joined when a process that holds the
    data directory runs them; otherwise they are started, and stopped at the end, under the lock.
    Call it from the main thread, outside of any event loop.

    Raises:
        StartFailed: the stores cannot be reached or started.
    """
    if config.database_url is not None and config.redis_url is not None:
        yield StoreUrls(
            database_url=config.database_url.reveal(), redis_url=config.redis_url.reveal()
        )
        return
    with contextlib.ExitStack() as held:
        urls = _join_or_lock(config, command, held)
        if urls is None:
            stores = EmbeddedStores(config)
            held.callback(stores.stop)
            urls = stores.start()
        yield urls


def _join_or_lock(config: BootConfig, command: str, held: contextlib.ExitStack) -> StoreUrls | None:
    """Return the stores of the long-lived holder; None when `held` has got the lock itself.

    A holder that publishes no stores is starting, or is another command that will take its stores
    with it when it ends; either way waiting is right.
    """
    data_dir = DataDir(config.data_dir)
    deadline = time.monotonic() + _JOIN_PATIENCE_SECONDS
    while True:
        try:
            held.enter_context(data_dir.lock(command))
        except DataDirInUse as in_use:
            if in_use.holder is not None and in_use.holder.stores is not None:
                return in_use.holder.stores
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return None
