"""Overrides of limits in the apply document, over every store."""

from decimal import Decimal
from typing import Any

import pytest

from application.console.configuration.plan import Action
from application.instants import instant_text
from domain.errors import ValidationFailed
from domain.limits.overrides import Override, OverrideAction
from tests.support.administration import Administration, administration, plan
from tests.support.configuration import Configuration

DAY_MS = 86_400_000
RULE: dict[str, Any] = {"subject": "user:dev@example.com", "metric": "requests", "window": "1m"}
DEFAULT: dict[str, Any] = {"subject": "role:developer", "metric": "tokens", "window": "1d"}
BUDGET: dict[str, Any] = {"subject": "platform", "period": "monthly", "unit": "usd"}
BASE: dict[str, Any] = {
    "users": [
        {"email": "root@example.com", "role": "super_admin"},
        {"email": "dev@example.com", "role": "developer"},
    ],
    "limits": [{**RULE, "limit": 60}, {**DEFAULT, "limit": 1000}],
    "budgets": [{**BUDGET, "limit": 250.5}],
}
NOBODY = "there is no 'nobody@example.com' among the users, neither here nor stored already"
NAME = "override user:dev@example.com requests/1m replace"


@pytest.fixture
def office(stored: Configuration) -> Administration:
    return administration(stored)


def raised(office: Administration, **members: Any) -> dict[str, Any]:
    until = instant_text(office.clock.now_ms() + 30 * DAY_MS)
    wish = {"limit": RULE, "action": "replace", "value": 600, "reason": "launch", "until": until}
    return {**wish, **members}


def tightened(**members: Any) -> dict[str, Any]:
    return {"limit": RULE, "action": "tighten", "value": 5, "reason": "a loop", **members}


async def overrides_of(office: Administration) -> tuple[Override, ...]:
    return (await office.stored.source.limits()).overrides


async def faults_of(office: Administration, *overrides: object, **members: Any) -> list[str]:
    document: dict[str, Any] = {**BASE, "overrides": list(overrides), **members}
    with pytest.raises(ValidationFailed) as refused:
        await office.apply(**document)
    return list(refused.value.faults)


async def test_an_override_is_created_with_its_limit_and_found_unchanged_later(
    office: Administration,
) -> None:
    document: dict[str, Any] = {**BASE, "overrides": [raised(office)]}
    assert ("create", NAME) in plan(await office.apply(**document))
    (stored,) = await overrides_of(office)
    assert (stored.action, stored.limit, stored.reason) == (OverrideAction.REPLACE, 600, "launch")
    assert stored.until_ms == office.clock.now_ms() + 30 * DAY_MS
    assert stored.set_by == "apply"
    assert plan(await office.apply(**document)) == []
    assert await overrides_of(office) == (stored,)


async def test_another_value_takes_the_place_of_the_stored_one(office: Administration) -> None:
    await office.apply(**BASE, overrides=[raised(office), tightened()])
    applied = await office.apply(**BASE, overrides=[raised(office, value=900), tightened()])
    assert plan(applied) == [("update", NAME)]
    (change,) = next(step.changes for step in applied.steps if step.action is Action.UPDATE)
    assert (change.field, change.before, change.after) == ("value", "600", "900")
    assert sorted(each.limit for each in await overrides_of(office)) == [5, 900]


async def test_of_several_overrides_of_one_kind_the_document_says_which_stay(
    office: Administration,
) -> None:
    soon = instant_text(office.clock.now_ms() + DAY_MS)
    both = [tightened(value=5, until=soon), tightened(value=20)]
    await office.apply(**BASE, overrides=both)
    assert plan(await office.apply(**BASE, overrides=both)) == []
    applied = await office.apply(**BASE, overrides=both[1:])
    assert plan(applied) == [("delete", "override user:dev@example.com requests/1m tighten")]
    assert [each.limit for each in await overrides_of(office)] == [20]


async def test_overrides_of_defaults_and_of_usd_budgets_come_back_from_an_export(
    office: Administration,
) -> None:
    await office.apply(
        **BASE,
        overrides=[
            raised(office, limit=DEFAULT, subject="user:dev@example.com"),
            tightened(limit=BUDGET, value=0.25),
        ],
    )
    state = await office.export.export()
    assert state["overrides"] == [
        {
            "limit": {**DEFAULT, "surface": "ai_gateway"},
            "subject": "user:dev@example.com",
            "action": "replace",
            "value": 600,
            "reason": "launch",
            "until": instant_text(office.clock.now_ms() + 30 * DAY_MS),
        },
        {
            "limit": BUDGET,
            "subject": "platform",
            "action": "tighten",
            "value": Decimal("0.25"),
            "reason": "a loop",
        },
    ]
    members: dict[str, Any] = {name: value for name, value in state.items() if name != "version"}
    assert plan(await office.apply(True, **members)) == []


async def test_an_override_that_has_ended_is_no_fault_and_not_stored_again(
    office: Administration,
) -> None:
    document: dict[str, Any] = {**BASE, "overrides": [raised(office)]}
    await office.apply(**document)
    office.clock.advance(31 * 86_400)
    applied = await office.apply(**document)
    assert plan(applied) == []
    assert "has ended" in [step.note for step in applied.steps]
    assert "overrides" not in await office.export.export()


async def test_prune_ends_overrides_only_where_their_list_is_given(office: Administration) -> None:
    await office.apply(**BASE, overrides=[raised(office)])
    assert plan(await office.apply(True, **BASE)) == []
    assert plan(await office.apply(**BASE, overrides=[])) == []
    assert plan(await office.apply(True, **BASE, overrides=[])) == [("delete", NAME)]
    assert await overrides_of(office) == ()


async def test_prune_of_a_limit_and_its_override_together_works(office: Administration) -> None:
    await office.apply(**BASE, overrides=[raised(office)])
    applied = await office.apply(True, users=BASE["users"], overrides=[])
    assert ("delete", NAME) in plan(applied)
    assert await overrides_of(office) == ()


async def test_every_wrong_override_is_told_with_its_path(office: Administration) -> None:
    late = instant_text(office.clock.now_ms() + 91 * DAY_MS)
    assert await faults_of(
        office,
        raised(office, limit={**RULE, "window": "1h"}),
        raised(office, limit={"subject": "platform"}),
        raised(office, limit={**RULE, "period": "monthly"}),
        raised(office, limit={**RULE, "subject": "user:nobody@example.com"}),
        raised(office, subject="user:root@example.com"),
        raised(office, limit=DEFAULT),
        raised(office, value=1.5),
        raised(office, reason=" "),
        raised(office, until=None),
        raised(office, until=late),
        raised(office, until="2030-01-01T00:00:00"),
    ) == [
        "overrides[0].limit: there is no such limit, neither here nor stored already",
        "overrides[1].limit.metric: Give the metric of a rule or the period of a budget.",
        "overrides[2].limit.period: Give the metric of a rule or the period of a budget, not both.",
        f"overrides[3].limit.subject: {NOBODY}",
        "overrides[4].subject: This limit binds 'user:dev@example.com' and nobody else.",
        "overrides[5].subject: This limit is a default ('role:developer'); say for which user.",
        "overrides[6].value: This limit must be a whole number.",
        "overrides[7].reason: An override needs a reason.",
        "overrides[8].until: An override that replaces needs an end.",
        "overrides[9].until: An override ends within 90 days.",
        "overrides[10].until: 'until' needs a time zone, e.g. 2030-01-01T00:00:00Z.",
    ]
    assert await overrides_of(office) == ()


async def test_the_same_override_twice_is_a_fault(office: Administration) -> None:
    assert await faults_of(office, raised(office), raised(office)) == [
        "overrides[1]: 'user:dev@example.com requests/1m replace' is there twice"
    ]


async def test_a_limit_with_a_fault_is_not_missed_a_second_time(office: Administration) -> None:
    faults = await faults_of(office, raised(office), limits=[{**RULE, "limit": -1}])
    assert len(faults) == 1
    assert faults[0].startswith("limits[0].limit: ")
