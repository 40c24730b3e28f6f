"""The present configuration as a document that `apply` takes and finds nothing to do for.

Secrets are left out: credentials of providers and secrets of keys. `apply` keeps what is stored
where the document says nothing. Fields at their default are left out too.
"""

from collections.abc import Mapping
from enum import Enum
from typing import cast

import msgspec

from application.console.configuration.amounts import exact, price_entry
from application.console.configuration.capabilities import capabilities_entry
from application.console.configuration.document import VERSION
from application.console.configuration.overrides import is_named, override_entry
from application.console.configuration.planning import Stored
from application.console.configuration.routes import CAPS
from application.console.limits.documents import (
    BudgetEntry,
    RuleEntry,
    budget_entry,
    rule_entry,
)
from application.instants import instant_text
from application.ports.clock import Clock
from application.ports.unit_of_work import UnitOfWork
from domain.access.accounts import User, UserState
from domain.durations import format_duration
from domain.identifiers import ProviderId, TeamId
from domain.keys.api_key import KeyState
from domain.keys.policy import ApiKey
from domain.limits.rules import BudgetCap
from domain.routing.capabilities import Capabilities
from domain.routing.catalog import Affinity, Model, ProviderSpec, Route, Strategy

Entry = dict[str, object]


class ExportConfiguration:
    """Reads everything in one transaction."""

    def __init__(self, uow: UnitOfWork, clock: Clock) -> None:
        """Take the ports."""
        self._uow = uow
        self._clock = clock

    async def export(self) -> Entry:
        """Return the document as plain values; amounts are `Decimal`."""
        async with self._uow.begin() as tx:
            stored = await Stored.read(tx)
        teams = {team.id: team.name for team in stored.teams.values()}
        providers = {provider.id: provider.name for provider in stored.providers.values()}
        emails = {user.id: user.email for user in stored.users.values()}
        now_ms = self._clock.now_ms()
        document: Entry = {
            "version": VERSION,
            "settings": dict(stored.settings),
            "providers": [_provider(provider) for provider in stored.providers.values()],
            "models": [_model(model, providers, now_ms) for model in stored.models.values()],
            "teams": [{"name": team.name} for team in stored.teams.values()],
            "users": [_user(user, teams) for user in stored.users.values()],
            "keys": [
                _key(key, emails[key.owner_id], teams)
                for key in stored.keys
                if key.state is KeyState.ACTIVE and key.owner_id in emails
            ],
        }
        names = stored.names()
        known = [limit for limit in stored.limits if names.knows(limit.holder)]
        document["limits"] = [
            _limit(rule_entry(each, names)) for each in known if not isinstance(each, BudgetCap)
        ]
        document["budgets"] = [
            _limit(budget_entry(each, names)) for each in known if isinstance(each, BudgetCap)
        ]
        limits = {limit.id: limit for limit in known}
        document["overrides"] = [
            override_entry(each, limits[each.limit_id], names)
            for each in stored.overrides
            if each.in_force(now_ms) and each.limit_id in limits and is_named(each, names)
        ]
        return {name: _escaped(value) for name, value in document.items() if value}


def _provider(provider: ProviderSpec) -> Entry:
    entry: Entry = {"name": provider.name, "kind": provider.kind.value}
    if provider.base_url is not None:
        entry["base_url"] = provider.base_url
    if provider.options:
        entry["options"] = provider.options
    return entry | _disabled(enabled=provider.enabled)


def _model(model: Model, providers: Mapping[ProviderId, str], now_ms: int) -> Entry:
    entry: Entry = {"name": model.name}
    for name in ("input_multiplier", "output_multiplier"):
        if getattr(model, name) != 1:
            entry[name] = exact(getattr(model, name))
    if model.max_output_tokens is not None:
        entry["max_output_tokens"] = model.max_output_tokens
    price = model.prices.at(now_ms)
    if price is not None:
        entry["price"] = price_entry(price)
    if model.strategy is not Strategy.WEIGHTED:
        entry["strategy"] = model.strategy.value
    if model.affinity is not Affinity.SESSION:
        entry["affinity"] = model.affinity.value
    for name in ("aliases", "fallbacks"):
        if getattr(model, name):
            entry[name] = list(getattr(model, name))
    entry |= _capabilities(model.capabilities)
    entry["routes"] = [_route(route, model, providers) for route in model.routes]
    return entry | _disabled(enabled=model.enabled)


def _capabilities(known: Capabilities) -> Entry:
    members = capabilities_entry(known)
    return {"capabilities": members} if members else {}


def _route(route: Route, model: Model, providers: Mapping[ProviderId, str]) -> Entry:
    entry: Entry = {"provider": providers[route.provider_id]}
    if route.upstream_model != model.name:
        entry["upstream_model"] = route.upstream_model
    if route.tier != 0:
        entry["tier"] = route.tier
    if route.weight != 100:
        entry["weight"] = route.weight
    for name in CAPS:
        if getattr(route, name) is not None:
            entry[name] = getattr(route, name)
    if route.prices.rows:
        entry["price"] = price_entry(route.prices.rows[-1])
    entry |= _capabilities(route.capabilities)
    return entry | _disabled(enabled=route.enabled)


def _user(user: User, teams: Mapping[TeamId, str]) -> Entry:
    entry: Entry = {"email": user.email, "role": user.role}
    if user.team_ids:
        entry["teams"] = sorted(teams[team_id] for team_id in user.team_ids)
    return entry | _disabled(enabled=user.state is UserState.ACTIVE)


def _key(key: ApiKey, owner: str, teams: Mapping[TeamId, str]) -> Entry:
    policy = key.policy
    optional: Entry = {
        "models": list(policy.models) if policy.models is not None else None,
        "tools": list(policy.tools) if policy.tools is not None else None,
        "permissions": sorted(policy.permissions) if policy.permissions is not None else None,
        "teams": sorted(teams[team_id] for team_id in policy.team_ids) or None,
        "expires_at": instant_text(policy.expires_at_ms)
        if policy.expires_at_ms is not None
        else None,
        "inactivity_timeout": _duration(policy.inactivity_ms),
        "rotation_period": _duration(policy.rotation_period_ms),
        "ip_allow": list(policy.ip_allow) if policy.ip_allow is not None else None,
        "cost_centre": policy.cost_centre,
        "tags": policy.tags or None,
    }
    return {
        "name": policy.name,
        "owner": owner,
        "surfaces": sorted(surface.value for surface in policy.surfaces),
        **{name: value for name, value in optional.items() if value is not None},
    }


def _limit(written: RuleEntry | BudgetEntry) -> Entry:
    """Return what differs from the defaults, and the surface, which nobody should have to guess."""
    entry: Entry = {}
    for info in msgspec.structs.fields(written):
        value = getattr(written, info.name)
        if info.required or info.name == "surface" or value != info.default:
            entry[info.name] = value.value if isinstance(value, Enum) else value
    return entry


def _disabled(*, enabled: bool) -> Entry:
    return {} if enabled else {"enabled": False}


def _duration(milliseconds: int | None) -> str | None:
    return format_duration(milliseconds) if milliseconds is not None else None


def _escaped(value: object) -> object:
    """Return `value` such that interpolation gives it back: `$` doubled where it needs to be."""
    match value:
        case str():
            return value.replace("$", "$$")
        case dict():
            members = cast("dict[str, object]", value)
            return {name: _escaped(member) for name, member in members.items()}
        case list():
            return [_escaped(element) for element in cast("list[object]", value)]
        case _:
            return value
