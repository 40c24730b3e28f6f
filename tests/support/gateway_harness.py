"""The gateway app on a real socket with everything behind it in memory, for tests of the pipeline.

Only the stores are in memory; the HTTP edge, the codec, the providers and the transports are the
ones of the product.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from ipaddress import ip_network

import msgspec
from msgspec import structs

from adapters.crypto.cipher import AesGcmCipher
from adapters.memory.journal import MemoryJournal
from adapters.memory.limits import MemoryLimitStore
from adapters.memory.response_origins import MemoryResponseOrigins
from adapters.providers.factory import ProvidersByKind
from adapters.system.clock import SystemClock
from adapters.system.identifiers import UuidGenerator
from adapters.system.randomness import SystemRandomness
from adapters.telemetry.metrics import PrometheusTelemetry
from adapters.telemetry.none import NoTelemetry
from adapters.telemetry.untraced import NoTracer
from adapters.upstream.http11 import Http11Transport
from adapters.upstream.options import TransportOptions
from application.gateway.admission import Admission, LimitEvents, SettlementQueue
from application.gateway.authenticate import Authenticator
from application.gateway.dispatch import Dispatcher
from application.gateway.handle_inference import HandleInference
from application.gateway.kept_responses import KeptResponses
from application.gateway.limit_gate import LimitGate
from application.gateway.list_models import ListModels
from application.gateway.relay import Relay
from application.gateway.routing import Router
from application.gateway.settlement import Books
from application.ports.clock import Clock
from application.ports.directory import KeyDirectory
from application.ports.limits import LimitStore
from application.ports.tracing import Tracer
from application.runtime.large_bodies import LargeBodies
from application.runtime.provider_pool import ProviderPool
from application.runtime.route_upkeep import RouteUpkeep
from application.runtime.snapshot import CurrentSnapshot, RuntimeSnapshot
from application.runtime.supervisor import TaskSupervisor
from domain.accounting.pricing import Price, PriceList
from domain.identifiers import ApiKeyId, LineageId, ModelId, PriceId, ProviderId, RouteId, UserId
from domain.inference.dialect import Surface
from domain.keys.api_key import Caller, KeyState
from domain.keys.secret import key_hash, mint
from domain.limits.amounts import Spend
from domain.limits.overrides import Override
from domain.limits.policy import LimitPolicy
from domain.limits.reservations import Reservation
from domain.limits.rules import Limit
from domain.records.events import RequestRecord
from domain.routing.address_policy import AddressPolicy
from domain.routing.board import HealthBoard
from domain.routing.catalog import Catalog, Model, ProviderKind, ProviderSpec, Route
from domain.routing.circuit import BreakerPolicy
from domain.routing.cool_down import CoolDownPolicy
from domain.routing.tracker import HealthPolicy
from domain.routing.tuning import health_policy
from domain.secret import Secret
from domain.settings.catalog import Settings, SettingValue
from entrypoints.client_address import Networks
from entrypoints.container.dialects import build_dialects
from entrypoints.gateway.app import create_gateway_app
from entrypoints.gateway.errors import describe_error
from entrypoints.gateway.services import Gateway
from entrypoints.health import HealthChecks
from tests.support.limits import made_ready
from tests.support.live_server import live_server

UPSTREAM_KEY = "sk-upstream-secret-credential-0001"


class WatchedJournal(MemoryJournal):
    """A memory journal that tells when a record is written."""

    def __init__(self) -> None:
        super().__init__()
        self._written = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def close(self, record: RequestRecord) -> None:
        super().close(record)
        task = asyncio.get_running_loop().create_task(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self) -> None:
        async with self._written:
            self._written.notify_all()

    async def wait_for(self, count: int, within_s: float = 10.0) -> tuple[RequestRecord, ...]:
        """Return all records once there are at least `count`."""
        async with asyncio.timeout(within_s), self._written:
            await self._written.wait_for(lambda: len(self.records) >= count)
        return self.records


class DictDirectory(KeyDirectory):
    """Callers by key hash."""

    def __init__(self) -> None:
        self.callers: dict[bytes, Caller] = {}

    async def find(self, key_hash: bytes) -> Caller | None:
        return self.callers.get(key_hash)

    async def touch(self, last_used_ms: dict[str, int]) -> None:
        pass


class ImmediateSettlements(SettlementQueue):
    """Settles at once, in the background, without surviving anything."""

    def __init__(self, store: LimitStore) -> None:
        self._store = store
        self._tasks: set[asyncio.Task[object]] = set()
        self.open: dict[str, Reservation] = {}

    def hold(self, reservation: Reservation) -> None:
        self.open[reservation.id] = reservation

    def settle(self, reservation: Reservation, actual: Spend, *, occurred_at_ms: int) -> None:
        self.open.pop(reservation.id, None)
        task = asyncio.get_running_loop().create_task(
            self._store.settle(reservation, actual, occurred_at_ms=occurred_at_ms)
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def idle(self) -> None:
        """Wait until everything handed over is settled."""
        await asyncio.gather(*self._tasks)


class CountedEvents(LimitEvents):
    """Counts in plain attributes."""

    def __init__(self) -> None:
        self.shadows: list[str] = []
        self.open = 0
        self.closed = 0

    def shadow_exceeded(self, label: str) -> None:
        self.shadows.append(label)

    def rules_failed_open(self) -> None:
        self.open += 1

    def budgets_failed_open(self) -> None:
        self.open += 1

    def failed_closed(self) -> None:
        self.closed += 1


@dataclass
class GatewayHarness:
    """A gateway to be configured, then run."""

    directory: DictDirectory = field(default_factory=DictDirectory)
    providers: dict[ProviderId, ProviderSpec] = field(
        default_factory=dict[ProviderId, ProviderSpec]
    )
    models: dict[str, Model] = field(default_factory=dict[str, Model])
    settings: Mapping[str, SettingValue] = field(default_factory=dict[str, SettingValue])
    aliases: dict[str, str] = field(default_factory=dict[str, str])
    health_policy: HealthPolicy | None = None
    limits: list[Limit] = field(default_factory=list[Limit])
    overrides: list[Override] = field(default_factory=list[Override])
    limit_store: LimitStore | None = None
    keep_alive_s: float = 10.0
    trusted_proxies: Networks = ()
    cors_origins: tuple[str, ...] = ()
    health: HealthChecks = field(default_factory=lambda: HealthChecks({}))
    metrics: PrometheusTelemetry | None = None
    metrics_token: Secret | None = None
    tracer: Tracer = field(default_factory=NoTracer)

    def __post_init__(self) -> None:
        self.cipher = AesGcmCipher([bytes(range(32))], SystemRandomness())
        self._keys = 0

    def judge_every_answer_alone(self) -> None:
        """Let each request be one attempt at a route that counts as well, whatever came before.

        For tests of what one answer becomes; others have retries, breakers and cool-downs.
        """
        self.settings = {**self.settings, "routing.max_attempts": 1}
        self.health_policy = HealthPolicy(
            breaker=BreakerPolicy(minimum_volume=10**6, consecutive_failures=10**6),
            cool_down=CoolDownPolicy(first_ms=1, longest_unasked_ms=1, longest_ms=1),
        )

    def add_key(self, **changes: object) -> str:
        """Create a key; `changes` are fields of `Caller`."""
        self._keys += 1
        key = mint(self._keys.to_bytes(48, "big")).reveal()
        fields: dict[str, object] = {
            "key_id": ApiKeyId(f"key-{self._keys}"),
            "lineage_id": LineageId(f"lineage-{self._keys}"),
            "key_name": f"key {self._keys}",
            "state": KeyState.ACTIVE,
            "surfaces": frozenset({Surface.AI_GATEWAY}),
            "user_id": UserId("user-1"),
            "user_email": "dev@example.com",
        }
        self.directory.callers[key_hash(key)] = msgspec.convert({**fields, **changes}, Caller)
        return key

    def add_openai(
        self,
        base_url: str,
        *,
        name: str = "upstream",
        options: dict[str, object] | None = None,
        kind: ProviderKind = ProviderKind.OPENAI_COMPATIBLE,
    ) -> ProviderId:
        """Add a provider with a key."""
        provider_id = ProviderId(f"provider-{name}")
        credential = Secret(msgspec.json.encode({"api_key": UPSTREAM_KEY}).decode())
        self.providers[provider_id] = ProviderSpec(
            id=provider_id,
            name=name,
            kind=kind,
            base_url=base_url,
            sealed_credentials=self.cipher.seal(credential, context=f"provider:{provider_id}"),
            options=options or {},
        )
        return provider_id

    def add_demo(self, **options: object) -> ProviderId:
        """Add the demo provider."""
        provider_id = ProviderId("provider-demo")
        self.providers[provider_id] = ProviderSpec(
            id=provider_id, name="demo", kind=ProviderKind.DEMO, options=options
        )
        return provider_id

    def add_model(
        self, name: str, *routes: ProviderId, upstream_model: str | None = None, priced: bool = True
    ) -> None:
        """Add a model served by these providers, in this order of preference."""
        price = Price(
            id=PriceId("price-1"),
            effective_from_ms=0,
            input=Decimal("2.50"),
            output=Decimal("10.00"),
            cache_read=Decimal("1.25"),
        )
        self.models[name] = Model(
            id=ModelId(f"model-{name}"),
            name=name,
            routes=tuple(
                Route(
                    id=RouteId(f"{name}-{tier}"),
                    provider_id=provider,
                    upstream_model=upstream_model or name,
                    tier=tier,
                )
                for tier, provider in enumerate(routes)
            ),
            prices=PriceList.of([price]) if priced else PriceList(),
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator["RunningGateway"]:
        """Serve it."""
        clock, ids, randomness = SystemClock(), UuidGenerator(), SystemRandomness()
        tasks = TaskSupervisor()
        options = TransportOptions(
            address_policy=AddressPolicy((ip_network("127.0.0.0/8"), ip_network("::1/128")))
        )
        pool = ProviderPool(
            ProvidersByKind(self.cipher, lambda _spec, _proxy: Http11Transport(options), clock),
            tasks,
        )
        catalog = Catalog(models=self.models, providers=self.providers, aliases=self.aliases)
        runtime = CurrentSnapshot()
        runtime.swap(
            RuntimeSnapshot(
                catalog=catalog,
                settings=Settings(self.settings),
                limits=LimitPolicy(self.limits, self.overrides),
                providers=pool.update(catalog),
                revisions={},
            )
        )
        journal = WatchedJournal()
        keys = Authenticator(self.directory, clock, lambda: 60)
        kept = KeptResponses(MemoryResponseOrigins())
        tasks.run_forever("response-origins", kept.run)
        telemetry = self.metrics or NoTelemetry()
        books = Books(journal, clock, describe_error, "test", telemetry, kept, self.tracer)
        store = self.limit_store or await _ready_store(clock)
        gate, settlements, events = LimitGate(store), ImmediateSettlements(store), CountedEvents()
        tasks.run_forever("limit-store-probe", gate.probe)
        admission = Admission(gate, settlements, clock, ids, events)
        policy = self.health_policy or health_policy(Settings(self.settings))
        board, bodies = HealthBoard("test", policy), LargeBodies()
        if self.health_policy is None:
            runtime.follow(RouteUpkeep(board, clock).follow)
        app = create_gateway_app(
            Gateway(
                handle_inference=HandleInference(
                    runtime,
                    keys,
                    books,
                    Router(board, clock, randomness, bodies),
                    admission,
                    Dispatcher(clock, randomness, admission, board),
                    Relay(books, tasks),
                    bodies,
                    kept,
                ),
                list_models=ListModels(runtime, keys),
                dialects=build_dialects(),
                clock=clock,
                ids=ids,
                health=self.health,
                cors_origins=self.cors_origins,
                trusted_proxies=self.trusted_proxies,
                keep_alive_s=self.keep_alive_s,
                metrics=self.metrics,
                metrics_token=self.metrics_token,
            )
        )
        try:
            async with live_server(app) as url:
                yield RunningGateway(url, journal, runtime, store, settlements, events, pool, board)
        finally:
            await pool.aclose()
            await tasks.cancel_all(5)


async def _ready_store(clock: Clock) -> MemoryLimitStore:
    """Return a store whose budgets count as restored."""
    store = MemoryLimitStore(clock)
    await made_ready(store)
    return store


@dataclass(frozen=True)
class RunningGateway:
    """Where it listens and what it wrote."""

    url: str
    journal: WatchedJournal
    runtime: CurrentSnapshot
    store: LimitStore
    settlements: ImmediateSettlements
    events: CountedEvents
    pool: ProviderPool
    board: HealthBoard

    def replace_providers(self, harness: GatewayHarness) -> None:
        """Let every provider have a new revision, as an edit of its configuration would."""
        now = self.runtime.get()
        providers = {
            key: structs.replace(spec, revision=spec.revision + 1)
            for key, spec in harness.providers.items()
        }
        catalog = structs.replace(now.catalog, providers=providers)
        self.runtime.swap(
            structs.replace(now, catalog=catalog, providers=self.pool.update(catalog))
        )
