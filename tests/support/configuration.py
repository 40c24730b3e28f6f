"""A configuration store of each kind, and aggregates with meaningful defaults."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from decimal import Decimal

from msgspec import Struct
from uuid_utils import uuid7

from adapters.memory.audit_log import MemoryAuditArchive
from adapters.memory.change_feed import MemoryChangeFeed
from adapters.memory.configuration import MemoryConfigurationSource
from adapters.memory.key_directory import MemoryKeyDirectory
from adapters.memory.store import MemoryStore, MemoryUnitOfWork
from adapters.sql.audit_log import SqlAuditArchive
from adapters.sql.configuration import SqlConfigurationSource
from adapters.sql.engine import create_engine
from adapters.sql.key_directory import SqlKeyDirectory
from adapters.sql.unit_of_work import SqlUnitOfWork
from adapters.system.clock import SystemClock
from adapters.system.identifiers import UuidGenerator
from application.ports.audit_log import AuditArchive
from application.ports.change_feed import Change
from application.ports.configuration import ConfigurationSource
from application.ports.directory import KeyDirectory
from application.ports.unit_of_work import UnitOfWork
from domain.access.accounts import Role, Team, User
from domain.accounting.pricing import Price
from domain.identifiers import (
    ApiKeyId,
    LineageId,
    ModelId,
    PriceId,
    ProviderId,
    RouteId,
    TeamId,
    UserId,
)
from domain.inference.dialect import Surface
from domain.keys.policy import ApiKey, KeyPolicy
from domain.keys.secret import display_prefix, key_hash, mint
from domain.limits.overrides import LONGEST_MS, Override, OverrideAction
from domain.limits.periods import Period
from domain.limits.rules import (
    BudgetCap,
    ConcurrencyCap,
    Holder,
    HolderKind,
    Limit,
    Metric,
    WindowRule,
)
from domain.limits.windows import Window
from domain.routing.catalog import Model, ProviderKind, ProviderSpec, Route
from domain.secret import Secret
from domain.subjects import PLATFORM, Subject

NOW_MS = 1_790_000_000_123
PLATFORM_HOLDER = Holder(HolderKind.PLATFORM, PLATFORM.id)


class RecordingFeed(MemoryChangeFeed):
    """A change feed that remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.published: list[Change] = []

    async def publish(self, changes: list[Change]) -> None:
        self.published.extend(changes)
        await super().publish(changes)


class Configuration(Struct):
    """The adapters of one store, sharing what they see."""

    uow: UnitOfWork
    source: ConfigurationSource
    directory: KeyDirectory
    feed: RecordingFeed
    audited: UnitOfWork
    """The same store, with the rule that every change is recorded."""
    archive: AuditArchive


def memory_configuration(store: MemoryStore | None = None) -> Configuration:
    store, feed = store or MemoryStore(), RecordingFeed()
    return Configuration(
        MemoryUnitOfWork(store, feed, SystemClock(), UuidGenerator(), allow_unaudited=True),
        MemoryConfigurationSource(store),
        MemoryKeyDirectory(store),
        feed,
        MemoryUnitOfWork(store, feed, SystemClock(), UuidGenerator()),
        MemoryAuditArchive(store.trail),
    )


@asynccontextmanager
async def sql_configuration(url: str) -> AsyncGenerator[Configuration]:
    engine, feed = create_engine(url), RecordingFeed()
    try:
        yield Configuration(
            SqlUnitOfWork(engine, feed, SystemClock(), UuidGenerator(), allow_unaudited=True),
            SqlConfigurationSource(engine),
            SqlKeyDirectory(engine),
            feed,
            SqlUnitOfWork(engine, feed, SystemClock(), UuidGenerator()),
            SqlAuditArchive(engine),
        )
    finally:
        await engine.dispose()


def new_id() -> str:
    return str(uuid7())


def a_user(email: str = "dev@example.com", *, role: Role = Role.DEVELOPER, **more: object) -> User:
    return User(id=UserId(new_id()), email=email, role=role, created_at_ms=NOW_MS, **more)  # pyright: ignore[reportArgumentType]


def a_team(name: str = "core") -> Team:
    return Team(id=TeamId(new_id()), name=name, created_at_ms=NOW_MS)


def a_secret(number: int = 1) -> Secret:
    return mint(number.to_bytes(48, "big"))


def a_key(owner: User, *, number: int = 1, name: str = "ci", **policy: object) -> ApiKey:
    policy.setdefault("surfaces", frozenset({Surface.AI_GATEWAY}))
    secret, key_id = a_secret(number).reveal(), new_id()
    return ApiKey(
        id=ApiKeyId(key_id),
        lineage_id=LineageId(key_id),
        owner_id=owner.id,
        policy=KeyPolicy(name=name, **policy),  # pyright: ignore[reportArgumentType]
        secret_hash=key_hash(secret),
        prefix=display_prefix(secret),
        created_at_ms=NOW_MS,
    )


def a_provider(name: str = "openai", **more: object) -> ProviderSpec:
    more.setdefault("kind", ProviderKind.OPENAI)
    return ProviderSpec(id=ProviderId(new_id()), name=name, revision=1, **more)  # pyright: ignore[reportArgumentType]


def a_route(provider: ProviderSpec, upstream_model: str = "gpt-4o", **more: object) -> Route:
    more.setdefault("weight", 50)
    return Route(
        id=RouteId(new_id()),
        provider_id=provider.id,
        upstream_model=upstream_model,
        **more,  # pyright: ignore[reportArgumentType]
    )


def a_price(effective_from_ms: int = NOW_MS, *, output: str = "10.00") -> Price:
    return Price(
        id=PriceId(new_id()),
        effective_from_ms=effective_from_ms,
        input=Decimal("2.50"),
        output=Decimal(output),
        cache_read=Decimal("1.25"),
    )


def a_rule(holder: Holder = PLATFORM_HOLDER, limit: int = 60, **more: object) -> WindowRule:
    more.setdefault("window", Window.MINUTE)
    more.setdefault("metric", Metric.REQUESTS)
    more.setdefault("surface", Surface.AI_GATEWAY)
    return WindowRule(id=new_id(), holder=holder, limit=limit, **more)  # pyright: ignore[reportArgumentType]


def a_budget(holder: Holder = PLATFORM_HOLDER, limit: int = 1000, **more: object) -> BudgetCap:
    more.setdefault("period", Period.MONTHLY)
    return BudgetCap(id=new_id(), holder=holder, limit=limit, **more)  # pyright: ignore[reportArgumentType]


def a_concurrency_cap(
    holder: Holder = PLATFORM_HOLDER, limit: int = 4, **more: object
) -> ConcurrencyCap:
    more.setdefault("surface", Surface.AI_GATEWAY)
    return ConcurrencyCap(id=new_id(), holder=holder, limit=limit, **more)  # pyright: ignore[reportArgumentType]


def an_override(of: Limit, subject: Subject = PLATFORM, **more: object) -> Override:
    fields: dict[str, object] = {
        "action": OverrideAction.REPLACE,
        "limit": 500,
        "set_by": "ops@example.com",
        "reason": "load test",
        "set_at_ms": NOW_MS,
        "until_ms": NOW_MS + LONGEST_MS,
    }
    return Override(id=new_id(), limit_id=of.id, subject=subject, **{**fields, **more})  # pyright: ignore[reportArgumentType]


def a_model(name: str = "gpt-4o", *routes: Route, **more: object) -> Model:
    return Model(id=ModelId(new_id()), name=name, routes=routes, created_at_ms=NOW_MS, **more)  # pyright: ignore[reportArgumentType]
