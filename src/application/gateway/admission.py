"""Limits of a request: one atomic check before it goes upstream, settled once afterwards.

A `Ticket` holds what was reserved; it belongs to the call's settlement, so every exit gives it
back or charges it.
"""

from collections.abc import Sequence
from typing import NoReturn, Protocol

from application.gateway.abandonment import abandoned_context
from application.gateway.call import InferenceCall, RateLimits
from application.gateway.limit_gate import FailureMode, LimitGate, Passed, Unavailable
from application.gateway.limit_settlements import RESERVATION_LIFETIME_MS
from application.ports.clock import Clock, IdGenerator
from application.runtime.snapshot import RuntimeSnapshot
from domain.accounting.estimate import DEFAULT_OUTPUT_TOKENS, estimate
from domain.accounting.pricing import weighted_tokens
from domain.accounting.usage import TokenUsage
from domain.errors import LimitExceeded
from domain.inference.dialect import Operation
from domain.inference.head import RequestHead
from domain.keys.api_key import Caller
from domain.limits.amounts import MAX_COUNT, NOTHING, Spend
from domain.limits.budgets import BudgetUnit
from domain.limits.entries import BudgetEntry, Entry, WindowEntry
from domain.limits.reservations import Claim, Reading, Rejected, Reservation
from domain.limits.rules import Metric
from domain.routing.catalog import Model
from domain.routing.plan import PlannedAttempt, RoutePlan
from domain.subjects import SubjectChain

UNAVAILABLE_LABEL = "rate_limiter_unavailable"
RETRY_WHEN_UNAVAILABLE_MS = 1_000


# An attempt that failed was a request to its provider, and used no tokens as far as anyone knows.
FREE_OPERATIONS = frozenset(
    {
        Operation.COUNT_TOKENS,
        Operation.RETRIEVE_RESPONSE,
        Operation.DELETE_RESPONSE,
        Operation.CANCEL_RESPONSE,
        Operation.LIST_RESPONSE_INPUT,
    }
)
"""They count as requests and take no tokens."""
_FAILED_ATTEMPT = Spend(requests=1)


class SettlementQueue(Protocol):
    """Durable hand-over of settlements to the store, off the client's path."""

    def hold(self, reservation: Reservation) -> None:
        """Keep a reservation alive until it is settled."""
        ...

    def settle(self, reservation: Reservation, actual: Spend, *, occurred_at_ms: int) -> None:
        """Charge what was used, exactly once, whatever becomes of this process."""
        ...


class LimitEvents(Protocol):
    """What operators count about limits."""

    def shadow_exceeded(self, label: str) -> None:
        """A shadow limit of this label would have refused a request."""
        ...

    def rules_failed_open(self) -> None:
        """A request passed without its rate rules because the store was down."""
        ...

    def budgets_failed_open(self) -> None:
        """A request passed without its budgets because the store was down."""
        ...

    def failed_closed(self) -> None:
        """A request was refused because the store was down."""
        ...


class Ticket:
    """What one request has reserved."""

    __slots__ = (
        "_admission",
        "_attempt",
        "_held",
        "_local",
        "_settled",
        "claimed",
        "entries",
        "expected",
        "usages",
    )

    def __init__(self, admission: "Admission", expected: TokenUsage) -> None:
        """`expected` is the greatest use the request may come to.

        `entries` are the limits it was checked against. `claimed` is what was claimed of them where
        that is not `expected` at the price of one model.
        """
        self._admission = admission
        self._held: list[Reservation] = []
        self._local: list[Reservation] = []
        self._settled = False
        self._attempt: Ticket | None = None
        self.claimed: Spend | None = None
        self.entries: tuple[Entry, ...] = ()
        self.expected = expected
        self.usages: dict[str, int] = {}

    def keep(self, passed: Passed, entries: Sequence[Entry]) -> None:
        """Take over what was reserved."""
        self._held.append(passed.reservation)
        if passed.local is not None:
            self._local.append(passed.local)
        self.note_usages(entries, passed.readings)

    def note_usages(self, entries: Sequence[Entry], readings: Sequence[Reading]) -> None:
        """Remember what each limit stood at, for the record."""
        for entry, reading in zip(entries, readings, strict=False):
            self.usages[entry.label] = max(reading.used, self.usages.get(entry.label, 0))

    def begin_attempt(self, attempt: "Ticket") -> None:
        """Own what the running attempt has reserved with its provider.

        The attempt before it has failed: its provider is charged for a request without tokens. The
        last one is settled with the call, so that counters and record agree however it ends.
        """
        if self._attempt is not None:
            self._attempt.settle(_FAILED_ATTEMPT)
        self._attempt = attempt

    def drop_attempt(self) -> None:
        """Give back what the running attempt has reserved: nothing was sent to its provider."""
        if self._attempt is not None:
            self._attempt.settle(NOTHING)
            self._attempt = None

    def settle(self, actual: Spend, *, ended_at_ms: int | None = None) -> None:
        """Charge `actual` for everything held, by default as of now. A second call does nothing.

        What the record of the request accounts for must be charged as of the record's end.
        """
        if self._settled:
            return
        self._settled = True
        self._admission.settle(self._held, self._local, actual, ended_at_ms)
        if self._attempt is not None:
            self._attempt.settle(actual, ended_at_ms=ended_at_ms)


class Admission:
    """Decides whether limits allow a request, and hands out its ticket."""

    def __init__(
        self,
        gate: LimitGate,
        settlements: SettlementQueue,
        clock: Clock,
        ids: IdGenerator,
        events: LimitEvents,
    ) -> None:
        """All collaborators are shared by every request of the process."""
        self._gate = gate
        self._settlements = settlements
        self._clock = clock
        self._ids = ids
        self._events = events

    def ticket(self, call: InferenceCall, head: RequestHead, models: Sequence[Model]) -> Ticket:
        """Return an empty ticket with the greatest use the request may come to at any of `models`."""
        if call.operation in FREE_OPERATIONS:
            return Ticket(self, TokenUsage())
        return Ticket(
            self,
            estimate(
                call.body,
                max_output_tokens=head.max_output_tokens,
                model_output_cap=_largest_cap(models),
                choices=head.choices,
                images=head.media.images,
                image_bytes=head.media.image_bytes,
                audio_bytes=head.media.audio_bytes,
            ),
        )

    async def reserve(
        self,
        ticket: Ticket,
        call: InferenceCall,
        caller: Caller,
        model: Model,
        plan: RoutePlan,
        now: RuntimeSnapshot,
    ) -> None:
        """Check every limit of key, user, teams, model and platform in one step.

        The provider's limits join the same step when only one provider can serve the request.

        Args:
            ticket: takes over what is reserved.
            call: the request.
            caller: whose limits are checked.
            model: the one asked for, whichever serves in the end.
            plan: where the request may go.
            now: the configuration of the request.

        Raises:
            LimitExceeded: the first offending label, and when to come back.
        """
        providers = plan.providers
        chain = SubjectChain.for_inference(
            caller,
            model=model.id,
            provider=next(iter(providers)) if len(providers) == 1 else None,
            roles=caller.roles,
        )
        entries = now.limits.bind(chain, call.surface, self._clock.now_ms()).entries
        context = abandoned_context(call, caller)
        await self._reserve(ticket, call, entries, model, plan.models, now, context)

    async def reserve_attempt(
        self,
        ticket: Ticket,
        call: InferenceCall,
        plan: RoutePlan,
        attempt: PlannedAttempt,
        now: RuntimeSnapshot,
    ) -> None:
        """Check what binds one attempt alone, so that a full provider fails over.

        That is its route, its provider where several may be asked, and its model where that is a
        fallback.

        Raises:
            LimitExceeded: one of them is at a limit of its own, or the fallback has no price where
                a budget needs one.
        """
        model = attempt.model
        if attempt.fallback:
            self._check_price(model, ticket.entries, now, call.started_at_ms)
        if not plan.binds_attempts:
            return
        chain = SubjectChain.for_attempt(
            provider=attempt.route.provider_id if len(plan.providers) > 1 else None,
            model=model.id if attempt.fallback else None,
        )
        now_ms = self._clock.now_ms()
        entries = now.limits.bind_attempt(chain, attempt.route, call.surface, now_ms)
        own = Ticket(self, ticket.expected)
        # Without a context: the request's own reservation brings its record.
        await self._reserve(own, call, entries, model, (model,), now, b"")
        ticket.begin_attempt(own)

    def settle(
        self,
        held: Sequence[Reservation],
        local: Sequence[Reservation],
        actual: Spend,
        ended_at_ms: int | None,
    ) -> None:
        """Hand what was used over to the settlement queue; never waits, never fails."""
        now_ms = self._clock.now_ms()
        occurred_at_ms = now_ms if ended_at_ms is None else ended_at_ms
        for reservation in held:
            self._settlements.settle(reservation, actual, occurred_at_ms=occurred_at_ms)
        for reservation in local:
            self._gate.settle_local(reservation, actual, now_ms)

    async def _reserve(
        self,
        ticket: Ticket,
        call: InferenceCall,
        entries: tuple[Entry, ...],
        model: Model,
        models: Sequence[Model],
        now: RuntimeSnapshot,
        context: bytes,
    ) -> None:
        if not entries:
            return
        now_ms = self._clock.now_ms()
        ticket.entries = entries
        _bound_output(call, models, entries)
        mode = FailureMode(now.settings.text("security.rate_limit_fail_closed"))
        self._check_price(model, entries, now, call.started_at_ms)
        # As the record prices it; where several models may serve, at the dearest of them.
        claimed = _greatest(
            [spend_of(ticket.expected, each, call.started_at_ms) for each in models]
        )
        ticket.claimed = claimed if len(models) > 1 else None
        claim = Claim(
            reservation_id=self._ids.new_id(),
            entries=entries,
            estimate=claimed,
            lifetime_ms=RESERVATION_LIFETIME_MS,
            started_at_ms=call.started_at_ms,
            context=context,
        )
        try:
            verdict = await self._gate.admit(
                claim, mode, replicas=now.settings.integer("limits.replicas"), now_ms=now_ms
            )
        except BaseException:
            # The client hung up meanwhile: whether anything was counted is unknown, so give it back.
            unconfirmed = Reservation.unconfirmed(claim, now_ms)
            self._settlements.settle(unconfirmed, NOTHING, occurred_at_ms=now_ms)
            raise
        match verdict:
            case Passed():
                ticket.keep(verdict, entries)
                self._report_shadows(entries, verdict.readings)
                self._settlements.hold(verdict.reservation)
                call.rate_limits = merged(call.rate_limits, tightest(entries, verdict.readings))
                if verdict.failed_open:
                    self._note_failed_open(entries)
            case Rejected():
                self._refuse(verdict, ticket, call, entries)
            case Unavailable(reservation=reservation, verdict=local):
                if reservation is not None:
                    # The check may have been carried out all the same: give back what it took.
                    self._settlements.settle(reservation, NOTHING, occurred_at_ms=now_ms)
                if local is not None:
                    self._refuse(local, ticket, call, entries)
                self._events.failed_closed()
                raise LimitExceeded(
                    UNAVAILABLE_LABEL,
                    retry_after_ms=RETRY_WHEN_UNAVAILABLE_MS,
                    message="Limits cannot be checked right now, so the request was refused.",
                )

    @staticmethod
    def _refuse(
        verdict: Rejected, ticket: Ticket, call: InferenceCall, entries: Sequence[Entry]
    ) -> NoReturn:
        ticket.note_usages(entries, verdict.readings)
        call.rate_limits = merged(call.rate_limits, tightest(entries, verdict.readings))
        raise LimitExceeded(verdict.entry.label, retry_after_ms=verdict.retry_after_ms)

    def _report_shadows(self, entries: Sequence[Entry], readings: Sequence[Reading]) -> None:
        for entry, reading in zip(entries, readings, strict=False):
            if entry.shadow and reading.exceeded:
                self._events.shadow_exceeded(entry.label)

    def _note_failed_open(self, entries: Sequence[Entry]) -> None:
        if any(not isinstance(entry, BudgetEntry) for entry in entries):
            self._events.rules_failed_open()
        if any(isinstance(entry, BudgetEntry) for entry in entries):
            self._events.budgets_failed_open()

    @staticmethod
    def _check_price(
        model: Model, entries: Sequence[Entry], now: RuntimeSnapshot, at_ms: int
    ) -> None:
        if now.settings.text("limits.unknown_price") != "block" or model.prices.at(at_ms):
            return
        for entry in entries:
            if isinstance(entry, BudgetEntry) and entry.unit is BudgetUnit.USD and not entry.shadow:
                raise LimitExceeded(
                    entry.label,
                    retry_after_ms=None,
                    message=f"The model '{model.name}' has no price, and a USD budget applies.",
                )


def _bound_output(call: InferenceCall, models: Sequence[Model], entries: Sequence[Entry]) -> None:
    """Give a request without any bound the one its estimate counts on, where a limit is strict."""
    head = call.head
    if head is None or head.max_output_tokens is not None:
        return
    if all(model.max_output_tokens is not None for model in models):
        return
    if any(_reserves_tokens(entry) for entry in entries):
        call.output_bound = DEFAULT_OUTPUT_TOKENS


def _reserves_tokens(entry: Entry) -> bool:
    return isinstance(entry, WindowEntry | BudgetEntry) and entry.strict and not entry.shadow


def _largest_cap(models: Sequence[Model]) -> int | None:
    """Return the most tokens an answer of any model can have; None as soon as one is unbounded."""
    caps = [model.max_output_tokens for model in models]
    known = [cap for cap in caps if cap is not None]
    return max(known) if known and len(known) == len(caps) else None


def _greatest(spends: Sequence[Spend]) -> Spend:
    return Spend(
        requests=max(spend.requests for spend in spends),
        tokens=max(spend.tokens for spend in spends),
        nano_usd=max(spend.nano_usd for spend in spends),
    )


def spend_of(usage: TokenUsage, model: Model, at_ms: int) -> Spend:
    """Return what `usage` counts against limits: weighted tokens, and cost at the price in force."""
    cost = model.prices.cost(usage, at_ms)
    return Spend(
        requests=1,
        tokens=min(
            weighted_tokens(usage, model.input_multiplier, model.output_multiplier), MAX_COUNT
        ),
        nano_usd=min(cost.total_nano_usd if cost is not None else 0, MAX_COUNT),
    )


def tightest(entries: Sequence[Entry], readings: Sequence[Reading]) -> RateLimits:
    """Return the window rule of each metric with the least left; shadow rules do not show."""
    found: dict[Metric, Reading] = {}
    for entry, reading in zip(entries, readings, strict=False):
        if not isinstance(entry, WindowEntry) or entry.shadow:
            continue
        held = found.get(entry.metric)
        if held is None or reading.remaining < held.remaining:
            found[entry.metric] = reading
    return RateLimits(requests=found.get(Metric.REQUESTS), tokens=found.get(Metric.TOKENS))


def merged(one: RateLimits | None, other: RateLimits) -> RateLimits:
    """Return the tighter of both per metric."""
    if one is None:
        return other
    return RateLimits(
        requests=_tighter(one.requests, other.requests),
        tokens=_tighter(one.tokens, other.tokens),
    )


def _tighter(one: Reading | None, other: Reading | None) -> Reading | None:
    known = [reading for reading in (one, other) if reading is not None]
    return min(known, key=lambda reading: reading.remaining, default=None)
