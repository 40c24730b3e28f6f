"""Planning of settings."""

from application.console.configuration.plan import Planned, field_changes
from application.console.configuration.planning import (
    Planning,
    Plans,
    create,
    delete,
    unchanged,
    update,
)
from domain.settings.catalog import CATALOG, SettingValue


def plan_settings(planning: Planning) -> Plans:
    """Settings by key; deleting one means going back to its default."""
    upserts: list[Planned] = []
    for key, value in planning.document.settings.items():
        spec = CATALOG.get(key)
        if spec is None:
            planning.faults.append(f"settings.{key}: there is no such setting in this version")
            continue
        try:
            checked = spec.check(value)
        except ValueError as error:
            planning.faults.append(f"settings.{key}: {error}")
            continue
        upserts.append(_plan_one(key, planning.stored.settings.get(key), checked))
    gone = [
        _deletion(key)
        for key in planning.stored.settings
        if planning.prune and key not in planning.document.settings
    ]
    return Plans(upserts, gone)


def _plan_one(key: str, stored: SettingValue | None, value: SettingValue) -> Planned:
    if stored is None:
        return create("setting", key, lambda tx: tx.settings.put(key, value))
    changes = field_changes([("value", stored, value)])
    if not changes:
        return unchanged("setting", key)
    return update("setting", key, changes, lambda tx: tx.settings.put(key, value))


def _deletion(key: str) -> Planned:
    return delete("setting", key, lambda tx: tx.settings.reset(key))
