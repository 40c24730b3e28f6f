"""The limit store while its server is paused, killed, restarted, emptied or moved."""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from typing import cast

import pytest
import redis
from redis.crc import key_slot

from adapters.redis.connection import connect, ping
from adapters.redis.limit_scripts import LimitScripts, part
from adapters.redis.limit_wire import EPOCH_KEY, INDEX_KEY, PREFIX, VERSION
from adapters.redis.limits import RedisLimitStore
from adapters.redis.pipelined import PipelinedCommands
from adapters.system.clock import SystemClock
from domain.errors import Conflict, LimitStoreUnavailable
from domain.limits.amounts import NOTHING, Spend
from domain.limits.reservations import Admitted, Rejected, Reservation
from domain.limits.windows import Window
from tests.support.limits import (
    budget_cap,
    claim,
    concurrency_cap,
    made_ready,
    requests_rule,
    tokens_rule,
)
from tests.support.redis_servers import LimitServer, RedisServer, running_server, valkey_binary

HOUR = Window.HOUR


def now_ms() -> int:
    return SystemClock().now_ms()


@pytest.fixture
async def store(pausable: RedisServer) -> AsyncIterator[RedisLimitStore]:
    """A store with the operation timeout of production."""
    store = RedisLimitStore(PipelinedCommands.from_url(pausable.url, connect_timeout_s=5.0))
    await made_ready(store)
    yield store
    await store.aclose()


@pytest.fixture
async def patient(limit_server: LimitServer) -> AsyncIterator[RedisLimitStore]:
    """A store on every kind of server, for tests that are not about time."""
    store = RedisLimitStore(
        PipelinedCommands.from_url(limit_server.url, timeout_s=5.0, connect_timeout_s=5.0)
    )
    await made_ready(store)
    yield store
    await store.aclose()


async def used(store: RedisLimitStore, *entries: object) -> list[int]:
    usage = await store.usage(entries, NOTHING)  # pyright: ignore[reportArgumentType]
    return [reading.used for reading in usage.readings]


async def until_it_answers(store: RedisLimitStore) -> Admitted | Rejected:
    """Claim until the store answers; a busy machine may need more than one timeout."""
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(LimitStoreUnavailable):
                return await store.admit(claim(requests_rule(10, HOUR)))


async def keys_of(server: LimitServer, pattern: str) -> list[bytes]:
    return cast("list[bytes]", await server.client.keys(pattern))


async def test_a_paused_server_costs_each_caller_one_timeout(
    store: RedisLimitStore, pausable: RedisServer
) -> None:
    rule = requests_rule(10_000, HOUR)
    os.kill(pausable.process.pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        results = await asyncio.gather(
            *(store.admit(claim(rule)) for _ in range(200)), return_exceptions=True
        )
        took = time.monotonic() - started
    finally:
        os.kill(pausable.process.pid, signal.SIGCONT)
    assert all(isinstance(result, LimitStoreUnavailable) for result in results)
    assert 0.09 < took < 1.0


async def test_claims_that_a_paused_server_carries_out_late_are_settled_as_if_confirmed(
    store: RedisLimitStore, pausable: RedisServer
) -> None:
    entries = (
        requests_rule(100, HOUR), budget_cap(1_000, now_ms()), concurrency_cap(5),
        tokens_rule(1_000, HOUR, strict=True),
    )  # fmt: skip
    await store.usage(entries, NOTHING)
    late = claim(*entries, tokens=50)
    os.kill(pausable.process.pid, signal.SIGSTOP)
    with pytest.raises(LimitStoreUnavailable):
        await store.admit(late)
    os.kill(pausable.process.pid, signal.SIGCONT)
    while await used(store, *entries) != [1, 0, 1, 50]:
        pass
    let_through = Reservation.unconfirmed(late, now_ms())
    for expected in (True, False):
        settled = await store.settle(let_through, Spend(tokens=30), occurred_at_ms=now_ms())
        assert settled.applied is expected
    assert await used(store, *entries) == [1, 30, 0, 30]


async def test_a_claim_that_arrives_after_its_settlement_counts_nothing(
    patient: RedisLimitStore,
) -> None:
    rule, cap = requests_rule(10, HOUR), budget_cap(1_000, now_ms())
    late = claim(rule, cap)
    lost = Reservation.unconfirmed(late, now_ms())
    assert (await patient.settle(lost, Spend(tokens=7), occurred_at_ms=now_ms())).applied
    with pytest.raises(Conflict):
        await patient.admit(late)
    assert await used(patient, rule, cap) == [1, 7]


async def test_a_server_that_comes_back_is_used_at_once(
    store: RedisLimitStore, pausable: RedisServer
) -> None:
    rule = requests_rule(10, HOUR)
    assert isinstance(await store.admit(claim(rule)), Admitted)
    pausable.client().client_kill_filter(_type="normal", skipme=True)
    assert isinstance(await until_it_answers(store), Admitted)


async def test_a_server_that_is_not_there_fails_all_waiting_callers_together() -> None:
    with running_server(valkey_binary()) as server:
        url = server.url
    store = RedisLimitStore(PipelinedCommands.from_url(url))
    started = time.monotonic()
    results = await asyncio.gather(
        *(store.admit(claim(requests_rule(1))) for _ in range(500)), return_exceptions=True
    )
    assert all(isinstance(result, LimitStoreUnavailable) for result in results)
    assert time.monotonic() - started < 1.0


async def test_scripts_are_loaded_again_when_the_server_has_forgotten_them(
    patient: RedisLimitStore, limit_server: LimitServer
) -> None:
    rule = requests_rule(10, HOUR)
    for number in range(1, 4):
        await limit_server.client.script_flush()
        assert isinstance(await patient.admit(claim(rule)), Admitted)
        assert await used(patient, rule) == [number]


async def test_a_wiped_server_takes_settlements_of_before_and_holds_strict_budgets(
    patient: RedisLimitStore, limit_server: LimitServer
) -> None:
    soft, strict = budget_cap(1_000, now_ms()), budget_cap(1_000, now_ms(), rule="b2", strict=True)
    verdict = await patient.admit(claim(soft, strict, tokens=10))
    assert isinstance(verdict, Admitted)
    ended = verdict.reservation.admitted_at_ms - 1
    await limit_server.client.flushall()
    rejected = await patient.admit(claim(soft, strict, tokens=10))
    assert isinstance(rejected, Rejected)
    assert (rejected.entry, rejected.rebuilding) == (strict, True)
    for expected in (True, False):
        settled = await patient.settle(verdict.reservation, Spend(tokens=600), occurred_at_ms=ended)
        assert (settled.applied, settled.crossings) == (expected, ())
    epoch = await patient.begin()
    for cap in (soft, strict):
        span = cap.periods.at(now_ms())
        assert await patient.restore_budget(cap, span, 900, until_ms=epoch.at_ms) == 900
    assert await patient.mark_restored(epoch.at_ms)
    assert isinstance(await patient.admit(claim(soft, strict, tokens=10)), Admitted)


async def test_exactly_the_limit_is_admitted_over_four_connections_and_200_clients(
    limit_server: LimitServer,
) -> None:
    entries = (
        requests_rule(1_000, HOUR),
        requests_rule(2_000, Window.DAY, rule="r2"),
        concurrency_cap(5_000),
    )
    stores = [
        RedisLimitStore(
            PipelinedCommands.from_url(limit_server.url, timeout_s=10.0, connect_timeout_s=10.0)
        )
        for _ in range(4)
    ]

    async def client(number: int) -> int:
        verdicts = [await stores[number % 4].admit(claim(*entries)) for _ in range(10)]
        return sum(isinstance(verdict, Admitted) for verdict in verdicts)

    assert sum(await asyncio.gather(*(client(number) for number in range(200)))) == 1_000
    assert await used(stores[0], *entries) == [1_000] * 3
    for store in stores:
        await store.aclose()


async def test_nothing_is_left_after_random_aborts_and_kills(limit_server: LimitServer) -> None:
    stores = [
        RedisLimitStore(
            PipelinedCommands.from_url(limit_server.url, timeout_s=10.0, connect_timeout_s=10.0)
        )
        for _ in range(2)
    ]
    await made_ready(stores[0])
    cap, strict = budget_cap(10**9, now_ms()), budget_cap(10**9, now_ms(), rule="b2", strict=True)
    entries = (concurrency_cap(10_000), cap, strict, tokens_rule(10**9, HOUR, strict=True))
    recorded = 0

    async def call(number: int) -> None:
        nonlocal recorded
        store = stores[number % 2]
        asked = claim(*entries, tokens=number % 13, lifetime_ms=20 + number % 50)
        verdict = await store.admit(asked)
        assert isinstance(verdict, Admitted)
        if number % 7 == 0:
            return  # killed
        spend = Spend(tokens=number % 11) if number % 3 else NOTHING
        task = asyncio.ensure_future(
            store.settle(verdict.reservation, spend, occurred_at_ms=now_ms())
        )
        if number % 5 == 0:
            task.cancel()  # the client hung up while settling: whether it arrived is open
            await asyncio.gather(task, return_exceptions=True)
            task = asyncio.ensure_future(
                store.settle(verdict.reservation, spend, occurred_at_ms=now_ms())
            )
        await task
        recorded += spend.tokens

    async def sweep() -> int:
        swept = await stores[1].sweep(100)
        return sum(each.reservation.estimate.tokens for each in swept)

    await asyncio.gather(*(call(number) for number in range(2_000)))
    while await limit_server.client.zcard(INDEX_KEY):
        recorded += await sweep()
    leases, soft_used, strict_used, window = await used(stores[0], *entries)
    assert leases == 0
    assert soft_used == strict_used == recorded
    assert window >= recorded
    left = await keys_of(limit_server, f"{PREFIX}r:*")
    assert {await limit_server.client.get(key) for key in left} <= {b"-"}
    for store in stores:
        await store.aclose()


async def test_every_key_but_the_epoch_and_the_index_expires(
    patient: RedisLimitStore, limit_server: LimitServer
) -> None:
    entries = (
        requests_rule(5, Window.MINUTE), tokens_rule(90, Window.WEEK, strict=True),
        budget_cap(90, now_ms()), budget_cap(90, now_ms(), rule="b2", strict=True), concurrency_cap(2),
    )  # fmt: skip
    for tokens in (9, 1):
        verdict = await patient.admit(claim(*entries, tokens=5))
        assert isinstance(verdict, Admitted)
        await patient.settle(verdict.reservation, Spend(tokens=tokens), occurred_at_ms=now_ms())
    await patient.admit(claim(*entries, tokens=5))
    await patient.settle(
        Reservation.unconfirmed(claim(budget_cap(9, now_ms(), rule="b3")), now_ms()),
        Spend(tokens=5), occurred_at_ms=now_ms(),
    )  # fmt: skip
    client = limit_server.client
    ttl = {key.decode(): await client.pttl(key) for key in await keys_of(limit_server, "*")}
    assert {key for key, left in ttl.items() if left < 0} == {EPOCH_KEY, INDEX_KEY}
    assert all("{tw}" in key for key in ttl)
    ring = next(left for key, left in ttl.items() if "requests/1m" in key)
    assert 60_000 < ring <= 62_000


async def test_a_record_nobody_can_read_does_not_stop_the_sweeper(
    patient: RedisLimitStore, limit_server: LimitServer
) -> None:
    client = limit_server.client
    await client.zadd(INDEX_KEY, {"lost": 1, "garbage": 2})
    await client.set(f"{PREFIX}r:garbage", b"12:\xc1nonsense")
    verdict = await patient.admit(claim(concurrency_cap(1), lifetime_ms=1))
    assert isinstance(verdict, Admitted)
    while await used(patient, concurrency_cap(1)) != [0]:
        pass
    swept = [*await patient.sweep(2), *await patient.sweep(2)]
    assert [each.reservation.id for each in swept] == [verdict.reservation.id]
    assert await client.zcard(INDEX_KEY) == 0


async def test_a_cluster_that_gives_the_slot_to_another_node_is_followed(
    cluster: list[RedisServer],
) -> None:
    nodes = [node.client() for node in cluster]
    url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in cluster)
    store = RedisLimitStore(PipelinedCommands.from_url(url, timeout_s=5.0, connect_timeout_s=5.0))
    rule = requests_rule(10, HOUR)
    assert isinstance(await store.admit(claim(rule)), Admitted)
    slot = key_slot(b"{tw}")
    ids = [cast("str", node.execute_command("CLUSTER", "MYID")) for node in nodes]
    try:
        _give_slot(nodes, slot, ids[2])
        verdict = await store.admit(claim(rule))
        assert isinstance(verdict, Admitted)
        assert nodes[2].dbsize() > 0
    finally:
        _give_slot(nodes, slot, ids[0])
        await store.aclose()


async def test_a_silent_cluster_node_delays_one_caller_and_is_passed_over_by_the_next(
    cluster: list[RedisServer],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis+cluster://127.0.0.1:{silent.getsockname()[1]},127.0.0.1:{cluster[0].port}"
        store = RedisLimitStore(PipelinedCommands.from_url(url))
        with pytest.raises(LimitStoreUnavailable):
            await store.admit(claim(requests_rule(10, HOUR)))
        verdict = await until_it_answers(store)
        assert isinstance(verdict, Admitted)
        await store.aclose()


async def test_sentinels_name_the_master(pausable: RedisServer) -> None:
    monitor = f"sentinel monitor main 127.0.0.1 {pausable.port} 1\n"
    with running_server(valkey_binary(), "--sentinel", config=monitor) as sentinel:
        url = f"redis+sentinel://127.0.0.1:{sentinel.port}/main/2"
        store = RedisLimitStore(PipelinedCommands.from_url(url, connect_timeout_s=5, timeout_s=5))
        assert isinstance(await store.admit(claim(requests_rule(10, HOUR))), Admitted)
        assert redis.Redis(port=pausable.port, db=2).dbsize() > 0
        await store.aclose()
        unknown = RedisLimitStore(
            PipelinedCommands.from_url(url.replace("main", "other"), connect_timeout_s=5)
        )
        with pytest.raises(LimitStoreUnavailable) as caught:
            await unknown.admit(claim(requests_rule(10, HOUR)))
        assert "other" in caught.value.detail


@pytest.mark.parametrize("guarded", [False, True])
async def test_sentinels_have_a_password_of_their_own_or_none(
    pausable: RedisServer, *, guarded: bool
) -> None:
    pausable.client().config_set("requirepass", "hunter22")
    monitor = (
        f"sentinel monitor main 127.0.0.1 {pausable.port} 1\nsentinel auth-pass main hunter22\n"
    )
    with running_server(valkey_binary(), "--sentinel", config=monitor) as sentinel:
        options = ""
        if guarded:
            sentinel.client().execute_command("ACL", "SETUSER", "default", "resetpass", ">watchman")
            options = "?sentinel_password=watchman"
        url = f"redis+sentinel://:hunter22@127.0.0.1:{sentinel.port}/main/2{options}"
        store = RedisLimitStore(PipelinedCommands.from_url(url, connect_timeout_s=5, timeout_s=5))
        assert isinstance(await store.admit(claim(requests_rule(10, HOUR))), Admitted)
        await store.aclose()
        await ping(client := connect(url))  # the other client reads the URL alike
        await client.aclose()


def _give_slot(nodes: list[redis.Redis], slot: int, owner: str) -> None:
    for node in nodes:
        node.flushall()
    for node in nodes:
        node.execute_command("CLUSTER", "SETSLOT", slot, "NODE", owner)


async def test_passwords_databases_and_wrong_ones() -> None:
    with running_server(valkey_binary()) as server:
        server.client().config_set("requirepass", "hunter22")
        right = server.url.replace("//", "//:hunter22@") + "/3"
        store = RedisLimitStore(PipelinedCommands.from_url(right, connect_timeout_s=5, timeout_s=5))
        assert isinstance(await store.admit(claim(requests_rule(1))), Admitted)
        client = redis.Redis(port=server.port, password="hunter22", db=3)
        assert client.dbsize() > 0
        await store.aclose()
        for wrong in (server.url, server.url.replace("//", "//:guess@")):
            store = RedisLimitStore(
                PipelinedCommands.from_url(wrong, connect_timeout_s=5, timeout_s=5)
            )
            with pytest.raises(LimitStoreUnavailable) as caught:
                await store.admit(claim(requests_rule(1)))
            assert "guess" not in caught.value.detail
            await store.aclose()


def test_scripts_and_program_agree_on_the_version() -> None:
    assert f"local VERSION = {VERSION}\n" in part("common")


def test_the_scripts_take_the_time_from_the_server_alone() -> None:
    scripts = LimitScripts.load()
    for script in (scripts.admit, scripts.settle, scripts.extend, scripts.due):
        assert script.source.startswith(part("clock"))
        assert script.source.count("'TIME'") == 1
