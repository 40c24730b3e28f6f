"""However many rules bind a request, each counts in its own right, and all are asked at once."""

import contextlib
from collections.abc import AsyncGenerator

import httpx
import pytest

from adapters.memory.limits import MemoryLimitStore
from adapters.system.clock import SystemClock
from domain.identifiers import LineageId, TeamId
from domain.inference.dialect import Surface
from domain.limits.amounts import NOTHING
from domain.limits.entries import Entry
from domain.limits.policy import LimitPolicy
from domain.limits.reservations import Admitted, Claim, Rejected
from domain.limits.rules import Holder, HolderKind, Metric, WindowRule
from domain.limits.windows import Window
from domain.subjects import Subject, SubjectChain, SubjectKind
from tests.support.gateway_harness import GatewayHarness
from tests.support.limits import made_ready
from tests.support.openai_bodies import openai_completion
from tests.support.scripted_upstream import ScriptedUpstream

BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 10}
FIVE = (
    Subject(SubjectKind.API_KEY, "lineage"),
    Subject(SubjectKind.USER, "user-1"),
    Subject(SubjectKind.TEAM, "team-1"),
    Subject(SubjectKind.MODEL, "model-gpt-4o"),
    Subject(SubjectKind.PROVIDER, "provider-upstream"),
)


class CountingStore(MemoryLimitStore):
    """Tells how often it was asked to admit."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.admissions = 0

    async def admit(self, claim: Claim) -> Admitted | Rejected:
        self.admissions += 1
        return await super().admit(claim)


def rule(subject: Subject, limit: int, window: Window) -> WindowRule:
    return WindowRule(
        id=f"{subject.kind}-{window}",
        holder=Holder(HolderKind(subject.kind), subject.id),
        surface=Surface.AI_GATEWAY,
        metric=Metric.REQUESTS,
        window=window,
        limit=limit,
    )


class Session:
    """A gateway with two keys of one lineage, and its counters."""

    def __init__(self, store: CountingStore, url: str, keys: list[str]) -> None:
        self.store = store
        self._keys = keys
        self._client = httpx.AsyncClient(base_url=url, timeout=20)

    async def ask(self, key: int = 0) -> httpx.Response:
        headers = {"api-key": self._keys[key]}
        return await self._client.post("/v1/chat/completions", json=BODY, headers=headers)

    async def used(self, rules: list[WindowRule]) -> dict[str, int]:
        chain = SubjectChain(FIVE)
        entries: tuple[Entry, ...] = (
            LimitPolicy(rules).bind(chain, Surface.AI_GATEWAY, SystemClock().now_ms()).entries
        )
        usage = await self.store.usage(entries, NOTHING)
        return {
            entry.limit_id: reading.used
            for entry, reading in zip(entries, usage.readings, strict=True)
        }

    async def aclose(self) -> None:
        await self._client.aclose()


@contextlib.asynccontextmanager
async def session(upstream: ScriptedUpstream, rules: list[WindowRule]) -> AsyncGenerator[Session]:
    harness, store = GatewayHarness(), CountingStore()
    await made_ready(store)
    harness.limit_store, harness.limits = store, [*rules]
    harness.add_model("gpt-4o", harness.add_openai(upstream.base_url))
    rotated = {"lineage_id": LineageId("lineage"), "team_ids": (TeamId("team-1"),)}
    keys = [harness.add_key(**rotated) for _ in range(2)]
    upstream.always(openai_completion())
    async with harness.running() as gateway:
        found = Session(store, gateway.url, keys)
        yield found
        await found.aclose()


async def test_ten_rules_over_five_subjects_are_one_check_and_ten_counts(
    upstream: ScriptedUpstream,
) -> None:
    rules = [rule(each, 50, window) for each in FIVE for window in (Window.MINUTE, Window.DAY)]
    async with session(upstream, rules) as running:
        for number in range(1, 4):
            assert (await running.ask()).status_code == 200
            assert running.store.admissions == number
            used = await running.used(rules)
            assert len(used) == 10
            assert set(used.values()) == {number}


@pytest.mark.parametrize("full", FIVE, ids=lambda each: each.kind)
@pytest.mark.parametrize("window", [Window.MINUTE, Window.DAY])
async def test_whichever_of_ten_rules_is_full_refuses_and_nothing_is_counted(
    upstream: ScriptedUpstream, full: Subject, window: Window
) -> None:
    rules = [
        rule(each, 2 if (each, each_window) == (full, window) else 50, each_window)
        for each in FIVE
        for each_window in (Window.MINUTE, Window.DAY)
    ]
    async with session(upstream, rules) as running:
        replies = [await running.ask() for _ in range(3)]
        assert [reply.status_code for reply in replies] == [200, 200, 429]
        label = f"{full.kind}:requests/{window}"
        assert replies[-1].headers["x-thinkwatch-limit"] == label
        assert replies[-1].json()["error"]["limit"] == label
        assert set((await running.used(rules)).values()) == {2}
        assert len(upstream.requests) == 2


async def test_a_key_keeps_its_counts_when_it_is_rotated(upstream: ScriptedUpstream) -> None:
    rules = [rule(FIVE[0], 2, Window.HOUR)]
    async with session(upstream, rules) as running:
        statuses = [(await running.ask(key)).status_code for key in (0, 1, 1, 0)]
    assert statuses == [200, 200, 429, 429]
