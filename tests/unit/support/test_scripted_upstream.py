"""The scripted upstream is a measuring instrument; here it is calibrated against plain sockets."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.answers import Drop, Reset, Send, Stall, Tell, Wait, answer, raw, stream
from tests.support.openai_bodies import completion, openai_stream, rate_limited
from tests.support.scripted_upstream import ScriptedUpstream

REQUEST = b'POST /v1/x?y=1 HTTP/1.1\r\nHost: a\r\nX-Odd: "\xe9"\r\nContent-Length: 7\r\n\r\n{"a":1}'


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as running:
        yield running
        assert running.errors == []


async def _exchange(upstream: ScriptedUpstream, request: bytes = REQUEST) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
    try:
        writer.write(request)
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()


async def test_a_request_is_recorded_exactly_as_it_came(upstream: ScriptedUpstream) -> None:
    upstream.enqueue(answer(keep_alive=False))
    await _exchange(upstream)
    request = await upstream.next_request()
    assert (request.method, request.target, request.path) == ("POST", "/v1/x?y=1", "/v1/x")
    assert request.headers == (("Host", "a"), ("X-Odd", '"\xe9"'), ("Content-Length", "7"))
    assert request.body == b'{"a":1}'
    assert request.connection == 1


async def test_a_chunked_request_body_is_put_together(upstream: ScriptedUpstream) -> None:
    upstream.enqueue(answer(keep_alive=False))
    await _exchange(
        upstream,
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
    )
    assert (await upstream.next_request()).body == b"abcde"


async def test_answers_are_given_in_the_order_queued_and_then_the_standing_one(
    upstream: ScriptedUpstream,
) -> None:
    upstream.enqueue(answer(201), rate_limited(3))
    upstream.always(answer(204))
    async with httpx.AsyncClient(base_url=upstream.url) as client:
        replies = [await client.get("/") for _ in range(4)]
    assert [reply.status_code for reply in replies] == [201, 429, 204, 204]
    assert replies[1].headers["retry-after"] == "3"
    assert upstream.connections == 1


async def test_bytes_split_anywhere_are_still_the_same_bytes(upstream: ScriptedUpstream) -> None:
    whole = answer(200, body=completion(), keep_alive=False)
    upstream.enqueue(whole, whole.split(1), whole.cut_at([1, 17, 18, 200]))
    first, second, third = [await _exchange(upstream) for _ in range(3)]
    assert first == second == third


async def test_pieces_reach_a_reader_in_the_same_loop_one_by_one(
    upstream: ScriptedUpstream,
) -> None:
    upstream.enqueue(raw(b"abcdef").split(2))
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
    writer.write(REQUEST)
    async with asyncio.timeout(5):
        pieces = [await reader.read(100) for _ in range(4)]
    writer.close()
    assert pieces == [b"ab", b"cd", b"ef", b""]


async def test_a_gate_holds_the_rest_of_a_stream_back_until_it_opens(
    upstream: ScriptedUpstream,
) -> None:
    gate, held = asyncio.Event(), asyncio.Event()
    upstream.enqueue(stream(["data: 1\n\n", Tell(held), Wait(gate), "data: 2\n\n"]))
    async with (
        httpx.AsyncClient() as client,
        client.stream("GET", upstream.url) as reply,
    ):
        chunks = reply.aiter_raw()
        assert await anext(chunks) == b"data: 1\n\n"
        await held.wait()
        gate.set()
        assert await anext(chunks) == b"data: 2\n\n"


async def test_a_client_that_leaves_in_mid_answer_is_reported(upstream: ScriptedUpstream) -> None:
    upstream.enqueue(stream(["data: 1\n\n", Stall()]))
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
    writer.write(REQUEST)
    await reader.readuntil(b"data: 1")
    assert upstream.disconnects == []
    writer.close()
    assert (await upstream.next_disconnect()).target == "/v1/x?y=1"


async def test_a_client_that_leaves_after_the_answer_is_not_reported(
    upstream: ScriptedUpstream,
) -> None:
    upstream.always(openai_stream())
    async with httpx.AsyncClient() as client:
        assert (await client.post(upstream.url)).text.endswith("data: [DONE]\n\n")
    assert upstream.disconnects == []


async def test_drop_ends_the_connection_in_order(upstream: ScriptedUpstream) -> None:
    upstream.enqueue(raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", Drop()))
    assert (await _exchange(upstream)).endswith(b"abc")


async def test_reset_tears_the_connection_down(upstream: ScriptedUpstream) -> None:
    upstream.enqueue(raw(Send(b"HTTP/1.1 200"), Reset()))
    with pytest.raises(ConnectionResetError):
        await _exchange(upstream)


async def test_a_request_nobody_scripted_an_answer_for_is_an_error() -> None:
    async with ScriptedUpstream() as upstream:
        assert b" 599 " in await _exchange(upstream)
        assert upstream.errors == ["no answer was scripted for POST /v1/x?y=1"]
