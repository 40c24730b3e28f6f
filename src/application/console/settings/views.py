"""What the API shows of settings."""

from datetime import datetime

from msgspec import Struct

from application.instants import instant
from application.ports.setting_history import SettingRevision, StagedSetting
from domain.settings.catalog import Settings, SettingSource, SettingSpec, SettingValue


class SettingView(Struct, frozen=True, kw_only=True):
    """A setting with the value in force.

    Attributes:
        source: where the value comes from; a stored one (`db`) wins over the environment variable
            `env`, that over the default.
        stored: the stored value; null when nothing is stored.
        environment: what the variable says, null when it is not set.
        minimum, maximum, choices: bounds, where there are some; both ends are allowed.
        restart: processes read it when they start; a change waits for that.
    """

    key: str
    group: str
    type: str
    value: SettingValue
    source: SettingSource
    default: SettingValue
    stored: SettingValue | None
    environment: SettingValue | None
    env: str
    minimum: int | None
    maximum: int | None
    choices: tuple[str, ...] | None
    restart: bool
    description: str


class StagedChangeView(Struct, frozen=True, kw_only=True):
    """What applying would do to one setting.

    Attributes:
        before, source: the value in force now and where it comes from.
        after, source_after: likewise once it is applied.
        outdated: the stored value was changed since this was staged; applying is refused until it
            is staged again or discarded.
    """

    key: str
    before: SettingValue
    source: SettingSource
    after: SettingValue
    source_after: SettingSource
    outdated: bool
    restart: bool
    staged_by: str
    staged_at: datetime
    reason: str | None


class StagedView(Struct, frozen=True):
    """The staged set: what differs from what is stored, by key."""

    items: tuple[StagedChangeView, ...]


class RevisionChangeView(Struct, frozen=True, kw_only=True):
    """A stored value before and after; null for nothing stored."""

    key: str
    before: SettingValue | None
    after: SettingValue | None


class RevisionView(Struct, frozen=True, kw_only=True):
    """One change of stored settings: who, when, why and what."""

    revision: int
    at: datetime
    actor_kind: str
    actor_id: str
    actor_name: str
    reason: str
    changes: tuple[RevisionChangeView, ...]


def setting_view(spec: SettingSpec, settings: Settings) -> SettingView:
    """Return a setting as the effective settings have it."""
    return SettingView(
        key=spec.key,
        group=spec.group,
        type=spec.type_name,
        value=settings.value(spec.key),
        source=settings.source(spec.key),
        default=spec.default,
        stored=settings.values.get(spec.key),
        environment=settings.environment.get(spec.key),
        env=spec.env,
        minimum=spec.minimum,
        maximum=spec.maximum,
        choices=spec.choices,
        restart=spec.restart,
        description=spec.description,
    )


def staged_view(
    staged: StagedSetting, spec: SettingSpec, now: Settings, then: Settings
) -> StagedChangeView:
    """Return a staged value between the settings of now and those that are to be."""
    return StagedChangeView(
        key=staged.key,
        before=now.value(staged.key),
        source=now.source(staged.key),
        after=then.value(staged.key),
        source_after=then.source(staged.key),
        outdated=now.values.get(staged.key) != staged.base,
        restart=spec.restart,
        staged_by=staged.staged_by,
        staged_at=instant(staged.staged_at_ms),
        reason=staged.reason,
    )


def revision_view(revision: SettingRevision) -> RevisionView:
    """Return a revision without the values that it left alone."""
    return RevisionView(
        revision=revision.revision,
        at=instant(revision.at_ms),
        actor_kind=revision.actor_kind,
        actor_id=revision.actor_id,
        actor_name=revision.actor_name,
        reason=revision.reason,
        changes=tuple(
            RevisionChangeView(key=each.key, before=each.before, after=each.after)
            for each in revision.changes
        ),
    )
