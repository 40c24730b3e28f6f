"""Which limits bind a request, from where they come, and what they say about it."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from domain.errors import InvalidRequest
from domain.inference.dialect import Surface
from domain.limits.amounts import MAX_COUNT
from domain.limits.entries import BudgetEntry, Entry, LeaseEntry, WindowEntry
from domain.limits.overrides import Override, apply
from domain.limits.periods import Period, periods_around
from domain.limits.route_caps import route_entries
from domain.limits.rules import (
    BudgetCap,
    ConcurrencyCap,
    Enforcement,
    Holder,
    HolderKind,
    Limit,
    Metric,
    Mode,
    WindowRule,
)
from domain.routing.catalog import Route
from domain.subjects import Subject, SubjectChain, SubjectKind

# Most chains whose binding is kept. A chain is a few hundred bytes.
MOST_BINDINGS = 10_000


class Source(Struct, frozen=True, kw_only=True):
    """Where a limit comes from.

    Attributes:
        holder: what it is attached to: the subject itself (own), or a team or role whose members it
            binds (default).
        configured: its value before overrides.
        overrides: those that changed the value, in the order they were applied.
    """

    holder: Holder
    configured: int
    overrides: tuple[Override, ...] = ()

    @property
    def kind(self) -> str:
        """`own`, `team_default`, `role_default` or `override`."""
        if self.overrides:
            return "override"
        if self.holder.kind is HolderKind.TEAM_MEMBERS:
            return "team_default"
        return "role_default" if self.holder.kind is HolderKind.ROLE_MEMBERS else "own"


class Binding(Struct, frozen=True, kw_only=True):
    """Everything that binds one chain on one surface.

    `sources` is parallel to `entries`. From `valid_until_ms` on the binding is to be made again: an
    override ends, or other budget periods come near.
    """

    entries: tuple[Entry, ...]
    sources: tuple[Source, ...]
    valid_until_ms: int


class _BoundAttempt(Struct, frozen=True):
    caps: tuple[Entry, ...]
    bound: tuple[Entry, ...]
    entries: tuple[Entry, ...]


class LimitPolicy:
    """All enabled limits, indexed by what they are attached to; made once per snapshot.

    Bindings are kept, and the same tuple of entries is handed out for the same chain until it
    becomes invalid.
    """

    def __init__(self, limits: Iterable[Limit] = (), overrides: Iterable[Override] = ()) -> None:
        """Index `limits` and `overrides`.

        Raises:
            InvalidRequest: two limits have the same id; they would share counters.
        """
        self._by_holder: dict[Holder, list[Limit]] = {}
        self._overrides: dict[tuple[str, Subject], list[Override]] = {}
        self._bindings: dict[tuple[SubjectChain, Surface], Binding] = {}
        self._attempts: dict[tuple[SubjectChain, Surface, str], _BoundAttempt] = {}
        seen: set[str] = set()
        for limit in sorted(limits, key=_rank):
            if limit.id in seen:
                raise InvalidRequest(f"Two limits have the id '{limit.id}'.", param="id")
            seen.add(limit.id)
            if limit.enabled:
                self._by_holder.setdefault(limit.holder, []).append(limit)
        for override in overrides:
            key = (override.limit_id, override.subject)
            self._overrides.setdefault(key, []).append(override)

    def bind(self, chain: SubjectChain, surface: Surface, now_ms: int) -> Binding:
        """Return what binds `chain` on `surface` at `now_ms`.

        Subjects in the order of the chain; within one, windows before budgets before concurrency
        and short before long. "First offending" follows this order.
        """
        key = (chain, surface)
        binding = self._bindings.get(key)
        if binding is None or now_ms >= binding.valid_until_ms:
            if len(self._bindings) >= MOST_BINDINGS:
                self._bindings.clear()
            binding = self._bindings[key] = self._made(chain, surface, now_ms)
        return binding

    def bind_attempt(
        self, chain: SubjectChain, route: Route, surface: Surface, now_ms: int
    ) -> tuple[Entry, ...]:
        """Return what binds one attempt at `route`: the route's own caps, then what binds `chain`.

        As with `bind`, the same tuple is handed out while nothing of it changes.
        """
        caps, bound = route_entries(route), self.bind(chain, surface, now_ms).entries
        if not caps:
            return bound
        key = (chain, surface, route.id)
        held = self._attempts.get(key)
        if held is None or held.caps != caps or held.bound is not bound:
            if len(self._attempts) >= MOST_BINDINGS:
                self._attempts.clear()
            held = self._attempts[key] = _BoundAttempt(caps, bound, caps + bound)
        return held.entries

    def _made(self, chain: SubjectChain, surface: Surface, now_ms: int) -> Binding:
        entries: list[Entry] = []
        sources: list[Source] = []
        valid_until_ms = MAX_COUNT
        for subject in chain.subjects:
            for limit in self._limits_on(subject, chain):
                if limit.surface is not surface:
                    continue
                overrides = self._overrides.get((limit.id, subject), ())
                for override in overrides:
                    if override.until_ms is not None and override.in_force(now_ms):
                        valid_until_ms = min(valid_until_ms, override.until_ms)
                value, applied = apply(overrides, limit.limit, now_ms)
                entry = _entry(limit, subject, value, now_ms)
                if isinstance(entry, BudgetEntry):
                    valid_until_ms = min(valid_until_ms, entry.periods.valid_until_ms)
                entries.append(entry)
                sources.append(
                    Source(holder=limit.holder, configured=limit.limit, overrides=applied)
                )
        return Binding(
            entries=tuple(entries), sources=tuple(sources), valid_until_ms=valid_until_ms
        )

    def _limits_on(self, subject: Subject, chain: SubjectChain) -> list[Limit]:
        if subject.kind is SubjectKind.ROUTE:
            return []  # what binds a route stands in the catalogue: `bind_attempt`
        found = list(self._by_holder.get(Holder(HolderKind(subject.kind), subject.id), ()))
        if subject.kind is SubjectKind.USER:
            for holder in _default_holders(chain):
                found += self._by_holder.get(holder, ())
            found.sort(key=_rank)
        return found


def _default_holders(chain: SubjectChain) -> Iterator[Holder]:
    for team in chain.teams:
        yield Holder(HolderKind.TEAM_MEMBERS, team)
    for role in chain.roles:
        yield Holder(HolderKind.ROLE_MEMBERS, role)


_METRICS, _PERIODS = list(Metric), list(Period)


def _rank(limit: Limit) -> tuple[int, int, int, str]:
    match limit:
        case WindowRule():
            return (0, _METRICS.index(limit.metric), limit.window.length_ms, limit.id)
        case BudgetCap():
            return (1, _PERIODS.index(limit.period), 0, limit.id)
        case ConcurrencyCap():
            return (2, 0, 0, limit.id)


def _entry(limit: Limit, subject: Subject, value: int, now_ms: int) -> Entry:
    """Return `limit` as it binds `subject`, each with counters of its own."""
    label = f"{subject.kind}:{limit.slot}"
    whose = f"{subject.kind}:{subject.id}"
    shadow = limit.mode is Mode.SHADOW
    match limit:
        case WindowRule():
            return WindowEntry(
                limit_id=limit.id,
                subject=subject,
                label=label,
                limit=value,
                shadow=shadow,
                counter=f"w:{whose}:{limit.slot}:{limit.id}",
                metric=limit.metric,
                bucket_ms=limit.window.bucket_ms,
                strict=limit.enforcement is Enforcement.STRICT,
            )
        case BudgetCap():
            return BudgetEntry(
                limit_id=limit.id,
                subject=subject,
                label=label,
                limit=value,
                shadow=shadow,
                counter=f"b:{whose}:{limit.unit}:{limit.timezone}:{limit.id}",
                unit=limit.unit,
                periods=periods_around(limit.period, now_ms, limit.timezone),
                strict=limit.enforcement is Enforcement.STRICT,
                counts_from_ms=limit.counts_from_ms,
            )
        case ConcurrencyCap():
            return LeaseEntry(
                limit_id=limit.id,
                subject=subject,
                label=label,
                limit=value,
                shadow=shadow,
                counter=f"c:{whose}:{limit.id}",
            )
