"""Limits of the installed program: several processes, real clients, a paused and a wiped store."""

import asyncio
import json
import os
import random
import signal
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from entrypoints.datadir import DataDir
from tests.support.answers import Answer, Drop, answer
from tests.support.installation import MODEL, Installation, installed
from tests.support.openai_bodies import error, openai_completion, openai_stream
from tests.support.processes import command_line
from tests.support.program import wait_until
from tests.support.scripted_upstream import ReceivedRequest, ScriptedUpstream

BODY = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 20}
CLIENTS = 200
WIPED_BUDGET = 20_001  # no other test of this installation has a budget of this size

pytestmark = pytest.mark.xdist_group("limits")  # they share one installation
OWNER = "admin@thinkwatch.local"


@pytest.fixture(scope="module")
def limited() -> Iterator[Installation]:
    """Four gateway processes, whose only provider stays in use however often it fails."""
    with installed("--workers", "4") as installation:
        never_open = {
            "routing.breaker_min_requests": 100_000,
            "routing.breaker_consecutive_failures": 1_000,
        }
        installation.apply({"settings": never_open})
        yield installation


def user_limit(limit: int, **more: Any) -> dict[str, Any]:
    return {
        "subject": f"user:{OWNER}",
        "surface": "ai_gateway",
        "metric": "requests",
        "window": "1m",
        "limit": limit,
        **more,
    }


def fresh_user(installation: Installation, name: str, **sections: Any) -> str:
    """Create a user with these limits and budgets, and return a key of his."""
    email = f"{name}@example.com"
    installation.apply(
        {
            "users": [{"email": email, "role": "developer"}],
            **{
                section: [{**limit, "subject": f"user:{email}"} for limit in limits]
                for section, limits in sections.items()
            },
        }
    )
    key = installation.new_key(name, "--owner", email)

    async def live() -> bool:
        async with installation.client(key) as client:
            return (await client.get("/models")).status_code == 200

    wait_until(lambda: asyncio.run(live()), what="the key")
    return key


async def flood(
    installation: Installation, key: str, total: int, **fields: object
) -> list[httpx.Response]:
    """Send `total` requests from `CLIENTS` clients at once, over connections to all processes."""
    numbers = iter(range(total))
    replies: list[httpx.Response] = []
    limits = httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
    async with installation.client(key, limits=limits) as client:

        async def one_client() -> None:
            for _ in numbers:
                reply = await client.post("/chat/completions", json={**BODY, **fields})
                replies.append(reply)

        await asyncio.gather(*(one_client() for _ in range(CLIENTS)))
    return replies


async def test_four_processes_and_two_hundred_clients_never_pass_the_limit(
    limited: Installation,
) -> None:
    # The hour is for a machine so slow that the first requests leave the minute meanwhile.
    rules = [user_limit(1000), user_limit(1000, window="1h")]
    key = await asyncio.to_thread(fresh_user, limited, "crowd", limits=rules)
    async with ScriptedUpstream(port=limited.upstream_port) as upstream:
        upstream.always(openai_completion())
        replies = await flood(limited, key, 1300)
    statuses = Counter(reply.status_code for reply in replies)
    assert statuses == {200: 1000, 429: 300}
    assert len(upstream.requests) == 1000
    refused = next(reply for reply in replies if reply.status_code == 429)
    assert "user:requests/1" in refused.json()["error"]["message"]


async def test_a_strict_budget_is_never_overshot_by_concurrent_requests(
    limited: Installation,
) -> None:
    cap = 20_000
    key = await asyncio.to_thread(
        fresh_user,
        limited,
        "strict",
        budgets=[{"period": "monthly", "limit": cap, "enforcement": "strict"}],
    )
    async with ScriptedUpstream(port=limited.upstream_port) as upstream:
        upstream.always(openai_completion())
        replies = await flood(limited, key, 900)
    admitted = sum(reply.status_code == 200 for reply in replies)
    assert {reply.status_code for reply in replies} == {200, 429}
    # 29 weighted tokens each, as the scripted usage says
    assert admitted * 29 <= cap
    assert "user:budget/monthly" in replies[-1].json()["error"]["message"]


async def test_the_policy_of_the_readme_works_as_written(limited: Installation) -> None:
    key = await asyncio.to_thread(
        fresh_user,
        limited,
        "readme",
        limits=[user_limit(60), user_limit(1_000_000, metric="tokens", window="1d")],
        budgets=[{"period": "monthly", "limit": 20_000_000}],
    )
    await asyncio.to_thread(
        limited.apply,
        {"limits": [user_limit(100_000, window="1h", subject="provider:scripted")]},
    )
    async with (
        ScriptedUpstream(port=limited.upstream_port) as upstream,
        limited.client(key) as client,
    ):
        upstream.always(openai_completion())
        replies = [await client.post("/chat/completions", json=BODY) for _ in range(61)]
        assert len(upstream.requests) == 60
    assert [reply.status_code for reply in replies] == [200] * 60 + [429]
    assert "user:requests/1m" in replies[-1].json()["error"]["message"]
    assert 1 <= int(replies[-1].headers["retry-after"]) <= 61
    explained = await asyncio.to_thread(
        limited.program.run, "limits", "explain", "--user", "readme@example.com",
        "--model", MODEL, "--provider", "scripted", "--json",
    )  # fmt: skip
    assert explained.code == 0, explained.err
    used = {item["label"]: item["used"] for item in explained.json()["limits"]}
    assert 0 < used["user:requests/1m"] <= 60
    assert used["provider:requests/1h"] == 60, "the one that was refused is counted nowhere"
    assert {"user:tokens/1d", "user:budget/monthly"} <= used.keys()


async def timed_completion(client: httpx.AsyncClient) -> float:
    """Return the seconds of a request that has to succeed."""
    began = time.monotonic()
    assert (await client.post("/chat/completions", json=BODY)).status_code == 200
    return time.monotonic() - began


def valkey_pid(installation: Installation) -> int:
    for pid in installation.program.pids():
        if "valkey-server" in command_line(pid):
            return pid
    raise AssertionError("no valkey-server below the program")


def worker_pids(installation: Installation) -> list[int]:
    """Return the processes that serve, without the parent and the stores."""
    parent, *below = installation.program.pids()
    return [pid for pid in below if "entrypoints" in command_line(pid) and pid != parent]


async def test_a_paused_store_delays_few_requests_and_what_was_used_is_counted_once(
    limited: Installation,
) -> None:
    key = await asyncio.to_thread(
        fresh_user, limited, "paused", budgets=[{"period": "monthly", "limit": 10_000_000}]
    )
    pid = valkey_pid(limited)
    requests = 200
    async with (
        ScriptedUpstream(port=limited.upstream_port) as upstream,
        limited.client(key) as client,
    ):
        upstream.always(openai_completion())
        assert (await client.post("/chat/completions", json=BODY)).status_code == 200
        usual = [await timed_completion(client) for _ in range(50)]
        os.kill(pid, signal.SIGSTOP)
        try:
            waits = [await timed_completion(client) for _ in range(requests)]
        finally:
            os.kill(pid, signal.SIGCONT)
    # A request that waits for the store waits 100 ms; once each process knows, none does.
    assert statistics.median(waits[-100:]) < statistics.median(usual) + 0.05

    def used() -> int:
        shown = limited.program.run(
            "limits", "explain", "--user", "paused@example.com", "--model", MODEL, "--json"
        )
        assert shown.code == 0, shown.err
        return next(
            item["used"]
            for item in shown.json()["limits"]
            if item["label"] == "user:budget/monthly"
        )

    expected = (requests + 51) * 29
    await asyncio.to_thread(
        wait_until, lambda: used() == expected, within_s=40, what="everything is counted"
    )


async def test_a_paused_store_refuses_where_that_is_configured(limited: Installation) -> None:
    key = await asyncio.to_thread(fresh_user, limited, "closed", limits=[user_limit(1_000_000)])

    def configure(mode: str) -> None:
        limited.apply({"settings": {"security.rate_limit_fail_closed": mode}})

    await asyncio.to_thread(configure, "true")
    pid = valkey_pid(limited)
    try:
        async with (
            ScriptedUpstream(port=limited.upstream_port) as upstream,
            limited.client(key) as client,
        ):
            upstream.always(openai_completion())
            await timed_completion(client)
            os.kill(pid, signal.SIGSTOP)
            try:
                async with asyncio.timeout(20):
                    reply = await client.post("/chat/completions", json=BODY)
                    while reply.status_code == 200:  # the setting is read within seconds
                        reply = await client.post("/chat/completions", json=BODY)
            finally:
                os.kill(pid, signal.SIGCONT)
            assert reply.status_code == 429
            assert reply.json()["error"]["limit"] == "rate_limiter_unavailable"
            async with asyncio.timeout(20):
                while (await client.post("/chat/completions", json=BODY)).status_code != 200:
                    pass
    finally:
        await asyncio.to_thread(configure, "false")


async def test_killed_processes_leave_no_lease_and_counters_equal_the_records(
    limited: Installation,
) -> None:
    key = await asyncio.to_thread(
        fresh_user,
        limited,
        "killed",
        limits=[{"surface": "ai_gateway", "metric": "concurrency", "limit": 1000}],
        budgets=[{"period": "monthly", "limit": 10_000_000}],
    )
    async with (
        ScriptedUpstream(port=limited.upstream_port) as upstream,
        limited.client(key, limits=httpx.Limits(max_connections=60)) as client,
    ):
        upstream.always(openai_stream(pause_after=2, gate=asyncio.Event()))

        async def broken_stream() -> None:
            try:
                async with client.stream(
                    "POST", "/chat/completions", json={**BODY, "stream": True}
                ) as reply:
                    async for _ in reply.aiter_raw():
                        pass
            except httpx.TransportError:
                pass

        streams = [asyncio.ensure_future(broken_stream()) for _ in range(40)]
        for _ in range(40):
            await upstream.next_request()
        for pid in worker_pids(limited):
            os.kill(pid, signal.SIGKILL)
        await asyncio.gather(*streams)

    def balanced() -> bool:
        found = limited.program.run("requests", "--json", "--limit", "1000")
        if found.code != 0:  # the console was killed too, and comes back
            return False
        rows = [
            row
            for row in map(json.loads, found.out.splitlines())
            if row["user_email"] == "killed@example.com" and row["status"] != 200
        ]
        shown = limited.program.run(
            "limits", "explain", "--user", "killed@example.com", "--model", MODEL, "--json"
        )
        if shown.code != 0 or len(rows) != 40:
            return False
        used = {item["label"]: item["used"] for item in shown.json()["limits"]}
        return used["user:concurrency"] == 0 and used["user:budget/monthly"] == sum(
            row["weighted_tokens"] for row in rows
        )

    await asyncio.to_thread(wait_until, balanced, within_s=240, what="the books balance")


ENDINGS = ("answered", "streamed", "failed", "refused", "cut by the upstream", "left by the client")


def ending_of(request: ReceivedRequest) -> Answer:
    """Answer as the request's own text asks."""
    ending = request.json()["messages"][0]["content"]
    match ending:
        case "streamed":
            return openai_stream()
        case "failed":
            return answer(500, body=error())
        case "refused":
            return answer(400, body=error())
        case "cut by the upstream":
            return openai_stream(("Hel", "lo"), usage=None, done=False, then=[Drop()])
        case "left by the client":
            return openai_stream(pause_after=2, gate=asyncio.Event())
        case _:
            return openai_completion()


async def end_somehow(client: httpx.AsyncClient, ending: str) -> None:
    stream = ending in {"streamed", "cut by the upstream", "left by the client"}
    body = {**BODY, "messages": [{"role": "user", "content": ending}], "stream": stream}
    if ending == "left by the client":
        async with client.stream("POST", "/chat/completions", json=body) as reply:
            await anext(reply.aiter_raw())
        return
    reply = await client.post("/chat/completions", json=body)
    assert reply.status_code == {"failed": 502, "refused": 400}.get(ending, 200)


async def test_requests_that_end_in_every_way_leave_the_books_balanced(
    limited: Installation, *, thorough: bool
) -> None:
    count = 10_000 if thorough else 1_500
    key = await asyncio.to_thread(
        fresh_user,
        limited,
        "endings",
        limits=[
            {"surface": "ai_gateway", "metric": "concurrency", "limit": 1000},
            user_limit(1_000_000, window="1d"),
        ],
        budgets=[
            {"period": "monthly", "limit": 1_000_000_000, "enforcement": "strict"},
            {"period": "daily", "unit": "usd", "limit": 1_000_000},
        ],
    )
    dice = random.Random(7)
    endings = iter([*dice.choices(ENDINGS, weights=(70, 10, 8, 4, 4, 4), k=count)])
    async with (
        ScriptedUpstream(port=limited.upstream_port) as upstream,
        limited.client(key, limits=httpx.Limits(max_connections=50)) as client,
    ):
        upstream.always(ending_of)

        async def one_client() -> None:
            for ending in endings:
                await end_somehow(client, ending)

        await asyncio.gather(*(one_client() for _ in range(50)))

    def totals() -> dict[str, float]:
        shown = limited.program.run(
            "limits", "explain", "--user", "endings@example.com", "--model", MODEL, "--json"
        )
        assert shown.code == 0, shown.err
        return {item["label"]: item["used"] for item in shown.json()["limits"]}

    def rows() -> list[dict[str, Any]]:
        shown = limited.program.run(
            "requests", "--json", "--limit", str(count + 10), "--user", "endings@example.com"
        )
        assert shown.code == 0, shown.err
        return [json.loads(line) for line in shown.out.splitlines()]

    def balanced() -> bool:
        used = totals()
        if used["user:concurrency"] or used["user:requests/1d"] != count:
            return False
        records = rows()
        return (
            len({row["event_id"] for row in records}) == len(records) == count
            and used["user:budget/monthly"] == sum(row["weighted_tokens"] for row in records)
            and round(used["user:budget/daily"] * 10**9)
            == sum(row["cost_nano_usd"] for row in records)
        )

    await asyncio.to_thread(wait_until, balanced, within_s=60, what="the books balance")


async def test_a_store_wiped_under_load_gets_its_budgets_back_and_no_alert_twice(
    limited: Installation,
) -> None:
    key = await asyncio.to_thread(
        fresh_user,
        limited,
        "wiped",
        limits=[user_limit(1_000_000)],
        budgets=[{"period": "monthly", "limit": WIPED_BUDGET}],
    )
    holder = DataDir(limited.program.data_dir).running_holder()
    assert holder is not None
    assert holder.stores is not None
    answered = asyncio.Semaphore(0)
    async with (
        Redis.from_url(holder.stores.redis_url) as redis,
        ScriptedUpstream(port=limited.upstream_port) as upstream,
        limited.client(key) as client,
    ):
        upstream.always(openai_completion())

        async def one_client() -> None:
            for _ in range(30):
                reply = await client.post("/chat/completions", json=BODY)
                assert reply.status_code == 200
                answered.release()

        async with asyncio.TaskGroup() as load:
            for _ in range(20):
                load.create_task(one_client())
            for _ in range(300):
                await answered.acquire()
            await redis.flushall()

    def back() -> bool:
        shown = limited.program.run(
            "limits", "explain", "--user", "wiped@example.com", "--model", MODEL, "--json"
        )
        used = {item["label"]: item["used"] for item in shown.json()["limits"]}
        return used["user:budget/monthly"] == 600 * 29

    await asyncio.to_thread(wait_until, back, within_s=90, what="the budget is back")
    token = (limited.program.data_dir / "operator_token").read_text().strip()

    def fired() -> list[int]:
        reply = httpx.get(
            f"{limited.ready.console_url}/api/budgets/alerts",
            headers={"authorization": f"Bearer {token}"},
        )
        items = reply.raise_for_status().json()["items"]
        return sorted(item["threshold_pct"] for item in items if item["limit"] == WIPED_BUDGET)

    await asyncio.to_thread(wait_until, lambda: fired() == [50, 80], what="the alerts")
