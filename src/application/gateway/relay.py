"""From the provider's reply to the client's bytes, settling the call on the way."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from application.gateway.call import InferenceCall, Reply
from application.gateway.opening import OpenedReply
from application.gateway.pump import Pump
from application.gateway.settlement import Books, Settlement
from application.runtime.supervisor import TaskSupervisor
from domain.errors import DomainError

READ_OUT_S = 1.0


class Relay:
    """Hands a reply over to the client in the caller's dialect."""

    def __init__(self, books: Books, tasks: TaskSupervisor) -> None:
        """`books` describes errors that end a running stream.

        `tasks` read answers to their end for which nobody waits any more.
        """
        self._books = books
        self._tasks = tasks

    def reply(self, call: InferenceCall, opened: OpenedReply, settlement: Settlement) -> Reply:
        """Return the reply to send; from here on it owns the end of the call."""
        upstream = opened.reply
        headers = list(upstream.headers)
        if opened.rest is None:
            settlement.note_sent(len(opened.head))
            # Written before the last byte goes out; nothing that follows can fail any more.
            settlement.complete(upstream.status)
            return Reply(
                status=upstream.status,
                headers=headers,
                body=opened.head,
                close=upstream.aclose,
            )

        attempt = opened.attempt
        pump = Pump(opened.rest, self._tasks) if opened.drain_s else None
        rest = opened.rest if pump is None else pump.chunks()

        async def close() -> None:
            if (
                pump is not None
                and call.client_gone
                and not upstream.scanner.summary.terminated
                and not settlement.closed
            ):
                self._tasks.run_once("drain-answer", drain(pump))
                return
            try:
                if upstream.scanner.summary.terminated:
                    await _read_out(rest if pump is None else pump.chunks())
            finally:  # however the reading out ends, this process may have no time left
                settlement.cut()  # no effect when the stream ended by itself
                attempt.end()
                if pump is not None:
                    pump.stop()
                await upstream.aclose()

        async def drain(pump: Pump) -> None:
            try:
                await pump.drain(upstream, opened.drain_s)
            finally:
                pump.stop()
                settlement.cut()
                attempt.end()
                await upstream.aclose()

        return Reply(
            status=upstream.status,
            headers=headers,
            chunks=self._stream(call, opened, rest, settlement),
            close=close,
        )

    async def _stream(
        self,
        call: InferenceCall,
        opened: OpenedReply,
        rest: AsyncIterator[bytes],
        settlement: Settlement,
    ) -> AsyncGenerator[bytes]:
        upstream, scanner, attempt = opened.reply, opened.reply.scanner, opened.attempt
        summary = scanner.summary
        try:
            settlement.note_sent(len(opened.head))
            if summary.terminated:
                settlement.complete(upstream.status)
            yield opened.head
            if summary.terminated:
                return
            async for chunk in rest:
                part = scanner.feed(chunk)
                if summary.content_started:
                    settlement.note_first_content()
                    attempt.answered()
                settlement.note_sent(len(part))
                if summary.terminated:
                    # Clients hang up here, and providers may keep the connection open: the answer
                    # is complete with its terminator, not with the end of the connection.
                    attempt.answered()
                    settlement.complete(upstream.status)
                    yield part
                    return
                if part:
                    yield part
            tail = scanner.finish()
            settlement.note_sent(len(tail))
        except DomainError as error:
            # Content is out already: the stream ends with the dialect's error event, never as a
            # well-formed short answer.
            public = self._books.describe_error(error, call.request_id)
            event = call.codec.stream_error(public)
            failure, _ = attempt.failed(error, content_started=True)
            settlement.note_cut(failure.kind.value)
            settlement.note_sent(len(event))
            settlement.fail(error, status=upstream.status)
            if not event:
                raise  # bytes that hold no words, such as a sound: they must look cut
            yield event
            return
        attempt.answered()  # also an answer without any content is one
        settlement.complete(upstream.status)
        if tail:
            yield tail


async def _read_out(rest: AsyncIterator[bytes]) -> None:
    """Read what follows the terminator, briefly, so that the connection can be used again."""
    try:
        async with asyncio.timeout(READ_OUT_S):
            async for _ in rest:
                pass
    except (TimeoutError, DomainError):
        pass  # then it is closed instead
