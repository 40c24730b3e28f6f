"""The exactly-once close of a call: usage, price and record.

A `Settlement` is owned by the call, not by the generator that streams the reply: a generator that
was never started runs no `finally`.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from msgspec import structs

from application.gateway.admission import Ticket
from application.gateway.call import InferenceCall
from application.gateway.kept_responses import KeptResponses
from application.ports.clock import Clock
from application.ports.dialect import PublicError
from application.ports.provider import ReplySummary
from application.ports.records import Journal
from application.ports.response_origins import ResponseOrigin
from application.ports.telemetry import Telemetry
from application.ports.tracing import TracedAttempt, TracedRequest, Tracer
from domain.accounting.estimate import likely_usage
from domain.accounting.pricing import weighted_tokens
from domain.accounting.usage import TokenUsage, UsageSource
from domain.errors import LimitExceeded
from domain.inference.dialect import Operation
from domain.keys.api_key import Caller
from domain.limits.amounts import MAX_COUNT, NOTHING, Spend
from domain.records.events import Attempt, Outcome, RequestRecord
from domain.records.outcomes import error_class_of, error_code_of, outcome_of
from domain.routing.catalog import Model, ProviderSpec, Route

DescribeError = Callable[[BaseException, str], PublicError]
"""Turns an error and a request id into what the client may see; any exception is accepted."""

CLIENT_CLOSED_REQUEST = 499


class Books:
    """What every settlement writes with."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        describe_error: DescribeError,
        instance: str,
        telemetry: Telemetry,
        kept: KeptResponses,
        tracer: Tracer,
    ) -> None:
        """`instance` names this process in its records; `telemetry` counts every final one.

        `kept` learns which answers their providers keep, `tracer` how requests went.
        """
        self.tracer = tracer
        self.kept = kept
        self.journal = journal
        self.clock = clock
        self.describe_error = describe_error
        self.instance = instance
        self.telemetry = telemetry

    def open(self, call: InferenceCall) -> "Settlement":
        """Start the settlement of a call that has just arrived."""
        self.telemetry.request_began()
        call.trace = self.tracer.begin(call.event_id, call.trace)
        return Settlement(call, self)


class Settlement:
    """Collects what a call did and writes its one record.

    Used as a context manager around the pipeline: an exception closes the call. A normal exit
    leaves it open for the reply, which must end with `complete`, `fail` or `cut`.
    """

    def __init__(self, call: InferenceCall, books: Books) -> None:
        """Nothing is written before `admit` or the close."""
        self._call = call
        self._books = books
        self._closed = False
        self._caller: Caller | None = None
        self._model: Model | None = None
        self._route: Route | None = None
        self._provider: ProviderSpec | None = None
        self._attempts: list[Attempt] = []
        self._traced: list[TracedAttempt] = []
        self._dispatched_at: float | None = None
        self._upstream_ended_at: float | None = None
        self._first_content_at: float | None = None
        self._bytes_out = 0
        self._summary: ReplySummary | None = None
        self._ticket: Ticket | None = None
        self._origin: ResponseOrigin | None = None

    def __enter__(self) -> Self:
        """Begin; nothing to do."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the call when the pipeline raised."""
        if error is not None:
            self.fail(error)

    @property
    def closed(self) -> bool:
        """Whether the record has been written."""
        return self._closed

    @property
    def attempts_made(self) -> int:
        """How many attempts have finished: the number of the next one."""
        return len(self._attempts)

    def identify(self, caller: Caller) -> None:
        """Note who calls."""
        self._caller = caller

    def choose_model(self, model: Model) -> None:
        """Note which model was resolved."""
        self._model = model

    def go_on_from(self, origin: ResponseOrigin) -> None:
        """Note which kept answer the request goes on from or is about."""
        self._origin = origin

    @property
    def owes_usage(self) -> bool:
        """Whether the end of the answer tells what a kept one has yet to be charged."""
        origin = self._origin
        retrieves = self._call.operation is Operation.RETRIEVE_RESPONSE
        return retrieves and origin is not None and origin.charged is not None

    def hold(self, ticket: Ticket) -> None:
        """Own what the request reserves; it is settled when the call is closed."""
        self._ticket = ticket

    def admit(self) -> None:
        """Put the admitted request into the journal, where it may wait before it is dispatched.

        Raises:
            ServiceUnavailable: the journal is full.
        """
        self._books.journal.open(self._record_if_abandoned())

    def dispatch_to(self, route: Route, provider: ProviderSpec, model: Model) -> None:
        """Note the route that is tried now, in the journal too: this process may die waiting.

        `model` is charged; it is another than the one asked for when that has fallen back.
        """
        if self._dispatched_at is None:
            self._dispatched_at = self._books.clock.monotonic()
        self._route = route
        self._provider = provider
        self._model = model
        # Those of an earlier attempt, whose reply nobody will see.
        self._summary = None
        self._first_content_at = None
        self._books.journal.open(self._record_if_abandoned())

    def note_attempt(self, attempt: Attempt) -> None:
        """Add a finished attempt."""
        self._attempts.append(attempt)
        if self._call.trace.recorded:
            self._traced.append(self._trace_of(attempt))

    def note_cut(self, error_class: str) -> None:
        """Note that the attempt whose answer was being relayed failed after all."""
        self._attempts[-1] = cut = structs.replace(self._attempts[-1], error_class=error_class)
        if self._traced:
            self._traced[-1] = structs.replace(self._traced[-1], attempt=cut)

    def note_first_content(self) -> None:
        """Note the moment at which generated content first arrived."""
        if self._first_content_at is None:
            self._first_content_at = self._books.clock.monotonic()

    def note_sent(self, size: int) -> None:
        """Count bytes handed to the client's connection."""
        self._bytes_out += size

    def note_summary(self, summary: ReplySummary) -> None:
        """Keep the live summary of the reply that is being relayed."""
        self._summary = summary

    def complete(self, status: int) -> None:
        """Close the call as answered in full."""
        self._upstream_ended_at = self._books.clock.monotonic()
        self._close(outcome=Outcome.OK, status=status)

    def fail(self, error: BaseException, *, status: int | None = None) -> None:
        """Close the call as ended by `error`; `status` is what the client already got, if any."""
        if isinstance(error, asyncio.CancelledError):
            self.cut()
            return
        if status is None and self._call.committed:
            status = 200
        if status is None:
            public = self._books.describe_error(error, self._call.request_id)
            status = self._call.codec.error_status(public)
        self._close(
            outcome=outcome_of(error),
            status=status,
            error_class=error_class_of(error),
            error_code=error_code_of(error),
            limit_label=error.label if isinstance(error, LimitExceeded) else "",
        )

    def cut(self) -> None:
        """Close the call as cut short: by the client, or by this process shutting down."""
        if self._call.client_gone:
            self._close(
                outcome=Outcome.CLIENT_CANCELLED,
                status=CLIENT_CLOSED_REQUEST,
                error_class="client_cancelled",
                error_code="client_disconnected",
            )
        else:
            self._close(
                outcome=Outcome.ABANDONED,
                status=0,
                error_class="shutdown",
                error_code="gateway_shutdown",
            )

    def _close(
        self,
        *,
        outcome: Outcome,
        status: int,
        error_class: str = "",
        error_code: str = "",
        limit_label: str = "",
    ) -> None:
        if self._closed:
            return
        self._closed = True
        record = self._record(
            outcome=outcome,
            status=status,
            error_class=error_class,
            error_code=error_code,
            limit_label=limit_label,
            charged=self._rest_of_kept(),
        )
        if self._ticket is not None:
            self._ticket.settle(self._spend(record), ended_at_ms=record.ended_at_ms)
        self._books.journal.close(record)
        self._note_kept(outcome)
        model = self._model
        name = "" if model is None or model.guessed else model.name  # no label of clients' making
        self._books.telemetry.request_ended(record, model=name)
        if record.outcome is Outcome.RATE_LIMITED:
            self._books.telemetry.rate_limited(record.limit_label)
        if self._call.trace.recorded:
            traced = TracedRequest(
                record=record, context=self._call.trace, attempts=tuple(self._traced)
            )
            self._books.tracer.request_ended(traced)

    def _trace_of(self, attempt: Attempt) -> TracedAttempt:
        provider = self._provider
        if provider is not None and provider.name != attempt.provider:
            provider = None  # this one was refused by a limit before anything was dispatched
        return TracedAttempt(
            attempt=attempt,
            provider_kind=provider.kind if provider is not None else "",
            base_url=provider.base_url if provider is not None else None,
            ended_ms=_milliseconds(self._books.clock.monotonic() - self._call.started),
        )

    def _note_kept(self, outcome: Outcome) -> None:
        """Remember where an answer is kept, however it ended; forget one that was deleted."""
        head, caller, summary = self._call.head, self._caller, self._summary
        if head is None or caller is None:
            return
        if self._call.operation is Operation.DELETE_RESPONSE:
            if outcome is Outcome.OK and head.continues:
                self._books.kept.forget(head.continues)
        elif head.stored and summary is not None and summary.reply_id and self._provider:
            self._books.kept.remember(
                ResponseOrigin(
                    response_id=summary.reply_id,
                    provider_id=self._provider.id,
                    model=head.model,
                    lineage_id=caller.lineage_id,
                    user_id=caller.user_id or "",
                    charged=self._usage(outcome)[0] if summary.usage is None else None,
                )
            )

    def _rest_of_kept(self) -> tuple[TokenUsage, UsageSource] | None:
        """Return what an answer took beyond what it was charged at, when that is told only now."""
        origin, summary = self._origin, self._summary
        if origin is None or summary is None or summary.kept_usage is None:
            return None
        rest = self._books.kept.rest_to_charge(origin, summary.kept_usage)
        return (rest, UsageSource.PROVIDER) if rest is not None else None

    def _spend(self, record: RequestRecord) -> Spend:
        """Return what the request counts against limits: exactly what its record says."""
        if self._dispatched_at is None:
            return NOTHING
        return Spend(
            requests=1,
            tokens=min(record.weighted_tokens, MAX_COUNT),
            nano_usd=min(record.cost_nano_usd, MAX_COUNT),
        )

    def _record_if_abandoned(self) -> RequestRecord:
        """Return the record should this process die now.

        Its usage, and that it takes no time, is what the sweeper goes by, so that record and
        counters agree.
        """
        ticket = self._ticket
        expected = (ticket.expected, UsageSource.ESTIMATED) if ticket is not None else None
        record = self._record(outcome=Outcome.ABANDONED, status=0, charged=expected, ended=False)
        if ticket is None or ticket.claimed is None:
            return record
        # The sweeper charges what was claimed, whichever model was tried when the process died.
        return structs.replace(
            record,
            weighted_tokens=ticket.claimed.tokens,
            cost_nano_usd=ticket.claimed.nano_usd,
            cost_by_kind_nano_usd={},
        )

    def _usage(self, outcome: Outcome) -> tuple[TokenUsage, UsageSource]:
        summary = self._summary
        if summary is not None and summary.usage is not None:
            return summary.usage, UsageSource.PROVIDER
        head = self._call.head
        if head is None:
            return TokenUsage(), UsageSource.NONE
        if self._dispatched_at is None or (
            summary is None and outcome not in _MAY_HAVE_BEEN_BILLED
        ):
            return TokenUsage(), UsageSource.NONE
        usage = likely_usage(
            self._call.body,
            summary.output_characters if summary is not None else 0,
            images=head.media.images,
            image_bytes=head.media.image_bytes,
            audio_bytes=head.media.audio_bytes,
        )
        return usage, UsageSource.ESTIMATED

    def _record(
        self,
        *,
        outcome: Outcome,
        status: int,
        error_class: str = "",
        error_code: str = "",
        limit_label: str = "",
        charged: tuple[TokenUsage, UsageSource] | None = None,
        ended: bool = True,
    ) -> RequestRecord:
        call, caller, model = self._call, self._caller, self._model
        route, provider, summary = self._route, self._provider, self._summary
        now = self._books.clock.monotonic() if ended else call.started
        usage, source = charged or self._usage(outcome)
        cost = model.prices.cost(usage, call.started_at_ms) if model is not None else None
        weighted = (
            weighted_tokens(usage, model.input_multiplier, model.output_multiplier)
            if model is not None
            else 0
        )
        duration_s = now - call.started
        # Texts of a caller's choosing are kept for known callers only: nobody else may fill disks.
        upstream_s = (
            (self._upstream_ended_at or now) - self._dispatched_at
            if self._dispatched_at is not None and ended
            else 0.0
        )
        return RequestRecord(
            event_id=call.event_id,
            started_at_ms=call.started_at_ms,
            request_id=call.request_id,
            trace_id=call.trace.trace_id,
            session_id=call.session_id if caller is not None else "",
            surface=call.surface,
            operation=call.operation,
            dialect_in=call.codec.dialect,
            dialect_out=summary.dialect_out if summary is not None else "",
            stream=call.head.stream if call.head is not None else False,
            key_id=caller.key_id if caller is not None else "",
            key_lineage=caller.lineage_id if caller is not None else "",
            key_name=caller.key_name if caller is not None else "",
            user_id=(caller.user_id or "") if caller is not None else "",
            user_email=(caller.user_email or "") if caller is not None else "",
            team_ids=caller.team_ids if caller is not None else (),
            team_names=caller.team_names if caller is not None else (),
            cost_centre=(caller.cost_centre or "") if caller is not None else "",
            end_user=(call.head.end_user or "") if call.head is not None else "",
            client_name=call.client_name if caller is not None else "",
            client_version=call.client_version if caller is not None else "",
            client_ip=call.client_ip,
            model_requested=call.head.model if call.head is not None else "",
            model_served=(summary.model if summary is not None else "")
            or (route.upstream_model if route is not None else ""),
            provider=provider.name if provider is not None else "",
            provider_kind=provider.kind if provider is not None else "",
            route_id=route.id if route is not None else "",
            attempts=tuple(self._attempts),
            status=status,
            outcome=outcome,
            error_class=error_class,
            error_code=error_code,
            limit_label=limit_label,
            limit_usages=self._ticket.usages if self._ticket is not None else {},
            finish_reason=summary.finish_reason if summary is not None else "",
            tokens_input_uncached=usage.input_uncached,
            tokens_cache_read=usage.cache_read,
            tokens_cache_write_5m=usage.cache_write_5m,
            tokens_cache_write_1h=usage.cache_write_1h,
            tokens_audio_in=usage.audio_in,
            tokens_output=usage.output,
            tokens_reasoning=usage.reasoning,
            tokens_audio_out=usage.audio_out,
            usage_source=source,
            weighted_tokens=weighted,
            cost_nano_usd=cost.total_nano_usd if cost is not None else 0,
            cost_by_kind_nano_usd=cost.by_kind if cost is not None else {},
            price_id=(cost.price_id or "") if cost is not None else "",
            price_known=cost is not None,
            ttft_ms=_milliseconds(self._first_content_at - call.started)
            if self._first_content_at is not None
            else None,
            duration_ms=_milliseconds(duration_s),
            upstream_ms=_milliseconds(upstream_s),
            gateway_ms=_milliseconds(duration_s - upstream_s),
            bytes_in=len(call.body),
            bytes_out=self._bytes_out,
            tags=call.tags if caller is not None else {},
            instance=self._books.instance,
        )


# Without a word from the provider: these may have cost tokens all the same, so they are estimated.
_MAY_HAVE_BEEN_BILLED = frozenset({Outcome.CLIENT_CANCELLED, Outcome.ABANDONED, Outcome.TIMEOUT})


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
