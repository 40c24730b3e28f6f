"""One attempt at one route, up to an answer that may be shown.

A plain answer is collected whole, and a stream is held back until generated content shows, so that
a provider's error before that is a real HTTP status or another route's turn.
"""

from collections.abc import AsyncIterator

from msgspec import Struct

from application.gateway.attempt import RunningAttempt
from application.gateway.call import InferenceCall
from application.gateway.settlement import Settlement
from application.ports.provider import Provider, ProviderCall, UpstreamReply
from application.ports.upstream import UpstreamTimeouts
from domain.errors import UpstreamProtocolError
from domain.inference.head import RequestHead
from domain.routing.plan import PlannedAttempt
from domain.settings.catalog import Settings

HOLD_BACK_BYTES = 64 * 1024
LEAST_TOTAL_S = 1.0
"""An attempt that may begin is given at least so long."""


class OpenedReply(Struct, frozen=True, kw_only=True):
    """A reply that may be shown to the client.

    Attributes:
        reply: the provider's reply.
        attempt: what it came from; whoever closes the reply ends it.
        head: bytes to forward first; the whole body of a plain answer.
        rest: the remaining body as received, or None when `head` is everything.
        drain_s: how long the rest is read on for the books alone when the client has gone; 0 to
            leave it.
    """

    reply: UpstreamReply
    attempt: RunningAttempt
    head: bytes
    rest: AsyncIterator[bytes] | None
    drain_s: float = 0.0


async def open_reply(
    call: InferenceCall,
    head: RequestHead,
    planned: PlannedAttempt,
    provider: Provider,
    attempt: RunningAttempt,
    settlement: Settlement,
    settings: Settings,
    *,
    spent_s: float,
) -> OpenedReply:
    """Return the route's answer once there is something to show.

    Args:
        call: the request.
        head: what was read of it.
        planned: route and model.
        provider: the route's.
        attempt: is told when content comes.
        settlement: learns what the answer says of itself.
        settings: for the bounds of an exchange.
        spent_s: how long earlier attempts took: the bound on the whole is theirs together.

    Raises:
        DomainError: as `Provider.open`, and what comes instead of the rest of an answer.
    """
    max_reply_bytes = settings.integer("gateway.max_reply_bytes")
    bounded_by_model = planned.model.max_output_tokens is not None
    reply = await provider.open(
        ProviderCall(
            codec=call.codec,
            operation=call.operation,
            body=call.body,
            content_type=call.content_type,
            head=head,
            target=call.target,
            dialect_headers=call.dialect_headers,
            upstream_model=planned.route.upstream_model,
            request_id=call.request_id,
            trace_headers=call.trace.upstream_headers(call.event_id, settlement.attempts_made),
            reply_id=call.event_id,
            created_s=call.started_at_ms // 1000,
            timeouts=_timeouts(settings, spent_s),
            max_reply_bytes=max_reply_bytes,
            output_bound=None if bounded_by_model else call.output_bound,
        )
    )
    settlement.note_summary(reply.scanner.summary)
    try:
        if head.stream:
            return await _stream_head(reply, attempt, settlement)
        return await _whole(reply, attempt, settlement, max_reply_bytes)
    except BaseException:
        await reply.aclose()
        raise


async def _whole(
    reply: UpstreamReply, attempt: RunningAttempt, settlement: Settlement, limit: int
) -> OpenedReply:
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
    return await _complete(reply, attempt, parts)


async def _stream_head(
    reply: UpstreamReply, attempt: RunningAttempt, settlement: Settlement
) -> OpenedReply:
    held: list[bytes] = []
    size = 0
    chunks = reply.chunks()
    async for chunk in chunks:
        part = reply.scanner.feed(chunk)
        held.append(part)
        size += len(part)
        if reply.scanner.summary.content_started:
            settlement.note_first_content()
            attempt.answered()
            return OpenedReply(reply=reply, attempt=attempt, head=b"".join(held), rest=chunks)
        if size > HOLD_BACK_BYTES:
            return OpenedReply(reply=reply, attempt=attempt, head=b"".join(held), rest=chunks)
    held.append(reply.scanner.finish())
    return await _complete(reply, attempt, held)


async def _complete(
    reply: UpstreamReply, attempt: RunningAttempt, parts: list[bytes]
) -> OpenedReply:
    attempt.answered()
    await reply.aclose()
    attempt.end()
    return OpenedReply(reply=reply, attempt=attempt, head=b"".join(parts), rest=None)


def _timeouts(settings: Settings, spent_s: float) -> UpstreamTimeouts:
    total = settings.integer("upstream.total_timeout_ms") / 1000
    return UpstreamTimeouts(
        connect=settings.integer("upstream.connect_timeout_ms") / 1000,
        first_byte=settings.integer("upstream.first_byte_timeout_ms") / 1000,
        idle=settings.integer("upstream.idle_timeout_ms") / 1000,
        total=min(total, max(LEAST_TOTAL_S, total - spent_s)),
    )
