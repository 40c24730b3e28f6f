"""`/api/settings`: the registry, the staged set and the history (console.md section 5)."""

from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response
from msgspec import Struct

from application.console.settings.manage import ManageSettings
from application.console.settings.views import RevisionView, SettingView, StagedView
from application.resources import Page
from entrypoints.console.answers import IfMatch, answer, expected, versioned
from entrypoints.console.security import By


class SettingPage(Page[SettingView], frozen=True):
    """Every setting, in the order of the catalogue; there is one page."""


class RevisionPage(Page[RevisionView], frozen=True):
    """Some revisions, newest first; `next_cursor` is null on the last page."""


class SettingsToStage(Struct, frozen=True, forbid_unknown_fields=True):
    """Values by key, merged into the staged set; null goes back to the default."""

    values: dict[str, bool | int | str | None]
    reason: str | None = None


class SettingsToChange(Struct, frozen=True, forbid_unknown_fields=True):
    """Values by key, stored at once; null goes back to the default. `reason` is required."""

    values: dict[str, bool | int | str | None]
    reason: str


class SettingsToApply(Struct, frozen=True, forbid_unknown_fields=True):
    """Why the staged set is applied."""

    reason: str


class SettingsToRestore(Struct, frozen=True, forbid_unknown_fields=True):
    """The revision to go back to (0: before the first), and why."""

    revision: int
    reason: str


class SettingsOutcome(Struct, frozen=True):
    """The revision that was made, or would be; null when everything was so already."""

    revision: RevisionView | None
    dry_run: bool = False


class StagedRemoval(Struct, frozen=True):
    """What was staged; `deleted` is false for a dry run."""

    deleted: bool
    staged: StagedView


def setting_routes(settings: ManageSettings) -> list[HTTPRouteHandler]:
    """Return the route handlers."""

    @get("/api/settings", operation_id="list_settings", tags=["settings"])
    async def list_settings(by: By, group: FromQuery[str | None] = None) -> Response[SettingPage]:
        """List settings with value, source, default and bounds; `group` narrows the list."""
        found = await settings.list(by, group=group)
        page = found.view
        return answer(SettingPage(page.items, page.next_cursor, page.total), etag=found.etag)

    @patch("/api/settings", operation_id="change_settings", tags=["settings"])
    async def change_settings(
        by: By, data: JSONBody[SettingsToChange], if_match: IfMatch = None
    ) -> Response[SettingsOutcome]:
        """Stage and apply in one: the values are in force everywhere within a second.

        The staged set is left alone. `If-Match` takes the ETag of the whole list.
        """
        made = await settings.change(
            by, data.values, reason=data.reason, if_match=expected(if_match)
        )
        return answer(SettingsOutcome(made))

    @get("/api/settings/staged", operation_id="get_staged_settings", tags=["settings"])
    async def get_staged_settings(by: By) -> Response[StagedView]:
        """Show what applying would change, with its ETag."""
        return versioned(await settings.staged(by))

    @patch("/api/settings/staged", operation_id="stage_settings", tags=["settings"])
    async def stage_settings(
        by: By, data: JSONBody[SettingsToStage], if_match: IfMatch = None
    ) -> Response[StagedView]:
        """Merge values into the staged set; one that is stored already leaves the set."""
        return versioned(
            await settings.stage(by, data.values, reason=data.reason, if_match=expected(if_match))
        )

    @delete(
        "/api/settings/staged",
        operation_id="discard_staged_settings",
        tags=["settings"],
        status_code=200,
    )
    async def discard_staged_settings(
        by: By, *, dry_run: FromQuery[bool] = False, if_match: IfMatch = None
    ) -> Response[StagedRemoval]:
        """Empty the staged set, or (`dry_run`) say what would be discarded."""
        gone = await settings.discard(by, dry_run=dry_run, if_match=expected(if_match))
        return answer(StagedRemoval(not dry_run, gone.view))

    @post("/api/settings/apply", operation_id="apply_settings", tags=["settings"], status_code=200)
    async def apply_settings(
        by: By, data: JSONBody[SettingsToApply], if_match: IfMatch = None
    ) -> Response[SettingsOutcome]:
        """Store what is staged; 409 names the settings that were changed meanwhile.

        `If-Match` takes the ETag of the staged set, so that what was looked at is applied.
        """
        made = await settings.apply(by, reason=data.reason, if_match=expected(if_match))
        return answer(SettingsOutcome(made))

    @get("/api/settings/history", operation_id="list_setting_revisions", tags=["settings"])
    async def list_setting_revisions(
        by: By, limit: FromQuery[int] = 50, cursor: FromQuery[str | None] = None
    ) -> Response[RevisionPage]:
        """List who changed what, when and why; newest first."""
        page = await settings.history(by, limit=limit, cursor=cursor)
        return answer(RevisionPage(page.items, page.next_cursor, page.total))

    @post(
        "/api/settings/rollback",
        operation_id="roll_back_settings",
        tags=["settings"],
        status_code=200,
    )
    async def roll_back_settings(
        by: By, data: JSONBody[SettingsToRestore], *, dry_run: FromQuery[bool] = False
    ) -> Response[SettingsOutcome]:
        """Store again what was stored after a revision, as a new revision.

        With `dry_run`, return the revision that would be made.
        """
        made = await settings.roll_back(by, data.revision, reason=data.reason, dry_run=dry_run)
        return answer(SettingsOutcome(made, dry_run))

    @get("/api/settings/{key:str}", operation_id="get_setting", tags=["settings"])
    async def get_setting(by: By, key: FromPath[str]) -> Response[SettingView]:
        """Return one setting with its ETag."""
        return versioned(await settings.find(by, key))

    return [
        list_settings,
        change_settings,
        get_staged_settings,
        stage_settings,
        discard_staged_settings,
        apply_settings,
        list_setting_revisions,
        roll_back_settings,
        get_setting,
    ]
