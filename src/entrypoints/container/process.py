"""What the roles of one process share: stores, clock, secrets, tasks, the drain."""

import contextlib
from ipaddress import ip_network
from pathlib import Path

from adapters.bus.redis_streams import RedisStreams
from adapters.crypto.cipher import AesGcmCipher
from adapters.redis.change_feed import RedisChangeFeed
from adapters.redis.connection import connect
from adapters.redis.connection import ping as ping_redis
from adapters.redis.limits import RedisLimitStore
from adapters.redis.pipelined import PipelinedCommands
from adapters.sql.budget_alerts import SqlBudgetAlerts
from adapters.sql.engine import create_engine
from adapters.sql.engine import ping as ping_sql
from adapters.system.clock import SystemClock
from adapters.system.identifiers import UuidGenerator
from adapters.system.randomness import SystemRandomness
from adapters.telemetry.metrics import PrometheusTelemetry
from adapters.telemetry.none import NoTelemetry
from adapters.upstream.http11 import Http11Transport
from adapters.upstream.httpx_transport import HttpxTransport
from adapters.upstream.options import TransportOptions
from application.jobs.budget_alerts import BudgetAlerts
from application.ports.telemetry import Telemetry
from application.ports.upstream import UpstreamTransport
from application.runtime.supervisor import TaskSupervisor
from domain.routing.address_policy import AddressPolicy
from domain.routing.catalog import ProviderSpec
from entrypoints.allowed_networks import allowed_networks
from entrypoints.client_address import Networks
from entrypoints.config import BootConfig, environment
from entrypoints.container.drains import DRAIN_SECONDS, Drains
from entrypoints.datadir import DataDir
from entrypoints.metrics import METRICS_VARIABLE
from entrypoints.roles import Role, StoreUrls

HOT_REDIS_TIMEOUT_S = 1.0


class Process:
    """What the roles of one process share."""

    def __init__(
        self,
        config: BootConfig,
        stores: StoreUrls,
        stack: contextlib.AsyncExitStack,
        roles: frozenset[Role],
    ) -> None:
        """Nothing connects yet; `open` closes what this makes."""
        self.config = config
        self.stores = stores
        self.stack = stack
        self.clock = SystemClock()
        self.ids = UuidGenerator()
        self.randomness = SystemRandomness()
        self.instance = "-".join([*sorted(roles), self.ids.new_id()])
        self.tasks = TaskSupervisor()
        self.drains = Drains(self.tasks)
        self.engine = create_engine(stores.database_url)
        self.redis = connect(stores.redis_url, operation_timeout=HOT_REDIS_TIMEOUT_S)
        self.feed = RedisChangeFeed(self.redis, self.randomness)
        self.cipher = AesGcmCipher(config.key_ring(), self.randomness)
        self.metrics = _metrics(config)
        self.telemetry: Telemetry = self.metrics or NoTelemetry()
        self.limit_store = RedisLimitStore(PipelinedCommands.from_url(stores.redis_url))
        self.alerts = BudgetAlerts(
            SqlBudgetAlerts(self.engine),
            self.telemetry,
            clock=self.clock,
            randomness=self.randomness,
        )
        self.address_policy = AddressPolicy.allowing(allowed_networks(config))
        self.trusted_proxies: Networks = [ip_network(cidr) for cidr in config.trusted_proxies]

    @classmethod
    async def open(
        cls,
        config: BootConfig,
        stores: StoreUrls,
        stack: contextlib.AsyncExitStack,
        roles: frozenset[Role],
    ) -> "Process":
        """Return a process whose connections and tasks end with `stack`."""
        process = cls(config, stores, stack, roles)
        stack.push_async_callback(process.engine.dispose)
        stack.push_async_callback(process.redis.aclose)
        stack.push_async_callback(process.limit_store.aclose)
        stack.push_async_callback(process.tasks.cancel_all, DRAIN_SECONDS)
        return process

    def bus(self) -> RedisStreams:
        """Return the event bus, read under this process's own name."""
        return RedisStreams(self.redis, consumer=self.instance, clock=self.clock)

    async def ping_database(self) -> None:
        """Raise when PostgreSQL does not answer."""
        await ping_sql(self.engine)

    async def ping_redis(self) -> None:
        """Raise when Redis does not answer."""
        await ping_redis(self.redis)

    def transport_of(self, spec: ProviderSpec, proxy: str | None) -> UpstreamTransport:
        """Build the connections of one provider, as its options say (architecture.md section 5)."""
        options = spec.options
        ca_pem = options.get("ca_pem")
        transport_options = TransportOptions(
            proxy=proxy,
            ca_pem=ca_pem if isinstance(ca_pem, str) else None,
            address_policy=self.address_policy,
        )
        if proxy is not None or options.get("transport") == "httpx":
            return HttpxTransport(transport_options)
        return Http11Transport(transport_options)

    @property
    def journal_dir(self) -> Path:
        """Where request records wait for the bus."""
        return self.config.data_dir / "journal"

    @property
    def settlements_dir(self) -> Path:
        """Where settlements wait for the limit store."""
        return DataDir(self.config.data_dir).settlements


def _metrics(config: BootConfig) -> PrometheusTelemetry | None:
    """Return what counts for `/metrics`; None while nobody may ask (operations.md section 5)."""
    if config.metrics_bearer_token is None:
        return None
    shared = environment().get(METRICS_VARIABLE)
    return PrometheusTelemetry(Path(shared) if shared else None)
