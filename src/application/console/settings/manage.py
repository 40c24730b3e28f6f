"""Reading, staging, applying and rolling back settings."""

from collections.abc import Mapping

from application.console.settings.revisions import Values, add_revision, changes_between
from application.console.settings.views import (
    RevisionView,
    SettingView,
    StagedView,
    revision_view,
    setting_view,
    staged_view,
)
from application.ports.clock import Clock
from application.ports.setting_history import SettingChange, StagedSetting
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.resources import (
    MOST_PER_PAGE,
    Page,
    Versioned,
    require_version,
    versioned,
)
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.errors import Conflict, InvalidRequest, NotFound, ValidationFailed
from domain.records.audit import AuditTarget
from domain.settings.catalog import CATALOG, SPECS, Settings, SettingValue

LONGEST_REASON = 500
Wanted = Mapping[str, SettingValue | None]
"""Values by key; None goes back to what is in force without a stored value."""


class SettingsChanged(Conflict):
    """Somebody changed a setting after a value for it was staged."""

    code = "settings_changed"

    def __init__(self, keys: tuple[str, ...]) -> None:
        """`keys` are those that were changed meanwhile."""
        super().__init__(
            f"Changed since they were staged: {', '.join(keys)}. Stage them again, or discard them."
        )
        self.keys = keys


class ManageSettings:
    """There is one staged set, whoever stages. Changes take turns on all replicas."""

    def __init__(
        self, uow: UnitOfWork, environment: Mapping[str, SettingValue], clock: Clock
    ) -> None:
        """`environment` is what this process was started with."""
        self._uow = uow
        self._environment = environment
        self._clock = clock

    async def list(self, by: Actor, *, group: str | None = None) -> Versioned[Page[SettingView]]:
        """Return every setting, or those of a group, in the order of the catalogue."""
        by.require(Permission.SETTINGS_READ)
        async with self._uow.begin() as tx:
            return self._all(await tx.settings.all(), group)

    async def find(self, by: Actor, key: str) -> Versioned[SettingView]:
        """Return one setting. Raises `NotFound`."""
        by.require(Permission.SETTINGS_READ)
        if key not in CATALOG:
            raise NotFound("There is no such setting.")
        async with self._uow.begin() as tx:
            return versioned(setting_view(CATALOG[key], self._effective(await tx.settings.all())))

    async def staged(self, by: Actor) -> Versioned[StagedView]:
        """Return what applying would change."""
        by.require(Permission.SETTINGS_READ)
        async with self._uow.begin() as tx:
            return await self._diff(tx)

    async def stage(
        self,
        by: Actor,
        values: Wanted,
        *,
        reason: str | None = None,
        if_match: str | None = None,
    ) -> Versioned[StagedView]:
        """Merge `values` into the staged set; what is stored already leaves the set.

        Raises:
            PreconditionFailed: the staged set is not the version of `if_match`.
            InvalidRequest: there are none, or the reason is too long.
            ValidationFailed: with every value that is wrong; nothing was staged.
        """
        by.require(Permission.SETTINGS_WRITE)
        wanted, why = _checked(values), _checked_reason(reason) if reason is not None else None
        async with self._uow.begin(exclusive=True) as tx:
            require_version(await self._diff(tx), if_match, "staged set")
            stored = await tx.settings.all()
            before = {each.key: each.value for each in await tx.staged_settings.all()}
            for key, value in wanted.items():
                if value == stored.get(key):
                    await tx.staged_settings.remove(key)
                else:
                    await tx.staged_settings.put(
                        StagedSetting(
                            key=key,
                            value=value,
                            base=stored.get(key),
                            staged_by=by.name,
                            staged_at_ms=self._clock.now_ms(),
                            reason=why,
                        )
                    )
            after = {each.key: each.value for each in await tx.staged_settings.all()}
            tx.audit.record(
                by, "settings.stage", _target(wanted), before=before, after=after, reason=why
            )
            diff = await self._diff(tx)
            await tx.commit()
        return diff

    async def discard(
        self, by: Actor, *, dry_run: bool = False, if_match: str | None = None
    ) -> Versioned[StagedView]:
        """Empty the staged set and return what was in it; with `dry_run`, only that.

        Raises:
            PreconditionFailed: the staged set is not the version of `if_match`.
        """
        by.require(Permission.SETTINGS_WRITE)
        async with self._uow.begin(exclusive=True) as tx:
            diff = await self._diff(tx)
            require_version(diff, if_match, "staged set")
            staged = {each.key: each.value for each in await tx.staged_settings.all()}
            if staged and not dry_run:
                await _clear(tx)
                tx.audit.record(by, "settings.discard", _target(staged), before=staged)
                await tx.commit()
        return diff

    async def apply(
        self, by: Actor, *, reason: str, if_match: str | None = None
    ) -> RevisionView | None:
        """Store what is staged and return the new revision; None when nothing had to change.

        Raises:
            InvalidRequest: no reason, or nothing is staged.
            ValidationFailed: a staged value is not allowed in this version.
            SettingsChanged: a stored value under a staged one was changed meanwhile.
            PreconditionFailed: the staged set is not the version of `if_match`.
        """
        by.require(Permission.SETTINGS_WRITE)
        why = _checked_reason(reason)
        async with self._uow.begin(exclusive=True) as tx:
            require_version(await self._diff(tx), if_match, "staged set")
            staged = await tx.staged_settings.all()
            if not staged:
                raise InvalidRequest("Nothing is staged.")
            wanted = _checked({each.key: each.value for each in staged})
            stored = await tx.settings.all()
            outdated = tuple(
                each.key for each in staged if stored.get(each.key) not in (each.base, each.value)
            )
            if outdated:
                raise SettingsChanged(outdated)
            await _clear(tx)
            return await self._stored(tx, by, "settings.apply", wanted, why)

    async def change(
        self, by: Actor, values: Wanted, *, reason: str, if_match: str | None = None
    ) -> RevisionView | None:
        """Stage and apply in one, past the staged set; None when nothing had to change.

        Raises:
            InvalidRequest: no reason or no values.
            ValidationFailed: with every value that is wrong; nothing was changed.
            PreconditionFailed: the list of settings is not the version of `if_match`.
        """
        by.require(Permission.SETTINGS_WRITE)
        wanted, why = _checked(values), _checked_reason(reason)
        async with self._uow.begin(exclusive=True) as tx:
            require_version(self._all(await tx.settings.all(), None), if_match, "list of settings")
            return await self._stored(tx, by, "settings.update", wanted, why)

    async def history(
        self, by: Actor, *, limit: int = 50, cursor: str | None = None
    ) -> Page[RevisionView]:
        """Return revisions, newest first; a cursor is the number of the last one seen.

        Raises:
            InvalidRequest: a parameter is out of bounds; `param` names it.
        """
        by.require(Permission.SETTINGS_READ)
        if not 1 <= limit <= MOST_PER_PAGE:
            raise InvalidRequest(f"'limit' must be between 1 and {MOST_PER_PAGE}.", param="limit")
        before = number_of(cursor)
        async with self._uow.begin() as tx:
            found = await tx.setting_history.newest(before=before, limit=limit + 1)
            total = await tx.setting_history.count()
        shown = found[:limit]
        return Page(
            items=tuple(map(revision_view, shown)),
            next_cursor=str(shown[-1].revision) if len(found) > limit else None,
            total=total,
        )

    async def roll_back(
        self, by: Actor, revision: int, *, reason: str, dry_run: bool = False
    ) -> RevisionView | None:
        """Store again what was stored after `revision`; 0 is before the first: nothing stored.

        Returns the new revision, or None when nothing had to change; with `dry_run`, the one that
        would be made. Values of settings that this version does not have are left out.

        Raises:
            InvalidRequest: no reason.
            NotFound: there is no such revision.
            ValidationFailed: a value of then is not allowed in this version.
        """
        by.require(Permission.SETTINGS_WRITE)
        why = _checked_reason(reason)
        async with self._uow.begin(exclusive=True) as tx:
            found = await tx.setting_history.find(revision) if revision else None
            if found is None and revision:
                raise NotFound("There is no such revision.")
            then: Values = found.values if found is not None else {}
            stored = await tx.settings.all()
            known = {key: then.get(key) for key in sorted({*then, *stored}) if key in CATALOG}
            wanted = _checked(known) if known else {}
            return await self._stored(tx, by, "settings.rollback", wanted, why, dry_run=dry_run)

    async def _stored(
        self,
        tx: Transaction,
        by: Actor,
        action: str,
        wanted: Wanted,
        reason: str,
        *,
        dry_run: bool = False,
    ) -> RevisionView | None:
        before = await tx.settings.all()
        merged = {**before, **wanted}
        after = {key: value for key, value in merged.items() if value is not None}
        changes = changes_between(before, after)
        for change in changes:
            if change.after is None:
                await tx.settings.reset(change.key)
            else:
                await tx.settings.put(change.key, change.after)
        if not changes:
            return None
        revision = await add_revision(
            tx, by, before, after, reason=reason, at_ms=self._clock.now_ms()
        )
        tx.audit.record(
            by,
            action,
            AuditTarget(kind="settings", id=str(revision.revision), name=_names(changes)),
            before={change.key: change.before for change in changes},
            after={change.key: change.after for change in changes},
            reason=reason,
        )
        if not dry_run:
            await tx.commit()
        return revision_view(revision)

    async def _diff(self, tx: Transaction) -> Versioned[StagedView]:
        now = self._effective(await tx.settings.all())
        staged = [each for each in await tx.staged_settings.all() if each.key in CATALOG]
        merged = {**now.values, **{each.key: each.value for each in staged}}
        then = self._effective({k: value for k, value in merged.items() if value is not None})
        return versioned(
            StagedView(tuple(staged_view(each, CATALOG[each.key], now, then) for each in staged))
        )

    def _all(self, stored: Values, group: str | None) -> Versioned[Page[SettingView]]:
        settings = self._effective(stored)
        items = tuple(setting_view(spec, settings) for spec in SPECS if group in (None, spec.group))
        return versioned(Page(items=items, next_cursor=None, total=len(items)))

    def _effective(self, stored: Values) -> Settings:
        return Settings(stored, self._environment)


def number_of(cursor: str | None) -> int | None:
    """Return the number that a cursor is. Raises `InvalidRequest` for any other text."""
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise InvalidRequest("'cursor' was not made by this API.", param="cursor")
    return int(cursor)


async def _clear(tx: Transaction) -> None:
    for each in await tx.staged_settings.all():
        await tx.staged_settings.remove(each.key)


def _checked(values: Wanted) -> dict[str, SettingValue | None]:
    if not values:
        raise InvalidRequest("There are no values.", param="values")
    faults: list[str] = []
    for key, value in values.items():
        if key not in CATALOG:
            faults.append(f"{key[:100]}: there is no such setting")
        elif value is not None:
            try:
                CATALOG[key].check(value)
            except ValueError as error:
                faults.append(str(error))
    if faults:
        raise ValidationFailed(faults)
    return {
        key: CATALOG[key].check(value) if value is not None else None
        for key, value in values.items()
    }


def _checked_reason(reason: str) -> str:
    text = " ".join(reason.split()).replace("\x00", "")
    if not 1 <= len(text) <= LONGEST_REASON:
        raise InvalidRequest(
            f"'reason' must have between 1 and {LONGEST_REASON} characters.", param="reason"
        )
    return text


def _target(values: Wanted) -> AuditTarget:
    return AuditTarget(kind="settings", name=", ".join(sorted(values)))


def _names(changes: tuple[SettingChange, ...]) -> str:
    return ", ".join(change.key for change in changes)
