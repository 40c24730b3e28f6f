"""Stored limits and overrides over every store."""

import pytest
from msgspec.structs import replace

from application.ports.change_feed import Change, Section
from application.ports.configuration import LimitSet
from application.ports.repositories import LimitOverrides, Limits
from domain.errors import Conflict, NotFound
from domain.inference.dialect import Surface
from domain.limits.budgets import BudgetUnit
from domain.limits.overrides import OverrideAction
from domain.limits.periods import Period
from domain.limits.rules import Enforcement, Holder, HolderKind, Limit, Metric, Mode
from domain.limits.windows import Window
from domain.subjects import Subject, SubjectKind
from tests.support.configuration import (
    NOW_MS,
    Configuration,
    a_budget,
    a_concurrency_cap,
    a_rule,
    an_override,
    new_id,
)

# The ports this suite is about.
PORTS = (Limits, LimitOverrides)
USER = Holder(HolderKind.USER, "019a0000-0000-7000-8000-000000000001")
EVERY_KIND: list[Limit] = [
    a_rule(),
    a_rule(
        USER,
        2**53 - 1,
        metric=Metric.TOKENS,
        window=Window.WEEK,
        enforcement=Enforcement.STRICT,
        mode=Mode.SHADOW,
        enabled=False,
    ),
    a_rule(Holder(HolderKind.ROLE_MEMBERS, "developer"), 0, surface=Surface.MCP_GATEWAY),
    a_rule(Holder(HolderKind.TEAM_MEMBERS, "t"), window=Window.FIVE_HOURS),
    a_rule(Holder(HolderKind.MCP_SERVER, "s"), surface=Surface.MCP_GATEWAY),
    a_budget(),
    a_budget(
        Holder(HolderKind.ROLE_MEMBERS, "viewer"),
        12_500_000_000,
        period=Period.WEEKLY,
        unit=BudgetUnit.USD,
        timezone="Europe/Zurich",
        enforcement=Enforcement.STRICT,
        mode=Mode.SHADOW,
        enabled=False,
        channels=("pager", "mail"),
        counts_from_ms=NOW_MS + 1,
    ),
    a_concurrency_cap(),
    a_concurrency_cap(USER, surface=Surface.MCP_GATEWAY, mode=Mode.SHADOW, enabled=False),
]


async def keep(stored: Configuration, *limits: Limit) -> None:
    async with stored.uow.begin() as tx:
        for limit in limits:
            await tx.limits.add(limit, created_at_ms=NOW_MS)
        await tx.commit()


async def test_every_kind_of_limit_comes_back_as_it_was_stored(stored: Configuration) -> None:
    await keep(stored, *reversed(EVERY_KIND))
    async with stored.uow.begin() as tx:
        assert list(await tx.limits.all()) == EVERY_KIND
        assert [await tx.limits.find(limit.id) for limit in EVERY_KIND] == EVERY_KIND
        assert await tx.limits.find(new_id()) is None
        assert await tx.limits.find("no id at all") is None
    assert await stored.source.limits() == LimitSet(tuple(EVERY_KIND))


async def test_only_the_section_of_limits_is_announced(stored: Configuration) -> None:
    limit = a_rule()
    await keep(stored, limit)
    assert stored.feed.published == [Change(Section.LIMITS, 1)]
    assert (await stored.source.revisions())[Section.LIMITS] == 1


@pytest.mark.parametrize("limit", [EVERY_KIND[0], EVERY_KIND[5], EVERY_KIND[7]])
async def test_a_target_has_one_limit(stored: Configuration, limit: Limit) -> None:
    await keep(stored, limit)
    async with stored.uow.begin() as tx:
        with pytest.raises(Conflict, match="already has"):
            await tx.limits.add(replace(limit, id=new_id(), limit=7), created_at_ms=NOW_MS)


async def test_limits_that_differ_in_their_target_live_side_by_side(stored: Configuration) -> None:
    limits = [
        a_rule(),
        a_rule(window=Window.HOUR),
        a_rule(metric=Metric.TOKENS),
        a_rule(surface=Surface.MCP_GATEWAY),
        a_rule(USER),
        a_budget(),
        a_budget(unit=BudgetUnit.USD),
        a_budget(period=Period.DAILY),
        a_concurrency_cap(),
        a_concurrency_cap(surface=Surface.MCP_GATEWAY),
    ]
    await keep(stored, *limits)
    assert (await stored.source.limits()).limits == tuple(limits)


async def test_an_update_replaces_everything_but_the_id(stored: Configuration) -> None:
    rule, budget, cap = a_rule(), a_budget(), a_concurrency_cap()
    await keep(stored, rule, budget, cap)
    changed: list[Limit] = [
        replace(
            rule,
            holder=USER,
            metric=Metric.TOKENS,
            window=Window.DAY,
            limit=5,
            enforcement=Enforcement.STRICT,
            mode=Mode.SHADOW,
            enabled=False,
        ),
        replace(
            budget,
            holder=USER,
            period=Period.DAILY,
            unit=BudgetUnit.USD,
            timezone="Asia/Tokyo",
            limit=6,
            enforcement=Enforcement.STRICT,
            channels=("mail",),
        ),
        replace(cap, holder=USER, surface=Surface.MCP_GATEWAY, limit=7),
    ]
    async with stored.uow.begin() as tx:
        for limit in changed:
            await tx.limits.update(limit)
        await tx.commit()
    assert (await stored.source.limits()).limits == tuple(changed)
    assert stored.feed.published[-1] == Change(Section.LIMITS, 2)


async def test_an_update_can_take_nobodys_place(stored: Configuration) -> None:
    rule, other = a_rule(), a_rule(USER)
    await keep(stored, rule, other)
    async with stored.uow.begin() as tx:
        with pytest.raises(Conflict, match="already has"):
            await tx.limits.update(replace(other, holder=rule.holder))


async def test_what_is_not_there_can_be_neither_changed_nor_removed(stored: Configuration) -> None:
    rule = a_rule()
    await keep(stored, rule)
    async with stored.uow.begin() as tx:
        with pytest.raises(NotFound):
            await tx.limits.update(replace(a_budget(), id=rule.id))
        with pytest.raises(NotFound):
            await tx.limits.update(a_rule(USER))
        with pytest.raises(NotFound):
            await tx.limits.remove(new_id())
        with pytest.raises(NotFound):
            await tx.limits.remove("no id at all")
        with pytest.raises(NotFound):
            await tx.overrides.remove(new_id())
        with pytest.raises(NotFound):
            await tx.overrides.remove("no id at all")
        with pytest.raises(NotFound):
            await tx.overrides.add(an_override(a_rule()))


async def test_overrides_come_back_as_they_were_stored(stored: Configuration) -> None:
    rule, budget = a_rule(), a_budget()
    overrides = (
        an_override(rule),
        an_override(
            budget,
            Subject(SubjectKind.USER, USER.id),
            action=OverrideAction.TIGHTEN,
            until_ms=None,
            limit=1,
        ),
    )
    await keep(stored, rule, budget)
    async with stored.uow.begin() as tx:
        for override in reversed(overrides):
            await tx.overrides.add(override)
        assert tuple(await tx.overrides.all()) == overrides
        await tx.commit()
    assert (await stored.source.limits()).overrides == overrides
    assert stored.feed.published[-1] == Change(Section.LIMITS, 2)


async def test_overrides_end_with_their_limit_or_on_their_own(stored: Configuration) -> None:
    rule, budget = a_rule(), a_budget()
    first, second, third = an_override(rule), an_override(budget), an_override(budget, limit=9)
    await keep(stored, rule, budget)
    async with stored.uow.begin() as tx:
        for override in (first, second, third):
            await tx.overrides.add(override)
        await tx.limits.remove(rule.id)
        await tx.overrides.remove(second.id)
        await tx.commit()
    assert await stored.source.limits() == LimitSet((budget,), (third,))
