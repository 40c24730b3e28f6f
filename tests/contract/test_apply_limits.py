"""Limits and budgets of the apply document, over every store."""

from typing import Any

import pytest

from application.console.configuration.plan import Applied
from domain.errors import ValidationFailed
from domain.inference.dialect import Surface
from domain.limits.budgets import BudgetUnit
from domain.limits.rules import (
    BudgetCap,
    ConcurrencyCap,
    Enforcement,
    HolderKind,
    Limit,
    Mode,
    WindowRule,
)
from tests.support.administration import Administration, administration, plan
from tests.support.configuration import Configuration

BASE: dict[str, Any] = {
    "providers": [{"name": "demo", "kind": "demo"}],
    "models": [
        {"name": "llama3:8b", "max_output_tokens": 4096, "routes": [{"provider": "demo"}]},
    ],
    "teams": [{"name": "core"}],
    "users": [{"email": "dev@example.com", "role": "super_admin", "teams": ["core"]}],
    "keys": [{"name": "ci", "owner": "dev@example.com", "surfaces": ["ai_gateway"]}],
}
RULE: dict[str, Any] = {
    "subject": "user:dev@example.com",
    "surface": "ai_gateway",
    "metric": "requests",
    "window": "1m",
    "limit": 60,
}
BUDGET: dict[str, Any] = {"subject": "platform", "period": "monthly", "limit": 20_000_000}
EVERY_SUBJECT = {
    "user:Dev@example.com": HolderKind.USER,
    "team:core": HolderKind.TEAM,
    "team_members:core": HolderKind.TEAM_MEMBERS,
    "role:developer": HolderKind.ROLE_MEMBERS,
    "provider:demo": HolderKind.PROVIDER,
    "model:llama3:8b": HolderKind.MODEL,
    "api_key:dev@example.com/ci": HolderKind.API_KEY,
    "platform": HolderKind.PLATFORM,
}


@pytest.fixture
def office(stored: Configuration) -> Administration:
    return administration(stored)


async def stored_limits(office: Administration) -> tuple[Limit, ...]:
    return (await office.stored.source.limits()).limits


async def faults_of(office: Administration, **members: Any) -> list[str]:
    with pytest.raises(ValidationFailed) as refused:
        await office.apply(**{**BASE, **members})
    return list(refused.value.faults)


def changes_of(applied: Applied) -> list[tuple[str, str, str]]:
    return [
        (change.field, change.before, change.after)
        for step in applied.steps
        for change in step.changes
    ]


async def budget_counts_from(office: Administration) -> int:
    (cap,) = [limit for limit in await stored_limits(office) if isinstance(limit, BudgetCap)]
    return cap.counts_from_ms


async def test_every_subject_can_be_created_in_the_same_document(office: Administration) -> None:
    applied = await office.apply(
        **BASE,
        limits=[{**RULE, "subject": subject} for subject in EVERY_SUBJECT],
        budgets=[{**BUDGET, "subject": subject} for subject in EVERY_SUBJECT],
    )
    assert ("create", "limit user:dev@example.com requests/1m") in plan(applied)
    assert ("create", "budget platform budget/monthly in weighted_tokens") in plan(applied)
    limits = await stored_limits(office)
    rules = [limit for limit in limits if isinstance(limit, WindowRule)]
    budgets = [limit for limit in limits if isinstance(limit, BudgetCap)]
    assert [rule.holder.kind for rule in rules] == list(EVERY_SUBJECT.values())
    assert [cap.holder for cap in budgets] == [rule.holder for rule in rules]
    state = await office.export.export()
    assert state["models"] == [
        {"name": "llama3:8b", "max_output_tokens": 4096, "routes": [{"provider": "demo"}]}
    ]
    catalog = await office.stored.source.catalog()
    assert catalog.models["llama3:8b"].max_output_tokens == 4096


async def test_every_member_arrives_and_is_exported_as_it_was_written(
    office: Administration,
) -> None:
    limits = [
        RULE,
        {
            **RULE,
            "metric": "tokens",
            "window": "1w",
            "limit": 0,
            "enforcement": "strict",
            "mode": "shadow",
            "enabled": False,
        },
        {"subject": "platform", "metric": "concurrency", "limit": 3, "surface": "mcp_gateway"},
    ]
    budgets = [
        BUDGET,
        {
            "subject": "team:core",
            "period": "weekly",
            "unit": "usd",
            "limit": 12.345678901,
            "timezone": "Europe/Zurich",
            "enforcement": "strict",
            "mode": "shadow",
        },
    ]
    await office.apply(**BASE, limits=limits, budgets=budgets)
    _, tokens, concurrency, _, usd = await stored_limits(office)
    assert isinstance(tokens, WindowRule)
    assert (tokens.enforcement, tokens.mode, tokens.enabled) == (
        Enforcement.STRICT,
        Mode.SHADOW,
        False,
    )
    assert isinstance(concurrency, ConcurrencyCap)
    assert concurrency.surface is Surface.MCP_GATEWAY
    assert isinstance(usd, BudgetCap)
    assert (usd.unit, usd.limit) == (BudgetUnit.USD, 12_345_678_901)
    exported: dict[str, Any] = await office.export.export()
    assert [{**each, "limit": float(each["limit"])} for each in exported["budgets"]] == budgets
    written = [{**each} for each in exported["limits"]]
    assert written == limits
    members: dict[str, Any] = {name: value for name, value in exported.items() if name != "version"}
    assert plan(await office.apply(_prune=True, **members)) == []


async def test_a_changed_limit_keeps_its_id_and_so_its_counters(office: Administration) -> None:
    await office.apply(**BASE, limits=[RULE], budgets=[BUDGET])
    before = await stored_limits(office)
    made_ms = office.clock.now_ms()
    office.clock.advance(60)
    assert await budget_counts_from(office) == made_ms
    applied = await office.apply(
        limits=[{**RULE, "limit": 100, "mode": "shadow"}],
        budgets=[{**BUDGET, "timezone": "Asia/Tokyo"}],
    )
    assert changes_of(applied) == [
        ("limit", "60", "100"),
        ("mode", "enforce", "shadow"),
        ("timezone", "UTC", "Asia/Tokyo"),
    ]
    after = await stored_limits(office)
    assert [limit.id for limit in after] == [limit.id for limit in before]
    assert [limit.limit for limit in after] == [100, 20_000_000]
    assert await budget_counts_from(office) == made_ms + 60_000, "another day is another counter"
    office.clock.advance(60)
    await office.apply(budgets=[{**BUDGET, "timezone": "Asia/Tokyo", "limit": 1}])
    assert await budget_counts_from(office) == made_ms + 60_000


async def test_pruning_deletes_what_is_not_named_and_nothing_else_does(
    office: Administration,
) -> None:
    await office.apply(**BASE, limits=[RULE, {**RULE, "window": "1h"}], budgets=[BUDGET])
    assert plan(await office.apply(limits=[RULE])) == []
    pruned = await office.apply(_prune=True, **BASE, limits=[RULE])
    assert plan(pruned) == [
        ("delete", "budget platform budget/monthly in weighted_tokens"),
        ("delete", "limit user:dev@example.com requests/1h"),
    ]
    assert len(await stored_limits(office)) == 1


async def test_with_prune_a_subject_must_be_in_the_document(office: Administration) -> None:
    await office.apply(**BASE)
    with pytest.raises(ValidationFailed) as refused:
        await office.apply(_prune=True, limits=[{**RULE, "subject": "team:core"}])
    assert refused.value.faults == ("limits[0].subject: there is no 'core' among the teams",)


async def test_a_stored_subject_needs_no_entry_in_the_document(office: Administration) -> None:
    await office.apply(**BASE)
    applied = await office.apply(limits=[{**RULE, "subject": subject} for subject in EVERY_SUBJECT])
    assert len(plan(applied)) == len(EVERY_SUBJECT)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"subject": "user:nobody@example.com"}, ".subject: there is no 'nobody@example.com'"),
        ({"subject": "api_key:dev@example.com/cd"}, ".subject: there is no 'dev@example.com/cd'"),
        ({"subject": "role:king"}, ".subject: there is no 'king' among the roles"),
        ({"subject": "dev@example.com"}, ".subject: A subject is 'platform' or 'kind:name'"),
        ({"subject": "mcp_server:github"}, ".subject: There are no MCP servers"),
        ({"surface": "attic"}, ".surface: 'attic' is not available; known are"),
        ({"surface": "console"}, ".surface: "),
        ({"metric": "money"}, ".metric: 'money' is not available; known are"),
        ({"window": "2m"}, ".window: '2m' is not available; known are"),
        ({"window": None}, ".window: A window is required"),
        ({"metric": "concurrency"}, ".window: A concurrency cap has no window"),
        ({"limit": -1}, ".limit: A limit must be between 0 and"),
        ({"limit": "many"}, ".limit: expected int"),
        ({"enforcement": "strict"}, ".enforcement: Request rules are always exact"),
        ({"subject": "provider:demo", "surface": "mcp_gateway"}, ".surface: "),
        ({"per": "minute"}, ".per: there is no such member"),
    ],
)
async def test_what_cannot_be_is_refused_by_name(
    office: Administration, change: dict[str, Any], fault: str
) -> None:
    (line,) = await faults_of(office, limits=[{**RULE, **change}])
    assert line.startswith("limits[0]" + fault)
    assert await stored_limits(office) == ()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"timezone": "Mars/Olympus"}, ".timezone: 'Mars/Olympus' is not a known IANA time zone"),
        ({"limit": 0.5}, ".limit: This limit must be a whole number"),
        ({"unit": "usd", "limit": 0.0000000001}, ".limit: This limit must be USD with at most 9"),
        ({"unit": "usd", "limit": 10_000_000}, ".limit: A limit must be between 0 and 9007199"),
        ({"limit": -1}, ".limit: A limit must be between 0 and"),
        ({"period": "hourly"}, ".period: 'hourly' is not available"),
    ],
)
async def test_a_budget_that_cannot_be_is_refused_by_name(
    office: Administration, change: dict[str, Any], fault: str
) -> None:
    (line,) = await faults_of(office, budgets=[{**BUDGET, **change}])
    assert line.startswith("budgets[0]" + fault)


async def test_the_same_target_twice_is_a_fault(office: Administration) -> None:
    (line,) = await faults_of(office, limits=[RULE, {**RULE, "limit": 61}])
    assert line == "limits[1]: 'user:dev@example.com requests/1m' is there twice"


async def test_a_limit_on_something_faulty_is_not_a_second_fault(office: Administration) -> None:
    faults = await faults_of(
        office,
        users=[{"email": "dev@example.com", "role": "king"}],
        keys=[{"name": "ci", "owner": "dev@example.com", "surfaces": ["attic"]}],
        limits=[RULE, {**RULE, "subject": "api_key:dev@example.com/ci"}],
    )
    assert [line.partition(":")[0] for line in faults] == ["users[0].role", "keys[0].surfaces[0]"]
