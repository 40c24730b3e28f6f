"""Tries the routes of a plan until one answers; fails over until the first content."""

import asyncio
from dataclasses import dataclass

from msgspec import structs

from application.gateway.admission import Admission, Ticket
from application.gateway.attempt import RunningAttempt
from application.gateway.call import InferenceCall
from application.gateway.opening import OpenedReply, open_reply
from application.gateway.settlement import Settlement
from application.gateway.told_failures import ToldFailures
from application.ports.clock import Clock, Randomness
from application.runtime.snapshot import RuntimeSnapshot
from domain.errors import DomainError
from domain.inference.head import RequestHead
from domain.records.events import Attempt
from domain.routing.board import HealthBoard
from domain.routing.catalog import ProviderSpec
from domain.routing.failures import Failure, FailureClass
from domain.routing.plan import PlannedAttempt, RoutePlan
from domain.routing.retry import Retries, Stop
from domain.routing.tracker import AttemptLease
from domain.routing.tuning import retry_policy
from domain.settings.catalog import Settings


@dataclass(slots=True, kw_only=True)
class _Request:
    """One request while it is being dispatched; `began_s` is monotonic."""

    call: InferenceCall
    head: RequestHead
    plan: RoutePlan
    ticket: Ticket
    now: RuntimeSnapshot
    settlement: Settlement
    retries: Retries
    told: ToldFailures
    began_s: float


class Dispatcher:
    """Attempts, pauses and fail-over."""

    def __init__(
        self, clock: Clock, randomness: Randomness, admission: Admission, board: HealthBoard
    ) -> None:
        """`randomness` draws pauses; `admission` checks the limits of attempts.

        `board` gives leave for each attempt and learns how it went.
        """
        self._admission = admission
        self._board = board
        self._clock = clock
        self._randomness = randomness

    async def first_content(
        self,
        call: InferenceCall,
        head: RequestHead,
        plan: RoutePlan,
        ticket: Ticket,
        now: RuntimeSnapshot,
        settlement: Settlement,
    ) -> OpenedReply:
        """Return the first reply of any route that has something to show.

        A pause before an attempt ends with the request: when its client hangs up, it is cancelled.

        Raises:
            UpstreamRejected, InvalidRequest: at once, for the request's own fault.
            DomainError: the most telling failure of all attempts.
        """
        now_ms = self._clock.now_ms()
        request = _Request(
            call=call,
            head=head,
            plan=plan,
            ticket=ticket,
            now=now,
            settlement=settlement,
            retries=plan.retries(retry_policy(now.settings), now_ms),
            told=ToldFailures(plan),
            began_s=self._clock.monotonic(),
        )
        planned = {attempt.route.id: attempt for attempt in plan.attempts}
        while True:
            step = request.retries.next(now_ms, self._randomness.roll())
            if isinstance(step, Stop):
                raise request.told.told(step)
            if step.wait_ms:
                await asyncio.sleep(step.wait_ms / 1000)
                # A timer may ring a little early; the route's cool-down would not be over yet.
                now_ms = max(self._clock.now_ms(), now_ms + step.wait_ms)
            opened = await self._try(request, planned[step.route_id], now_ms)
            if opened is not None:
                return opened
            now_ms = self._clock.now_ms()

    def _lease(
        self, request: _Request, planned: PlannedAttempt, now_ms: int
    ) -> AttemptLease | None:
        """Return leave for an attempt, None when another route is to be tried instead."""
        route_id = planned.route.id
        lease = self._board.begin(route_id, now_ms, last_resort=planned.last_resort)
        if lease is None and planned is request.plan.attempts[-1] and not request.retries.attempts:
            # Of many requests planned on a route that is half-open one gets the probe. Where there
            # is no other route the rest ask all the same, once, rather than be refused unasked.
            request.retries.once |= {route_id}
            lease = self._board.begin(route_id, now_ms, last_resort=True)
        return lease

    async def _try(
        self, request: _Request, planned: PlannedAttempt, now_ms: int
    ) -> OpenedReply | None:
        """Return what a route has to show, None when another attempt may be made."""
        route, now, settlement = planned.route, request.now, request.settlement
        provider = now.providers.get(route.provider_id)
        lease = None
        if provider is not None:
            lease = self._lease(request, planned, now_ms)
        if provider is None or lease is None:
            request.retries.skipped(route.id)
            return None
        spec = now.catalog.providers[route.provider_id]
        attempt = RunningAttempt(lease, self._clock, streamed=request.head.stream)
        try:
            await self._admission.reserve_attempt(
                request.ticket, request.call, request.plan, planned, now
            )
            settlement.dispatch_to(route, spec, planned.model)
            opened = await open_reply(
                request.call,
                request.head,
                planned,
                provider,
                attempt,
                settlement,
                now.settings,
                spent_s=self._clock.monotonic() - request.began_s,
            )
        except BaseException as error:
            failure, wait_ms = attempt.failed(error)
            attempt.end()
            settlement.note_attempt(_noted(planned, spec, attempt, failure, error))
            if failure.kind is FailureClass.UNSUPPORTED:
                request.ticket.drop_attempt()  # nothing was sent
            if failure.treatment.is_final or not isinstance(error, DomainError):
                raise
            request.told.add(error, failure)
            request.retries.failed(route.id, failure, self._clock.now_ms(), wait_ms=wait_ms)
            return None
        settlement.note_attempt(_noted(planned, spec, attempt, None, None))
        return structs.replace(opened, drain_s=_drain_s(spec, now.settings, settlement))


def _drain_s(spec: ProviderSpec, settings: Settings, settlement: Settlement) -> float:
    """Return how long an answer is read on when its client has gone."""
    if spec.options.get("on_disconnect") == "drain" or settlement.owes_usage:
        return settings.integer("upstream.drain_timeout_ms") / 1000
    return 0.0


def _noted(
    planned: PlannedAttempt,
    spec: ProviderSpec,
    attempt: RunningAttempt,
    failure: Failure | None,
    error: BaseException | None,
) -> Attempt:
    return Attempt(
        route_id=planned.route.id,
        provider=spec.name,
        upstream_model=planned.route.upstream_model,
        status=_status_of(error),
        duration_ms=round(attempt.age_ms, 3),
        error_class="" if failure is None else failure.kind.value,
    )


def _status_of(error: BaseException | None) -> int:
    """Return the HTTP status the provider gave, 0 when it gave none."""
    if error is None:
        return 200
    status = getattr(error, "status", None)
    return status if isinstance(status, int) else 0
