"""What the ledger says about the counters of all budgets."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, structs

from application.ports.configuration import ConfigurationSource
from application.ports.ledger import Ledger, Spent
from domain.inference.dialect import Surface
from domain.limits.entries import BudgetEntry
from domain.limits.periods import PeriodSpan, period_at
from domain.limits.policy import LimitPolicy
from domain.limits.rules import BudgetCap, HolderKind
from domain.routing.catalog import Catalog
from domain.subjects import Subject, SubjectChain, SubjectKind


class CounterSum(Struct, frozen=True):
    """A counter, and what was spent by those of its requests that ended before `until_ms`."""

    entry: BudgetEntry
    period: PeriodSpan
    total: int
    until_ms: int


async def counter_sums(
    configuration: ConfigurationSource, ledger: Ledger, *, epoch_ms: int, now_ms: int
) -> list[CounterSum]:
    """Return every counter of a current period that has something in the ledger.

    What ended before the epoch is the ledger's, and of a budget that counts only from later on
    (`BudgetCap.counts_from_ms`) what ended before that.

    Raises:
        ServiceUnavailable: the configuration or the ledger cannot be asked now.
    """
    limits = await configuration.limits()
    caps = [each for each in limits.limits if isinstance(each, BudgetCap) and each.enabled]
    if not caps:
        return []
    policy = LimitPolicy(caps, limits.overrides)
    cuts_ms = sorted({max(epoch_ms, cap.counts_from_ms) for cap in caps})
    spent = await _spent(ledger, await configuration.catalog(), caps, cuts_ms, now_ms)
    return list(_sums(policy, caps, spent, cuts_ms, epoch_ms=epoch_ms, now_ms=now_ms))


async def _spent(
    ledger: Ledger,
    catalog: Catalog,
    caps: Iterable[BudgetCap],
    cuts_ms: Sequence[int],
    now_ms: int,
) -> Mapping[PeriodSpan, Sequence[Spent]]:
    """Ask the ledger once per period that a cap counts by."""
    periods = {period_at(cap.period, now_ms, cap.timezone) for cap in caps}
    models = {model.name: model.id for model in catalog.models.values()}
    providers = {provider.name: provider.id for provider in catalog.providers.values()}
    ids: dict[SubjectKind, Mapping[str, str]] = {
        SubjectKind.MODEL: models,
        SubjectKind.PROVIDER: providers,
    }
    found: dict[PeriodSpan, Sequence[Spent]] = {}
    for period in periods:
        spent = await ledger.spent(period.start_ms, period.end_ms, cuts_ms)
        found[period] = [
            structs.replace(each, name=ids[each.kind].get(each.name, ""))
            if each.kind in ids
            else each
            for each in spent
        ]
    return found


def _sums(
    policy: LimitPolicy,
    caps: Sequence[BudgetCap],
    spent: Mapping[PeriodSpan, Sequence[Spent]],
    cuts_ms: Sequence[int],
    *,
    epoch_ms: int,
    now_ms: int,
) -> Iterator[CounterSum]:
    """Yield every counter that may hold something.

    Defaults for the members of a role or team are restored for every user who spent anything:
    records do not keep roles, and a counter nobody asks for does no harm.
    """
    by_id = {cap.id: cap for cap in caps}
    roles = tuple(c.holder.id for c in caps if c.holder.kind is HolderKind.ROLE_MEMBERS)
    teams = tuple(
        Subject(SubjectKind.TEAM, c.holder.id)
        for c in caps
        if c.holder.kind is HolderKind.TEAM_MEMBERS
    )
    for period, parts in spent.items():
        for subject, own in _by_subject(parts).items():
            defaults = teams if subject.kind is SubjectKind.USER else ()
            chain = SubjectChain((subject, *defaults), roles)
            for entry in policy.bind(chain, Surface.AI_GATEWAY, now_ms).entries:
                if not isinstance(entry, BudgetEntry) or entry.subject != subject:
                    continue
                cap = by_id[entry.limit_id]
                if period_at(cap.period, now_ms, cap.timezone) != period:
                    continue
                until_ms = max(epoch_ms, entry.counts_from_ms)
                last = cuts_ms.index(until_ms)
                total = sum(
                    each.nano_usd if entry.unit == "usd" else each.tokens
                    for each in own
                    if each.part <= last
                )
                yield CounterSum(entry, period, total, until_ms)


def _by_subject(spent: Iterable[Spent]) -> Mapping[Subject, Sequence[Spent]]:
    found: dict[Subject, list[Spent]] = {}
    for each in spent:
        if each.name:
            found.setdefault(Subject(each.kind, each.name), []).append(each)
    return found
