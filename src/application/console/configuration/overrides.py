"""Planning of overrides, which hang on limits that may be in the same document.

An override is never changed, only replaced by another one. So the document says, for each limit,
subject and action it names, which overrides are in force; what it does not name is left alone.
"""

from collections.abc import Mapping
from decimal import Decimal
from itertools import zip_longest

from application.console.configuration.document import LimitReference, OverrideEntry
from application.console.configuration.limits import future_names, limit_name, refuse_subject
from application.console.configuration.plan import CreatedSecret, Planned, Work, field_changes
from application.console.configuration.planning import (
    Planning,
    Plans,
    create,
    delete,
    readable,
    unchanged,
    update,
)
from application.console.limits.documents import (
    BudgetEntry,
    RuleEntry,
    RuleMetric,
    budget_entry,
    budget_of,
    counted,
    rule_entry,
    rule_of,
    unit_of,
    written,
)
from application.console.limits.names import Names, UnknownSubject
from application.console.limits.overrides import checked_reason, subject_of
from application.instants import instant_text, milliseconds
from application.ports.unit_of_work import Transaction
from domain.errors import InvalidRequest
from domain.inference.dialect import Surface
from domain.limits.budgets import BudgetUnit
from domain.limits.overrides import Override, OverrideAction
from domain.limits.rules import BudgetCap, Holder, HolderKind, Limit
from domain.limits.targets import Target, target_of
from domain.subjects import Subject

SET_BY = "apply"

_Group = tuple[str, Subject, OverrideAction]


def plan_overrides(planning: Planning) -> Plans:
    """Overrides, after the limits they change were planned."""
    names = future_names(planning)
    limits = {limit.id: limit for limit in planning.limits.values()}
    wanted: dict[_Group, list[Override]] = {}
    ended: list[Planned] = []
    for at, entry in readable(planning.document.overrides or (), "overrides"):
        override = _parsed(planning, entry, names, at)
        if override is None:
            continue
        if isinstance(override, str):
            ended.append(unchanged("override", override, note="has ended"))
            continue
        group = wanted.setdefault(_group(override), [])
        if any(_content(each) == _content(override) for each in group):
            name = _name(override, limits[override.limit_id], names)
            planning.faults.append(f"{at}: '{name}' is there twice")
            continue
        group.append(override)
    stored: dict[_Group, list[Override]] = {}
    for each in planning.stored.overrides:
        if each.in_force(planning.now_ms):
            stored.setdefault(_group(each), []).append(each)
    upserts = [
        step
        for group, overrides in wanted.items()
        for step in _comparison(
            overrides, stored.pop(group, []), limits[overrides[0].limit_id], names
        )
    ]
    return Plans([*ended, *upserts], _deletions(planning, stored))


def override_entry(override: Override, limit: Limit, names: Names) -> dict[str, object]:
    """Return how an override of `limit` is written in the document."""
    entry: dict[str, object] = {
        "limit": _reference(limit, names),
        "subject": names.subject_text(override.subject),
        "action": override.action.value,
        "value": written(override.limit, unit_of(limit)),
        "reason": override.reason,
    }
    if override.until_ms is not None:
        entry["until"] = instant_text(override.until_ms)
    return entry


def is_named(override: Override, names: Names) -> bool:
    """Tell whether whom the override is for is still there."""
    return names.knows(Holder(HolderKind(override.subject.kind), override.subject.id))


def _parsed(
    planning: Planning, entry: OverrideEntry, names: Names, at: str
) -> Override | str | None:
    """Return the override, its name if it has ended already, or None after adding a fault.

    An end in the past is no fault: a document must not become wrong by the passing of time.
    """
    try:
        target = _target(entry.limit, names)
    except UnknownSubject as error:
        refuse_subject(planning, f"{at}.limit.subject", error)
        return None
    except InvalidRequest as error:
        planning.faults.append(f"{at}.limit.{error.param}: {error.message}")
        return None
    limit = planning.limits.get(target)
    if limit is None:
        if not _has_faulty_limits(planning):
            also = "" if planning.prune else ", neither here nor stored already"
            planning.faults.append(f"{at}.limit: there is no such limit{also}")
        return None
    try:
        subject = subject_of(entry.subject, limit, names)
        until_ms = None if entry.until is None else milliseconds(entry.until, "until")
        if until_ms is not None and until_ms <= planning.now_ms:
            return f"{limit_name(limit, names)} {entry.action}"
        return Override(
            id=planning.ids.new_id(),
            limit_id=limit.id,
            subject=subject,
            action=entry.action,
            limit=_value(entry.value, limit),
            set_by=SET_BY,
            reason=checked_reason(entry.reason),
            set_at_ms=planning.now_ms,
            until_ms=until_ms,
        )
    except UnknownSubject as error:
        refuse_subject(planning, f"{at}.subject", error)
    except InvalidRequest as error:
        planning.faults.append(f"{at}.{error.param}: {error.message}")
    return None


def _target(reference: LimitReference, names: Names) -> Target:
    """Return the target of the limit that is meant.

    Raises:
        InvalidRequest: no such subject, or a combination that no limit has; `param` names it.
    """
    if reference.period is not None:
        if reference.metric is not None or reference.window is not None:
            raise InvalidRequest(
                "Give the metric of a rule or the period of a budget, not both.", param="period"
            )
        if reference.surface is not Surface.AI_GATEWAY:
            raise InvalidRequest("A budget has no surface.", param="surface")
        budget = BudgetEntry(
            subject=reference.subject,
            period=reference.period,
            unit=reference.unit,
            limit=Decimal(0),
        )
        return target_of(budget_of(budget, names, ""))
    if reference.metric is None:
        raise InvalidRequest("Give the metric of a rule or the period of a budget.", param="metric")
    if reference.unit is not BudgetUnit.WEIGHTED_TOKENS:
        raise InvalidRequest("Only a budget has a unit.", param="unit")
    rule = RuleEntry(
        subject=reference.subject,
        surface=reference.surface,
        metric=reference.metric,
        window=reference.window,
        limit=0,
    )
    return target_of(rule_of(rule, names, ""))


def _reference(limit: Limit, names: Names) -> dict[str, object]:
    if isinstance(limit, BudgetCap):
        budget = budget_entry(limit, names)
        return {
            "subject": budget.subject,
            "period": budget.period.value,
            "unit": budget.unit.value,
        }
    rule = rule_entry(limit, names)
    reference: dict[str, object] = {
        "subject": rule.subject,
        "surface": rule.surface.value,
        "metric": rule.metric.value,
    }
    if rule.metric is not RuleMetric.CONCURRENCY and rule.window is not None:
        reference["window"] = rule.window.value
    return reference


def _value(amount: Decimal, limit: Limit) -> int:
    try:
        return counted(amount, unit_of(limit))
    except InvalidRequest as error:
        raise InvalidRequest(error.message, param="value") from error


def _has_faulty_limits(planning: Planning) -> bool:
    """Tell whether a limit of the document has a fault, so that missing it would be a second one."""
    lists = (*planning.document.limits, *planning.document.budgets)
    return None in lists or any(
        fault.startswith(("limits[", "budgets[")) for fault in planning.faults
    )


def _comparison(
    wanted: list[Override], stored: list[Override], limit: Limit, names: Names
) -> list[Planned]:
    """Return the steps that leave exactly `wanted` in force."""
    name = _name(wanted[0], limit, names)
    kept = {_content(each) for each in stored}
    old = [each for each in stored if _content(each) not in {_content(one) for one in wanted}]
    steps = [unchanged("override", name) for each in wanted if _content(each) in kept]
    new = [each for each in wanted if _content(each) not in kept]
    for before, after in zip_longest(old, new):
        if after is None:
            steps.append(_deletion(name, before))
        elif before is None:
            steps.append(create("override", name, _adding(after)))
        else:
            steps.append(_replacement(name, before, after, limit))
    return steps


def _adding(override: Override, *, instead_of: Override | None = None) -> Work:
    async def work(tx: Transaction) -> CreatedSecret | None:
        if instead_of is not None:
            await tx.overrides.remove(instead_of.id)
        await tx.overrides.add(override)
        return None

    return work


def _replacement(name: str, before: Override, after: Override, limit: Limit) -> Planned:
    unit = unit_of(limit)
    changes = field_changes(
        [
            ("value", f"{written(before.limit, unit):f}", f"{written(after.limit, unit):f}"),
            ("reason", before.reason, after.reason),
            ("until", _end(before), _end(after)),
        ]
    )
    return update("override", name, changes, _adding(after, instead_of=before))


def _deletions(planning: Planning, stored: Mapping[_Group, list[Override]]) -> list[Planned]:
    if not planning.prune or planning.document.overrides is None:
        return []
    names = planning.stored.names()
    limits = {limit.id: limit for limit in planning.stored.limits}
    return [
        _deletion(_name(each, limits[each.limit_id], names), each)
        for overrides in stored.values()
        for each in overrides
    ]


def _deletion(name: str, override: Override) -> Planned:
    return delete("override", name, lambda tx: tx.overrides.remove(override.id))


def _group(override: Override) -> _Group:
    return override.limit_id, override.subject, override.action


def _content(override: Override) -> tuple[int, str, int | None]:
    return override.limit, override.reason, override.until_ms


def _name(override: Override, limit: Limit, names: Names) -> str:
    """Return how plans call it: e.g. `user:a@example.com requests/1m replace`."""
    name = f"{limit_name(limit, names)} {override.action}"
    subject = names.subject_text(override.subject)
    return name if subject == names.text(limit.holder) else f"{name} for {subject}"


def _end(override: Override) -> str | None:
    return None if override.until_ms is None else instant_text(override.until_ms)
