"""What applies to whom and how it stands: explain without counting, and reset."""

from decimal import Decimal
from typing import Literal

from msgspec import Struct

from application.console.acts import carry_out
from application.console.limits.chains import LimitQuestion, chain_around, chain_of
from application.console.limits.documents import written
from application.console.limits.overrides import OverrideView, override_view
from application.console.limits.reach import LimitReach
from application.console.reach import require_somewhere
from application.ports.clock import Clock
from application.ports.limits import LimitMaintenance, LimitStore
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.errors import InvalidRequest, NotFound
from domain.inference.dialect import Surface
from domain.limits.amounts import MAX_COUNT, Spend
from domain.limits.entries import BudgetEntry, Entry, LeaseEntry, WindowEntry
from domain.limits.explanation import ExplainedLimit, explain
from domain.limits.policy import LimitPolicy
from domain.limits.rules import HolderKind, Limit, Metric
from domain.money import nano_from_usd, usd_from_nano
from domain.records.audit import AuditTarget
from domain.subjects import Subject, SubjectKind

_SURFACES = (Surface.AI_GATEWAY, Surface.MCP_GATEWAY)


class StandingSource(Struct, frozen=True, kw_only=True):
    """Where a limit comes from.

    Attributes:
        kind: `own`, `team_default`, `role_default` or `override`.
        attached_to: the subject the limit hangs on, as it is written.
        configured: its value before overrides.
    """

    kind: str
    attached_to: str
    configured: Decimal
    overrides: tuple[OverrideView, ...]


class Standing(Struct, frozen=True, kw_only=True):
    """One limit that applies, and its counter.

    Attributes:
        unit: `requests`, `weighted_tokens`, `usd` or `calls`.
        reset_ms: how long until nothing counts any more; 0 for concurrency.
        exceeded: it rejects the request, or would if it were not a shadow.
    """

    limit_id: str
    label: str
    subject: str
    unit: Literal["requests", "weighted_tokens", "usd", "calls"]
    limit: Decimal
    used: Decimal
    remaining: Decimal
    reset_ms: int
    shadow: bool
    strict: bool
    exceeded: bool
    source: StandingSource


class Explained(Struct, frozen=True, kw_only=True):
    """The verdict and everything it rests on, in the order of evaluation."""

    admitted: bool
    rejected_by: str | None
    retry_after_ms: int | None
    rebuilding: bool
    subjects: tuple[str, ...]
    limits: tuple[Standing, ...]


class ResetWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose counters to forget: of `subject` all, or only the one of `limit_id`.

    With `limit_id` alone the subject is the one the limit hangs on.
    """

    subject: str | None = None
    limit_id: str | None = None


class ResetDone(Struct, frozen=True, kw_only=True):
    """The counters that were forgotten (or would be), as they stood before."""

    applied: bool
    limits: tuple[Standing, ...]


class LimitStandings:
    """Asks the same counters and the same policy as admission does; counts nothing."""

    def __init__(
        self, uow: UnitOfWork, store: LimitStore, maintenance: LimitMaintenance, clock: Clock
    ) -> None:
        """`store` and `maintenance` are the counters the gateway uses."""
        self._uow = uow
        self._store = store
        self._maintenance = maintenance
        self._clock = clock

    async def explain(self, by: Actor, question: LimitQuestion) -> Explained:
        """Return every limit that would apply, its source, use, and the verdict.

        Raises:
            InvalidRequest: the question is not complete; `param` names the member.
            PermissionDenied: nobody's limits may be seen.
            NotFound: no such key, user, model or provider, or it is out of reach.
            ServiceUnavailable: the counters cannot be asked now.
        """
        require_somewhere(by, Permission.LIMITS_READ)
        cost = question.cost_usd
        if not cost.is_finite() or not 0 <= cost <= usd_from_nano(MAX_COUNT):
            raise InvalidRequest(
                f"The cost must be between 0 and {usd_from_nano(MAX_COUNT)}.", param="cost_usd"
            )
        if question.tokens < 0:
            raise InvalidRequest("An estimate cannot be negative.", param="tokens")
        try:
            estimate = Spend(tokens=question.tokens, nano_usd=nano_from_usd(cost))
        except ValueError as error:
            raise InvalidRequest(f"The estimate is too large: {error}.", param="tokens") from error
        async with self._uow.begin() as tx:
            state = await _State.read(tx, by)
            chain = await chain_of(tx, by, question)
        now_ms = self._clock.now_ms()
        binding = state.policy.bind(chain, question.surface, now_ms)
        usage = await self._store.usage(binding.entries, estimate)
        explanation = explain(binding, usage)
        return Explained(
            admitted=explanation.rejected_by is None,
            rejected_by=explanation.rejected_by,
            retry_after_ms=explanation.retry_after_ms,
            rebuilding=explanation.rebuilding,
            subjects=tuple(map(state.reach.shown.subject_text, chain.subjects)),
            limits=tuple(state.standing(each, now_ms) for each in explanation.limits),
        )

    async def reset(self, by: Actor, wish: ResetWish, *, dry_run: bool = False) -> ResetDone:
        """Forget what windows and current budgets counted; calls in flight and alerts stay.

        Raises:
            InvalidRequest: it is not said whose counters.
            PermissionDenied: the counters of this subject are not for the actor to reset.
            NotFound: no such limit.
            ServiceUnavailable: the counters cannot be asked now.
        """
        require_somewhere(by, Permission.LIMITS_WRITE)
        async with self._uow.begin() as tx:
            state = await _State.read(tx, by)
            subject = _reset_subject(wish, state)
            state.reach.require_subject(Permission.LIMITS_WRITE, subject)
            chain = await chain_around(tx, subject)
        now_ms = self._clock.now_ms()
        chosen: list[ExplainedLimit] = []
        for surface in _SURFACES:
            binding = state.policy.bind(chain, surface, now_ms)
            usage = await self._store.usage(binding.entries, Spend())
            chosen += [
                each
                for each in explain(binding, usage).limits
                if each.entry.subject == subject
                and not isinstance(each.entry, LeaseEntry)
                and (wish.limit_id is None or each.entry.limit_id == wish.limit_id)
            ]
        done = ResetDone(
            applied=bool(chosen) and not dry_run,
            limits=tuple(state.standing(each, now_ms) for each in chosen),
        )
        if done.applied:
            entries = [each.entry for each in chosen]
            await carry_out(
                self._uow,
                by,
                "limits.reset",
                AuditTarget(
                    kind=subject.kind, id=subject.id, name=state.reach.shown.subject_text(subject)
                ),
                lambda: self._maintenance.reset(entries, at_ms=now_ms),
                before=done,
            )
        return done


class _State(Struct, frozen=True):
    """Everything stored that explaining needs, read in one transaction."""

    reach: LimitReach
    limits: dict[str, Limit]
    policy: LimitPolicy

    @classmethod
    async def read(cls, tx: Transaction, by: Actor) -> "_State":
        limits = await tx.limits.all()
        policy = LimitPolicy(limits, await tx.overrides.all())
        return cls(await LimitReach.read(tx, by), {limit.id: limit for limit in limits}, policy)

    def standing(self, explained: ExplainedLimit, now_ms: int) -> Standing:
        names = self.reach.shown
        entry, reading, source = explained.entry, explained.reading, explained.source
        limit = self.limits[entry.limit_id]
        unit = entry.unit if isinstance(entry, BudgetEntry) else None
        return Standing(
            limit_id=entry.limit_id,
            label=entry.label,
            subject=names.subject_text(entry.subject),
            unit=_unit(entry),
            limit=written(reading.limit, unit),
            used=written(reading.used, unit),
            remaining=written(reading.remaining, unit),
            reset_ms=reading.reset_ms,
            shadow=entry.shadow,
            strict=not isinstance(entry, LeaseEntry) and entry.strict,
            exceeded=reading.exceeded,
            source=StandingSource(
                kind=source.kind,
                attached_to=names.text(source.holder),
                configured=written(source.configured, unit),
                overrides=tuple(
                    override_view(each, limit, names, now_ms) for each in source.overrides
                ),
            ),
        )


def _unit(entry: Entry) -> Literal["requests", "weighted_tokens", "usd", "calls"]:
    match entry:
        case WindowEntry():
            return "requests" if entry.metric is Metric.REQUESTS else "weighted_tokens"
        case BudgetEntry():
            return entry.unit.value
        case LeaseEntry():
            return "calls"


def _reset_subject(wish: ResetWish, state: _State) -> Subject:
    limit = None
    if wish.limit_id is not None:
        limit = state.limits.get(wish.limit_id)
        if limit is None or not state.reach.sees(limit.holder):
            raise NotFound("There is no limit with this id.")
    if wish.subject is not None:
        return state.reach.names.subject(wish.subject)
    if limit is None:
        raise InvalidRequest("Say whose counters: 'subject' or 'limit_id'.", param="subject")
    if limit.holder.kind in (HolderKind.TEAM_MEMBERS, HolderKind.ROLE_MEMBERS):
        raise InvalidRequest(
            f"This limit is a default ('{state.reach.shown.text(limit.holder)}'); say for which user.",
            param="subject",
        )
    return Subject(SubjectKind(limit.holder.kind), limit.holder.id)
