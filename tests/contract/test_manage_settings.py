"""Settings, over every store: staged, looked at, applied with a reason, rolled back."""

import asyncio

import pytest

from application.console.settings.manage import ManageSettings, SettingsChanged
from application.console.settings.views import SettingView, StagedView
from application.ports.change_feed import Section
from application.ports.setting_history import StagedSetting
from application.resources import Versioned
from domain.access.actor import Actor, ActorKind
from domain.access.rights import Held, Rights, statements
from domain.errors import (
    InvalidRequest,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    ValidationFailed,
)
from domain.settings.catalog import SPECS, SettingSource
from tests.support.acting import OPERATOR
from tests.support.administration import administration
from tests.support.configuration import NOW_MS, Configuration
from tests.support.manual_clock import ManualClock

DEPTH, PRICE, GUESS = (
    "gateway.max_json_depth",
    "limits.unknown_price",
    "routing.guess_model_by_prefix",
)
ENVIRONMENT = {DEPTH: 40, "routing.max_attempts": 3}


@pytest.fixture
def settings(stored: Configuration) -> ManageSettings:
    return ManageSettings(stored.audited, ENVIRONMENT, ManualClock())


async def shown(settings: ManageSettings, key: str) -> SettingView:
    return (await settings.find(OPERATOR, key)).view


def keys(diff: Versioned[StagedView]) -> list[str]:
    return [each.key for each in diff.view.items]


async def actions(stored: Configuration) -> list[str]:
    return [row.entry().action for row in await stored.archive.rows(0, 100)]


async def test_every_setting_is_listed_with_its_source(settings: ManageSettings) -> None:
    await settings.change(OPERATOR, {PRICE: "block"}, reason="budgets matter")
    listed = (await settings.list(OPERATOR)).view
    assert [each.key for each in listed.items] == [spec.key for spec in SPECS]
    assert listed.total == len(SPECS)
    by_key = {each.key: each for each in listed.items}
    assert (by_key[DEPTH].value, by_key[DEPTH].source) == (40, SettingSource.ENV)
    assert (by_key[PRICE].value, by_key[PRICE].source) == ("block", SettingSource.DB)
    assert (by_key[GUESS].value, by_key[GUESS].source) == (False, SettingSource.DEFAULT)
    assert by_key[DEPTH].env == "TW_GATEWAY_MAX_JSON_DEPTH"
    assert (by_key[DEPTH].minimum, by_key[DEPTH].maximum) == (8, 500)
    assert by_key["journal.fsync"].restart
    group = (await settings.list(OPERATOR, group="limits")).view.items
    assert {each.key for each in group} == {"limits.replicas", PRICE}
    with pytest.raises(NotFound):
        await settings.find(OPERATOR, "no.such_thing")


async def test_a_stored_value_wins_over_the_environment_until_it_is_cleared(
    settings: ManageSettings,
) -> None:
    await settings.change(OPERATOR, {DEPTH: 64}, reason="as by default")
    assert (await shown(settings, DEPTH)).value == 64
    assert (await shown(settings, DEPTH)).environment == 40
    await settings.change(OPERATOR, {DEPTH: None}, reason="back")
    assert (await shown(settings, DEPTH)).value == 40
    assert (await shown(settings, DEPTH)).source is SettingSource.ENV


async def test_what_is_staged_is_not_in_force_until_it_is_applied(
    stored: Configuration, settings: ManageSettings
) -> None:
    await settings.stage(OPERATOR, {DEPTH: 16}, reason="hostile bodies")
    diff = await settings.stage(OPERATOR, {PRICE: "block"})
    [depth, price] = diff.view.items
    assert (depth.key, depth.before, depth.source) == (DEPTH, 40, SettingSource.ENV)
    assert (depth.after, depth.source_after) == (16, SettingSource.DB)
    assert (depth.staged_by, depth.reason, depth.outdated) == ("operator", "hostile bodies", False)
    assert price.reason is None
    assert (await shown(settings, DEPTH)).value == 40
    assert stored.feed.published == []
    made = await settings.apply(OPERATOR, reason="hardening", if_match=diff.etag)
    assert made is not None
    assert (made.revision, made.reason, made.actor_name) == (1, "hardening", "operator")
    assert [(each.key, each.before, each.after) for each in made.changes] == [
        (DEPTH, None, 16),
        (PRICE, None, "block"),
    ]
    assert (await shown(settings, DEPTH)).value == 16
    assert keys(await settings.staged(OPERATOR)) == []
    assert [change.section for change in stored.feed.published] == [Section.SETTINGS]
    assert await actions(stored) == ["settings.stage", "settings.stage", "settings.apply"]
    [*_, row] = await stored.archive.rows(0, 100)
    assert row.entry().before == {DEPTH: None, PRICE: None}
    assert row.entry().after == {DEPTH: 16, PRICE: "block"}


async def test_null_goes_back_to_what_is_in_force_without_a_stored_value(
    settings: ManageSettings,
) -> None:
    await settings.change(OPERATOR, {DEPTH: 16}, reason="for now")
    diff = await settings.stage(OPERATOR, {DEPTH: None})
    assert (diff.view.items[0].after, diff.view.items[0].source_after) == (40, SettingSource.ENV)
    await settings.apply(OPERATOR, reason="done")
    assert (await shown(settings, DEPTH)).stored is None


async def test_staging_what_is_stored_takes_a_value_out_of_the_set(
    settings: ManageSettings,
) -> None:
    await settings.change(OPERATOR, {DEPTH: 16}, reason="for now")
    await settings.stage(OPERATOR, {DEPTH: 32, PRICE: "block"})
    assert keys(await settings.stage(OPERATOR, {DEPTH: 16, PRICE: None})) == []
    with pytest.raises(InvalidRequest):
        await settings.apply(OPERATOR, reason="nothing to do")


async def test_discarding_empties_the_set_and_a_dry_run_only_says_so(
    stored: Configuration, settings: ManageSettings
) -> None:
    await settings.stage(OPERATOR, {DEPTH: 32})
    assert keys(await settings.discard(OPERATOR, dry_run=True)) == [DEPTH]
    assert keys(await settings.staged(OPERATOR)) == [DEPTH]
    assert keys(await settings.discard(OPERATOR)) == [DEPTH]
    assert keys(await settings.discard(OPERATOR)) == []
    assert keys(await settings.staged(OPERATOR)) == []
    assert await actions(stored) == ["settings.stage", "settings.discard"]


async def test_all_values_are_right_or_none_is_taken(settings: ManageSettings) -> None:
    wrong = {DEPTH: 7, PRICE: "maybe", GUESS: 1, "no.such_thing": 1, "limits.replicas": True}
    for attempt in (
        lambda: settings.stage(OPERATOR, {**wrong, "routing.max_attempts": 4}),
        lambda: settings.change(OPERATOR, {**wrong, "routing.max_attempts": 4}, reason="try"),
    ):
        with pytest.raises(ValidationFailed) as caught:
            await attempt()
        assert len(caught.value.faults) == len(wrong)
    assert keys(await settings.staged(OPERATOR)) == []
    assert (await settings.history(OPERATOR)).items == ()
    with pytest.raises(InvalidRequest):
        await settings.stage(OPERATOR, {})


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 501])
async def test_a_change_needs_a_reason(settings: ManageSettings, reason: str) -> None:
    await settings.stage(OPERATOR, {DEPTH: 32})
    for attempt in (
        lambda: settings.apply(OPERATOR, reason=reason),
        lambda: settings.change(OPERATOR, {DEPTH: 32}, reason=reason),
        lambda: settings.roll_back(OPERATOR, 0, reason=reason),
    ):
        with pytest.raises(InvalidRequest) as caught:
            await attempt()
        assert caught.value.param == "reason"


async def test_a_change_under_the_staged_values_is_a_conflict_that_names_them(
    settings: ManageSettings,
) -> None:
    await settings.stage(OPERATOR, {DEPTH: 32, PRICE: "block", GUESS: True})
    await settings.change(OPERATOR, {DEPTH: 24, GUESS: True}, reason="meanwhile")
    diff = await settings.staged(OPERATOR)
    assert [each.outdated for each in diff.view.items] == [True, False, True]
    with pytest.raises(SettingsChanged) as caught:
        await settings.apply(OPERATOR, reason="mine")
    assert caught.value.keys == (DEPTH,)  # the other was changed to what is wanted
    assert DEPTH in caught.value.message
    assert (await shown(settings, DEPTH)).value == 24
    await settings.stage(OPERATOR, {DEPTH: 32})
    made = await settings.apply(OPERATOR, reason="after another look")
    assert made is not None
    assert [each.key for each in made.changes] == [DEPTH, PRICE]


async def test_what_was_looked_at_is_what_is_changed(settings: ManageSettings) -> None:
    looked = await settings.stage(OPERATOR, {DEPTH: 32})
    listed = await settings.list(OPERATOR)
    await settings.stage(OPERATOR, {PRICE: "block"})
    with pytest.raises(PreconditionFailed):
        await settings.apply(OPERATOR, reason="as seen", if_match=looked.etag)
    await settings.change(OPERATOR, {GUESS: True}, reason="one", if_match=listed.etag)
    with pytest.raises(PreconditionFailed):
        await settings.change(OPERATOR, {GUESS: False}, reason="two", if_match=listed.etag)


async def test_a_change_to_what_is_there_already_makes_no_revision(
    stored: Configuration, settings: ManageSettings
) -> None:
    await settings.change(OPERATOR, {DEPTH: 32}, reason="once")
    assert await settings.change(OPERATOR, {DEPTH: 32}, reason="twice") is None
    assert await actions(stored) == ["settings.update"]


async def test_going_back_to_a_revision_makes_a_new_one(settings: ManageSettings) -> None:
    await settings.change(OPERATOR, {DEPTH: 32}, reason="one")
    await settings.change(OPERATOR, {DEPTH: 16, PRICE: "block"}, reason="two")
    await settings.change(OPERATOR, {GUESS: True}, reason="three")
    would = await settings.roll_back(OPERATOR, 1, reason="look", dry_run=True)
    assert would is not None
    assert (await shown(settings, DEPTH)).value == 16
    made = await settings.roll_back(OPERATOR, 1, reason="two was wrong")
    assert made is not None
    assert made.changes == would.changes
    assert [(each.key, each.before, each.after) for each in made.changes] == [
        (DEPTH, 16, 32),
        (PRICE, "block", None),
        (GUESS, True, None),
    ]
    assert made.revision == 4
    assert await settings.roll_back(OPERATOR, 1, reason="again") is None
    everything = await settings.roll_back(OPERATOR, 0, reason="nothing stored")
    assert everything is not None
    assert (await shown(settings, DEPTH)).source is SettingSource.ENV
    with pytest.raises(NotFound):
        await settings.roll_back(OPERATOR, 6, reason="from the future")


async def test_the_history_is_walked_newest_first(settings: ManageSettings) -> None:
    for number in range(1, 6):
        await settings.change(OPERATOR, {DEPTH: 100 + number}, reason=f"number {number}")
    first = await settings.history(OPERATOR, limit=2)
    assert [each.reason for each in first.items] == ["number 5", "number 4"]
    assert first.total == 5
    rest = await settings.history(OPERATOR, limit=3, cursor=first.next_cursor)
    assert [each.revision for each in rest.items] == [3, 2, 1]
    assert rest.next_cursor is None
    for wrong in ({"limit": 0}, {"limit": 501}, {"cursor": "x"}, {"cursor": "²"}):
        with pytest.raises(InvalidRequest):
            await settings.history(OPERATOR, **wrong)  # pyright: ignore[reportArgumentType]


async def test_a_document_that_changes_settings_is_in_the_history(
    stored: Configuration, settings: ManageSettings
) -> None:
    await administration(stored).apply(settings={DEPTH: 32})
    await administration(stored).apply(settings={DEPTH: 32})
    [revision] = (await settings.history(OPERATOR)).items
    assert revision.reason == "configuration document"
    assert [(each.key, each.after) for each in revision.changes] == [(DEPTH, 32)]


async def test_concurrent_changes_take_turns(settings: ManageSettings) -> None:
    await asyncio.gather(
        *(settings.change(OPERATOR, {DEPTH: 100 + n}, reason=f"{n}") for n in range(6))
    )
    page = await settings.history(OPERATOR)
    assert [each.revision for each in page.items] == [6, 5, 4, 3, 2, 1]
    before = [each.changes[0].before for each in page.items]
    after = [each.changes[0].after for each in page.items]
    assert before == [*after[1:], None]


async def test_a_staged_setting_that_is_gone_from_the_program_is_refused_until_discarded(
    stored: Configuration, settings: ManageSettings
) -> None:
    async with stored.uow.begin(exclusive=True) as tx:
        await tx.staged_settings.put(
            StagedSetting(key="gone", value=1, base=None, staged_by="ada", staged_at_ms=NOW_MS)
        )
        await tx.commit()
    assert keys(await settings.staged(OPERATOR)) == []
    with pytest.raises(ValidationFailed):
        await settings.apply(OPERATOR, reason="all of it")
    await settings.discard(OPERATOR)
    with pytest.raises(InvalidRequest):
        await settings.apply(OPERATOR, reason="all of it")


async def test_reading_and_changing_are_permissions_of_their_own(settings: ManageSettings) -> None:
    reader, nobody = _holding("settings:read@all"), _holding()
    await settings.list(reader)
    for refused in (
        settings.stage(reader, {DEPTH: 32}),
        settings.discard(reader),
        settings.apply(reader, reason="why"),
        settings.change(reader, {DEPTH: 32}, reason="why"),
        settings.roll_back(reader, 0, reason="why"),
        settings.list(nobody),
        settings.find(nobody, DEPTH),
        settings.staged(nobody),
        settings.history(nobody),
    ):
        with pytest.raises(PermissionDenied):
            await refused


def _holding(*words: str) -> Actor:
    held = tuple(Held(statement=each, role="custom") for each in statements(*words))
    return Actor(kind=ActorKind.USER, id="u", name="u@example.com", rights=Rights(grants=held))
