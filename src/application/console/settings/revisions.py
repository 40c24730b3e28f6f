"""The history of settings: whoever changes stored values adds a revision in the same transaction."""

from collections.abc import Mapping

from application.ports.setting_history import SettingChange, SettingRevision
from application.ports.unit_of_work import Transaction
from domain.access.actor import Actor
from domain.settings.catalog import SettingValue

Values = Mapping[str, SettingValue]


def changes_between(before: Values, after: Values) -> tuple[SettingChange, ...]:
    """Return what differs, by key."""
    return tuple(
        SettingChange(key=key, before=before.get(key), after=after.get(key))
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    )


async def add_revision(
    tx: Transaction, by: Actor, before: Values, after: Values, *, reason: str, at_ms: int
) -> SettingRevision:
    """Add the revision that led from `before` to `after`; the transaction is an exclusive one.

    Raises:
        Conflict: another one was added at the same time.
    """
    newest = await tx.setting_history.newest(before=None, limit=1)
    revision = SettingRevision(
        revision=newest[0].revision + 1 if newest else 1,
        at_ms=at_ms,
        actor_kind=by.kind.value,
        actor_id=by.id,
        actor_name=by.name,
        reason=reason,
        changes=changes_between(before, after),
        values=dict(after),
    )
    await tx.setting_history.add(revision)
    return revision
