"""Tries the routes of a model until one answers; fails over until the first content.

A plain answer is collected whole, and a stream is held back until generated content shows, so that
a provider's error before that is a real HTTP status or another route's turn.
"""

from collections.abc import AsyncIterator, Sequence

from msgspec import Struct, structs

from application.gateway.admission import Admission, Ticket
from application.gateway.call import InferenceCall
from application.gateway.settlement import Settlement
from application.ports.clock import Clock, Randomness
from application.ports.provider import Provider, ProviderCall, UpstreamReply
from application.ports.upstream import UpstreamTimeouts
from application.runtime.snapshot import RuntimeSnapshot
from domain.errors import (
    DomainError,
    LimitExceeded,
    ServiceUnavailable,
    UnsupportedField,
    UpstreamFailure,
    UpstreamProtocolError,
    UpstreamRejected,
)
from domain.inference.head import RequestHead
from domain.records.events import Attempt
from domain.records.outcomes import error_class_of
from domain.routing.catalog import Model, ProviderSpec, Route
from domain.routing.strategy import weighted_order
from domain.settings.catalog import Settings

HOLD_BACK_BYTES = 64 * 1024


class OpenedReply(Struct, frozen=True, kw_only=True):
    """A reply that may be shown to the client.

    Attributes:
        reply: the provider's reply.
        head: bytes to forward first; the whole body of a plain answer.
        rest: the remaining body as received, or None when `head` is everything.
        drain_s: how long the rest is read on for the books alone when the client has gone; 0 to
            leave it.
    """

    reply: UpstreamReply
    head: bytes
    rest: AsyncIterator[bytes] | None
    drain_s: float = 0.0


class Dispatcher:
    """Route order and fail-over."""

    def __init__(self, clock: Clock, randomness: Randomness, admission: Admission) -> None:
        """`randomness` draws among the routes of a tier; `admission` checks providers' limits."""
        self._admission = admission
        self._clock = clock
        self._randomness = randomness

    async def first_content(
        self,
        call: InferenceCall,
        head: RequestHead,
        model: Model,
        routes: Sequence[Route],
        ticket: Ticket,
        now: RuntimeSnapshot,
        settlement: Settlement,
    ) -> OpenedReply:
        """Return the first reply of any route that has something to show.

        Raises:
            UpstreamFailure: the last route's failure, or at once one that is the request's fault.
            UnsupportedField: no route's provider has a place for something of the request.
            ServiceUnavailable: the model has no usable route.
        """
        failure: UpstreamFailure | LimitExceeded | None = None
        unsupported: UnsupportedField | None = None
        # With one provider its limits were checked together with the others.
        per_attempt = len({route.provider_id for route in routes}) > 1
        for route in weighted_order(routes, self._randomness.roll()):
            provider = now.providers.get(route.provider_id)
            if provider is None:
                continue
            spec = now.catalog.providers[route.provider_id]
            started = self._clock.monotonic()
            try:
                if per_attempt:
                    ticket.begin_attempt(
                        await self._admission.reserve_provider(
                            ticket.expected, call, route.provider_id, model, now
                        )
                    )
                settlement.dispatch_to(route, spec)
                opened = await self._open(call, head, route, provider, now.settings, settlement)
            except UnsupportedField as error:
                # Nothing was sent. Another route's provider may have a place for it.
                ticket.drop_attempt()
                unsupported = error
                continue
            except (UpstreamFailure, LimitExceeded) as error:
                settlement.note_attempt(self._attempt(route, spec, started, error))
                if isinstance(error, UpstreamRejected):
                    raise
                failure = _more_telling(failure, error)
                continue
            settlement.note_attempt(self._attempt(route, spec, started, None))
            if spec.options.get("on_disconnect") == "drain" or settlement.owes_usage:
                drain_s = now.settings.integer("upstream.drain_timeout_ms") / 1000
                opened = structs.replace(opened, drain_s=drain_s)
            return opened
        if failure is not None:
            raise failure
        if unsupported is not None:
            raise unsupported
        raise ServiceUnavailable(f"No provider can serve the model '{model.name}' right now.")

    async def _open(
        self,
        call: InferenceCall,
        head: RequestHead,
        route: Route,
        provider: Provider,
        settings: Settings,
        settlement: Settlement,
    ) -> OpenedReply:
        max_reply_bytes = settings.integer("gateway.max_reply_bytes")
        reply = await provider.open(
            ProviderCall(
                codec=call.codec,
                operation=call.operation,
                body=call.body,
                content_type=call.content_type,
                head=head,
                target=call.target,
                dialect_headers=call.dialect_headers,
                upstream_model=route.upstream_model,
                request_id=call.request_id,
                reply_id=call.event_id,
                created_s=call.started_at_ms // 1000,
                timeouts=_timeouts(settings),
                max_reply_bytes=max_reply_bytes,
                output_bound=call.output_bound,
            )
        )
        settlement.note_summary(reply.scanner.summary)
        try:
            if head.stream:
                return await self._stream_head(reply, settlement)
            return await self._whole(reply, settlement, max_reply_bytes)
        except BaseException:
            await reply.aclose()
            raise

    async def _whole(self, reply: UpstreamReply, settlement: Settlement, limit: int) -> OpenedReply:
        parts: list[bytes] = []
        size = 0
        async for chunk in reply.chunks():
            settlement.note_first_content()
            size += len(chunk)
            if size > limit:
                raise UpstreamProtocolError(f"answer larger than {limit} bytes")
            if part := reply.scanner.feed(chunk):
                parts.append(part)
        parts.append(reply.scanner.finish())
        await reply.aclose()
        return OpenedReply(reply=reply, head=b"".join(parts), rest=None)

    async def _stream_head(self, reply: UpstreamReply, settlement: Settlement) -> OpenedReply:
        held: list[bytes] = []
        size = 0
        chunks = reply.chunks()
        async for chunk in chunks:
            part = reply.scanner.feed(chunk)
            held.append(part)
            size += len(part)
            if reply.scanner.summary.content_started:
                settlement.note_first_content()
                return OpenedReply(reply=reply, head=b"".join(held), rest=chunks)
            if size > HOLD_BACK_BYTES:
                return OpenedReply(reply=reply, head=b"".join(held), rest=chunks)
        held.append(reply.scanner.finish())
        await reply.aclose()
        return OpenedReply(reply=reply, head=b"".join(held), rest=None)

    def _attempt(
        self, route: Route, spec: ProviderSpec, started: float, error: DomainError | None
    ) -> Attempt:
        return Attempt(
            route_id=route.id,
            provider=spec.name,
            upstream_model=route.upstream_model,
            status=_status_of(error),
            duration_ms=round((self._clock.monotonic() - started) * 1000, 3),
            error_class="" if error is None else error_class_of(error),
        )


def _more_telling(
    known: UpstreamFailure | LimitExceeded | None, error: UpstreamFailure | LimitExceeded
) -> UpstreamFailure | LimitExceeded:
    """Return what the client is told: a provider's failure before a limit, the shortest wait."""
    if isinstance(error, LimitExceeded):
        if isinstance(known, LimitExceeded):
            return min(known, error, key=_wait_ms)
        return known or error
    return error


def _wait_ms(error: LimitExceeded) -> float:
    return float("inf") if error.retry_after_ms is None else error.retry_after_ms


def _status_of(error: DomainError | None) -> int:
    """Return the HTTP status the provider gave, 0 when it gave none."""
    if error is None:
        return 200
    status = getattr(error, "status", None)
    return status if isinstance(status, int) else 0


def _timeouts(settings: Settings) -> UpstreamTimeouts:
    return UpstreamTimeouts(
        connect=settings.integer("upstream.connect_timeout_ms") / 1000,
        first_byte=settings.integer("upstream.first_byte_timeout_ms") / 1000,
        idle=settings.integer("upstream.idle_timeout_ms") / 1000,
        total=settings.integer("upstream.total_timeout_ms") / 1000,
    )
