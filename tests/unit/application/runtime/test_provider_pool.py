"""Clients live as long as somebody may still use them, and no longer."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec import structs

from application.ports.provider import (
    Provider,
    ProviderCall,
    ProviderFactory,
    RemoteModel,
    UpstreamReply,
)
from application.ports.upstream import UpstreamTimeouts
from application.runtime.provider_pool import ProviderPool
from application.runtime.supervisor import TaskSupervisor
from domain.errors import InvalidRequest
from domain.identifiers import ProviderId
from domain.routing.catalog import Catalog, ProviderSpec
from tests.support.routing import provider


class Client(Provider):
    """Only tells whether it was closed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.closed = 0

    async def open(self, call: ProviderCall) -> UpstreamReply:
        raise AssertionError("nobody asks for it here")

    async def models(self, timeouts: UpstreamTimeouts) -> tuple[RemoteModel, ...]:
        raise AssertionError("nobody asks for it here")

    async def aclose(self) -> None:
        self.closed += 1


class Clients(ProviderFactory):
    """Remembers what it built."""

    def __init__(self) -> None:
        self.built: list[Client] = []

    def build(self, spec: ProviderSpec) -> Provider:
        if spec.name == "impossible":
            raise InvalidRequest("impossible")
        self.built.append(Client(spec.name))
        return self.built[-1]


@pytest.fixture
def factory() -> Clients:
    return Clients()


@pytest.fixture
async def pool(factory: Clients) -> AsyncIterator[ProviderPool]:
    pool = ProviderPool(factory, TaskSupervisor())
    yield pool
    await settled()
    await pool.aclose()


def catalog(*specs: ProviderSpec) -> Catalog:
    return Catalog(models={}, providers={spec.id: spec for spec in specs})


async def settled() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


A, B = provider("a"), provider("b")


async def test_unchanged_providers_keep_their_client_and_impossible_ones_are_left_out(
    pool: ProviderPool, factory: Clients
) -> None:
    first = pool.update(catalog(A, provider("impossible")))
    second = pool.update(catalog(A, B))
    assert first[ProviderId("a")] is second[ProviderId("a")]
    assert set(first) == {"a"}
    assert [client.name for client in factory.built] == ["a", "b"]


async def test_a_removed_provider_is_closed_when_the_last_call_lets_go_of_its_snapshot(
    pool: ProviderPool, factory: Clients
) -> None:
    oldest = pool.update(catalog(A, B))
    older = pool.update(catalog(A))
    await settled()
    assert [client.closed for client in factory.built] == [0, 0]
    current = pool.update(catalog(B))
    del older
    await settled()
    assert [client.closed for client in factory.built] == [0, 0, 0], "the oldest still has both"
    del oldest
    await settled()
    assert [client.closed for client in factory.built] == [1, 1, 0]
    assert set(current) == {"b"}


async def test_an_edited_provider_is_replaced_and_its_old_client_closed(
    pool: ProviderPool, factory: Clients
) -> None:
    clients = pool.update(catalog(A))
    clients = pool.update(catalog(structs.replace(A, revision=1)))
    await settled()
    assert [client.closed for client in factory.built] == [1, 0]
    assert clients[ProviderId("a")] is factory.built[1]


async def test_at_the_end_everything_is_closed_once(pool: ProviderPool, factory: Clients) -> None:
    old = pool.update(catalog(A))
    new = pool.update(catalog(B))
    await pool.aclose()
    del old, new
    await settled()
    assert [client.closed for client in factory.built] == [1, 1]
