"""Planning of rules and budgets, which hang on things that may be in the same document."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from application.console.configuration.plan import Planned, field_changes
from application.console.configuration.planning import (
    Planning,
    Plans,
    create,
    delete,
    is_repeated,
    readable,
    unchanged,
    update,
)
from application.console.limits.documents import (
    BudgetEntry,
    RuleEntry,
    budget_of,
    in_place_of,
    rule_of,
    unit_of,
    written,
)
from application.console.limits.names import Names, UnknownSubject
from domain.errors import InvalidRequest
from domain.inference.dialect import Surface
from domain.limits.beginning import begun
from domain.limits.rules import BudgetCap, ConcurrencyCap, Limit, WindowRule
from domain.limits.targets import target_of

E = TypeVar("E", RuleEntry, BudgetEntry)
L = TypeVar("L", bound=Limit)


def plan_limits(planning: Planning) -> Plans:
    """Window rules and concurrency caps, after everything they can hang on was planned."""
    entries = planning.document.limits
    return _plan(planning, "limit", "limits", entries, rule_of, (WindowRule, ConcurrencyCap))


def plan_budgets(planning: Planning) -> Plans:
    """Budgets, after everything they can hang on was planned."""
    return _plan(planning, "budget", "budgets", planning.document.budgets, budget_of, (BudgetCap,))


def limit_name(limit: Limit, names: Names) -> str:
    """Return how plans call a limit, e.g. `user:dev@example.com requests/1m`."""
    surface = f" on {limit.surface}" if limit.surface is not Surface.AI_GATEWAY else ""
    unit = f" in {limit.unit}" if isinstance(limit, BudgetCap) else ""
    return f"{names.text(limit.holder)} {limit.slot}{unit}{surface}"


def _plan(
    planning: Planning,
    kind: str,
    path: str,
    entries: Sequence[E | None],
    parse: Callable[[E, Names, str], L],
    classes: tuple[type[Limit], ...],
) -> Plans:
    names = future_names(planning)
    stored = {target_of(each): each for each in planning.stored.limits if isinstance(each, classes)}
    upserts: list[Planned] = []
    seen: set[str] = set()
    for at, entry in readable(entries, path):
        try:
            limit = parse(entry, names, planning.ids.new_id())
        except UnknownSubject as error:
            refuse_subject(planning, f"{at}.subject", error)
            continue
        except InvalidRequest as error:
            planning.faults.append(f"{at}.{error.param}: {error.message}")
            continue
        name = limit_name(limit, names)
        if is_repeated(seen, name, at, planning.faults):
            continue
        target = target_of(limit)
        existing = stored.pop(target, None)
        wanted = limit if existing is None else in_place_of(existing, limit)
        planning.limits[target] = begun(wanted, existing, planning.now_ms)
        upserts.append(_comparison(planning, kind, name, existing, planning.limits[target]))
    if not planning.prune:
        planning.limits.update(stored)
    gone = [
        _deletion(kind, limit_name(limit, planning.stored.names()), limit)
        for limit in stored.values()
        if planning.prune
    ]
    return Plans(upserts, gone)


def _comparison(
    planning: Planning, kind: str, name: str, stored: Limit | None, wanted: Limit
) -> Planned:
    if stored is None:
        now_ms = planning.now_ms
        return create(kind, name, lambda tx: tx.limits.add(wanted, created_at_ms=now_ms))
    changes = field_changes(
        [
            ("limit", _amount(stored), _amount(wanted)),
            ("timezone", getattr(stored, "timezone", None), getattr(wanted, "timezone", None)),
            ("enforcement", _enforcement(stored), _enforcement(wanted)),
            ("mode", stored.mode.value, wanted.mode.value),
            ("enabled", stored.enabled, wanted.enabled),
        ]
    )
    if not changes:
        return unchanged(kind, name)
    return update(kind, name, changes, lambda tx: tx.limits.update(wanted))


def _deletion(kind: str, name: str, limit: Limit) -> Planned:
    return delete(kind, name, lambda tx: tx.limits.remove(limit.id))


def _amount(limit: Limit) -> str:
    return f"{written(limit.limit, unit_of(limit)):f}"


def _enforcement(limit: Limit) -> str | None:
    return None if isinstance(limit, ConcurrencyCap) else limit.enforcement.value


def future_names(planning: Planning) -> Names:
    """Return the names of what will exist; with `prune`, only of what the document names."""
    stored = Names() if planning.prune else planning.stored.names()
    return Names(
        users={**stored.users, **planning.user_ids},
        teams={name: each for name, each in planning.team_ids.items() if _stays(planning, name)},
        providers={**stored.providers, **planning.provider_ids},
        models={**stored.models, **planning.model_ids},
        keys={**stored.keys, **planning.key_ids},
    )


def _stays(planning: Planning, team: str) -> bool:
    return not planning.prune or team in planning.names["teams"]


def refuse_subject(planning: Planning, at: str, error: UnknownSubject) -> None:
    """Add a fault, unless the document names the thing: then that entry has one of its own."""
    name = error.name.rpartition("/")[2] if error.list_name == "keys" else error.name
    named = {each.strip().lower() for each in planning.names.get(error.list_name, ())}
    if name.lower() not in named:
        also = "" if planning.prune else ", neither here nor stored already"
        what = f"there is no '{error.name}' among the {error.list_name}"
        planning.faults.append(f"{at}: {what}{also}")
