"""Bodies too large to be read on the event loop are governed like any other."""

import threading
from collections.abc import Callable

import httpx
import pytest

from adapters.wire.openai_chat.dialect import OpenAIChatCodec
from application.ports.dialect import RequestTarget
from application.runtime.large_bodies import ABOVE_BYTES
from domain.inference.head import RequestHead
from tests.support.gateway_harness import GatewayHarness
from tests.support.openai_bodies import openai_completion
from tests.support.scripted_upstream import ScriptedUpstream

MODEL = "gpt-4o"


@pytest.fixture
def peeked_in(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the threads that requests are peeked in."""
    threads: list[int] = []
    original: Callable[[OpenAIChatCodec, bytes, int, RequestTarget], RequestHead] = (
        OpenAIChatCodec.peek
    )

    def peek(
        self: OpenAIChatCodec, body: bytes, max_depth: int, target: RequestTarget
    ) -> RequestHead:
        threads.append(threading.get_ident())
        return original(self, body, max_depth, target)

    monkeypatch.setattr(OpenAIChatCodec, "peek", peek)
    return threads


async def test_a_large_body_passes_and_is_read_off_the_loop(
    upstream: ScriptedUpstream, peeked_in: list[int]
) -> None:
    harness = GatewayHarness()
    harness.add_model(MODEL, harness.add_openai(upstream.base_url), upstream_model="real")
    headers = {"api-key": harness.add_key()}
    upstream.always(openai_completion())
    text = "x" * (ABOVE_BYTES + 1)
    async with (
        harness.running() as gateway,
        httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=20) as client,
    ):
        for content in (text, "Hi"):
            body = {"model": MODEL, "messages": [{"role": "user", "content": content}]}
            reply = await client.post("/v1/chat/completions", json=body)
            assert reply.status_code == 200
            sent = (await upstream.next_request()).json()
            assert sent == body | {"model": "real"}
        broken = await client.post("/v1/chat/completions", content=text)
        assert broken.status_code == 400
    here = threading.get_ident()
    assert [thread == here for thread in peeked_in] == [False, True, False]
