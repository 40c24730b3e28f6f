"""Limits, overrides and standings as use cases, on stores in memory."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from application.console.limits.chains import LimitQuestion
from application.console.limits.collection import Row
from application.console.limits.documents import (
    BudgetEntry,
    BudgetPatch,
    RuleEntry,
    RuleMetric,
    RulePatch,
)
from application.console.limits.overrides import OverrideEntry
from application.console.limits.standing import ResetWish
from domain.errors import Conflict, InvalidRequest, NotFound, PreconditionFailed
from domain.inference.dialect import Surface
from domain.limits.budgets import BudgetUnit
from domain.limits.overrides import OverrideAction
from domain.limits.periods import Period
from domain.limits.rules import BudgetCap, Enforcement
from domain.limits.windows import Window
from entrypoints.console.services import LimitServices
from tests.support.acting import OPERATOR
from tests.support.configuration import (
    Configuration,
    a_key,
    a_model,
    a_provider,
    a_route,
    a_team,
    a_user,
    memory_configuration,
)
from tests.support.limit_services import limit_services
from tests.support.manual_clock import ManualClock

RULE = RuleEntry(
    subject="user:dev@example.com", metric=RuleMetric.TOKENS, window=Window.HOUR, limit=100
)
DAY_S = 86_400


@pytest.fixture
async def stored() -> Configuration:
    stored = memory_configuration()
    team, provider = a_team(), a_provider()
    user = a_user(team_ids=frozenset({team.id}))
    async with stored.uow.begin() as tx:
        await tx.teams.add(team)
        await tx.users.add(user)
        await tx.users.add(a_user("other@example.com"))
        await tx.keys.add(a_key(user))
        await tx.providers.add(provider)
        await tx.models.add(a_model("gpt-4o", a_route(provider)))
        await tx.commit()
    return stored


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def limits(stored: Configuration, clock: ManualClock) -> LimitServices:
    return limit_services(stored.uow, clock)


async def test_a_patch_keeps_what_it_does_not_name_and_null_is_the_default(
    limits: LimitServices,
) -> None:
    made = await limits.rules.create(
        OPERATOR, replace(RULE, enforcement=Enforcement.STRICT, enabled=False)
    )
    changed = await limits.rules.update(OPERATOR, made.view.id, RulePatch(limit=7, enabled=None))
    assert (changed.view.limit, changed.view.enabled) == (7, True)
    assert changed.view.enforcement is Enforcement.STRICT
    assert changed.etag != made.etag
    with pytest.raises(InvalidRequest, match="'limit' cannot be cleared") as refused:
        await limits.rules.update(OPERATOR, made.view.id, RulePatch(limit=None))
    assert refused.value.param == "limit"


async def test_a_rule_stays_a_rule_and_a_cap_a_cap(limits: LimitServices) -> None:
    made = await limits.rules.create(OPERATOR, RULE)
    with pytest.raises(InvalidRequest, match="cannot become"):
        await limits.rules.update(
            OPERATOR, made.view.id, RulePatch(metric=RuleMetric.CONCURRENCY, window=None)
        )
    with pytest.raises(NotFound, match="no budget"):
        await limits.budgets.find(OPERATOR, made.view.id)


async def test_a_budget_can_change_its_unit_with_its_amount(limits: LimitServices) -> None:
    entry = BudgetEntry(subject="platform", period=Period.DAILY, limit=Decimal(1000))
    made = await limits.budgets.create(OPERATOR, entry)
    changed = await limits.budgets.update(
        OPERATOR, made.view.id, BudgetPatch(unit=BudgetUnit.USD, limit=Decimal("0.000000001"))
    )
    assert changed.view.limit == Decimal("0.000000001")
    for tiny in ("0.0000000001", "NaN", "Infinity", "-1"):
        with pytest.raises(InvalidRequest):
            await limits.budgets.update(OPERATOR, made.view.id, BudgetPatch(limit=Decimal(tiny)))


async def test_a_change_of_a_budget_keeps_whom_its_alerts_go_to(
    stored: Configuration, limits: LimitServices
) -> None:
    entry = BudgetEntry(subject="platform", period=Period.DAILY, limit=Decimal(1000))
    made = await limits.budgets.create(OPERATOR, entry)
    async with stored.uow.begin() as tx:
        cap = await tx.limits.find(made.view.id)
        assert isinstance(cap, BudgetCap)
        await tx.limits.update(replace(cap, channels=("operator", "finance")))
        await tx.commit()
    await limits.budgets.update(OPERATOR, made.view.id, BudgetPatch(limit=Decimal(2000)))
    row = Row[BudgetEntry, BudgetPatch](op="set", entry=replace(entry, limit=Decimal(3000)))
    (outcome,) = await limits.budgets.bulk(OPERATOR, [row])
    assert (outcome.status, outcome.item and outcome.item.limit) == ("updated", 3000)
    async with stored.uow.begin() as tx:
        cap = await tx.limits.find(made.view.id)
    assert isinstance(cap, BudgetCap)
    assert (cap.limit, cap.channels) == (3000, ("operator", "finance"))


async def test_a_budget_counts_from_when_it_was_made_or_enabled_again(
    stored: Configuration, limits: LimitServices, clock: ManualClock
) -> None:
    async def counts_from_ms() -> int:
        (limit,) = (await stored.source.limits()).limits
        assert isinstance(limit, BudgetCap)
        return limit.counts_from_ms

    entry = BudgetEntry(subject="platform", period=Period.DAILY, limit=Decimal(1000))
    made = await limits.budgets.create(OPERATOR, entry)
    made_ms = clock.now_ms()
    for patch in (BudgetPatch(limit=Decimal(7)), BudgetPatch(enabled=False)):
        clock.advance(60)
        await limits.budgets.update(OPERATOR, made.view.id, patch)
        assert await counts_from_ms() == made_ms
    clock.advance(60)
    await limits.budgets.update(OPERATOR, made.view.id, BudgetPatch(enabled=True))
    assert await counts_from_ms() == made_ms + 180_000


async def test_a_limit_whose_subject_is_gone_can_only_be_deleted_or_moved(
    stored: Configuration, limits: LimitServices
) -> None:
    made = await limits.rules.create(OPERATOR, replace(RULE, subject="team:core"))
    async with stored.uow.begin() as tx:
        (team,) = await tx.teams.all()
        await tx.teams.remove(team.id)
        await tx.commit()
    assert (await limits.rules.find(OPERATOR, made.view.id)).view.subject == f"team:{team.id}"
    with pytest.raises(Conflict, match="gone"):
        await limits.rules.update(OPERATOR, made.view.id, RulePatch(limit=1))
    moved = await limits.rules.update(OPERATOR, made.view.id, RulePatch(subject="platform"))
    assert moved.view.subject == "platform"
    await limits.rules.delete(OPERATOR, made.view.id)


async def test_only_the_version_that_was_seen_is_deleted(limits: LimitServices) -> None:
    made = await limits.rules.create(OPERATOR, RULE)
    with pytest.raises(PreconditionFailed):
        await limits.rules.delete(OPERATOR, made.view.id, if_match='"another"')
    await limits.rules.delete(OPERATOR, made.view.id, if_match=made.etag, dry_run=True)
    await limits.rules.delete(OPERATOR, made.view.id, if_match=made.etag)


async def test_an_override_ends_by_itself(limits: LimitServices, clock: ManualClock) -> None:
    made = await limits.rules.create(OPERATOR, RULE)
    wish = OverrideEntry(
        limit_id=made.view.id,
        action=OverrideAction.REPLACE,
        limit=Decimal(500),
        reason="migration",
        lasts="2d",
    )
    override = await limits.overrides.set(OPERATOR, wish)
    assert (override.subject, override.active) == ("user:dev@example.com", True)
    question = LimitQuestion(key="dev@example.com/ci", model="gpt-4o")
    (before,) = (await limits.standings.explain(OPERATOR, question)).limits
    assert (before.limit, before.source.kind) == (500, "override")
    assert before.source.overrides[0].set_by == "operator"
    clock.advance(2 * DAY_S)
    (after,) = (await limits.standings.explain(OPERATOR, question)).limits
    assert (after.limit, after.source.kind) == (100, "own")
    assert not (await limits.overrides.find(OPERATOR, override.id)).active


async def test_an_override_is_for_somebody_the_limit_binds(limits: LimitServices) -> None:
    own = await limits.rules.create(OPERATOR, RULE)
    wish = OverrideEntry(
        limit_id=own.view.id,
        action=OverrideAction.TIGHTEN,
        limit=Decimal(1),
        reason="abuse",
        subject="user:other@example.com",
    )
    with pytest.raises(InvalidRequest, match="nobody else"):
        await limits.overrides.set(OPERATOR, wish)
    default = await limits.rules.create(OPERATOR, replace(RULE, subject="team_members:core"))
    tightened = await limits.overrides.set(OPERATOR, replace(wish, limit_id=default.view.id))
    assert tightened.until is None
    assert (await limits.overrides.page(OPERATOR, limit_id=default.view.id)).total == 1
    await limits.rules.delete(OPERATOR, default.view.id)
    assert (
        await limits.overrides.page(
            OPERATOR,
        )
    ).total == 0


async def test_a_user_is_explained_without_a_key_and_a_tool_call_without_a_model(
    limits: LimitServices,
) -> None:
    for subject in ("api_key:dev@example.com/ci", "team:core", "role:developer"):
        await limits.rules.create(
            OPERATOR,
            replace(RULE, subject=subject, metric=RuleMetric.REQUESTS, surface=Surface.MCP_GATEWAY),
        )
    explained = await limits.standings.explain(
        OPERATOR, LimitQuestion(user="dev@example.com", surface=Surface.MCP_GATEWAY)
    )
    assert explained.subjects == ("user:dev@example.com", "team:core", "platform")
    assert [each.source.kind for each in explained.limits] == ["role_default", "own"]


async def test_a_default_is_reset_for_one_user(limits: LimitServices) -> None:
    default = await limits.rules.create(OPERATOR, replace(RULE, subject="role:developer"))
    with pytest.raises(InvalidRequest, match="for which user"):
        await limits.standings.reset(OPERATOR, ResetWish(limit_id=default.view.id))
    done = await limits.standings.reset(OPERATOR, ResetWish(subject="user:other@example.com"))
    assert done.applied
    assert [each.subject for each in done.limits] == ["user:other@example.com"]
    nothing = await limits.standings.reset(OPERATOR, ResetWish(subject="platform"))
    assert (nothing.applied, nothing.limits) == (False, ())
