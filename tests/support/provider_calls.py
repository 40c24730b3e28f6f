"""Calls to providers and what they are configured with, with meaningful defaults."""

import json
from collections.abc import AsyncIterator
from typing import Any

from adapters.crypto.cipher import AesGcmCipher
from adapters.system.randomness import SystemRandomness
from adapters.wire.openai_chat.dialect import OpenAIChatCodec
from application.ports.clock import Clock
from application.ports.dialect import NOT_IN_URL
from application.ports.provider import ProviderCall, UpstreamReply
from application.ports.upstream import UpstreamTimeouts
from domain.identifiers import ProviderId
from domain.routing.catalog import ProviderKind, ProviderSpec
from domain.secret import Secret

TIMEOUTS = UpstreamTimeouts(connect=5.0, first_byte=10.0, idle=10.0, total=30.0)
USER_SAYS_HELLO: list[dict[str, Any]] = [{"role": "user", "content": "Hello"}]
CODEC = OpenAIChatCodec()


class StoppedClock(Clock):
    """A clock that stands still."""

    def __init__(self, now_ms: int = 1_750_000_000_000) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return self._now_ms / 1000


def cipher() -> AesGcmCipher:
    """Return a cipher with a fixed key."""
    return AesGcmCipher([b"k" * 32], SystemRandomness())


def provider_spec(
    kind: ProviderKind = ProviderKind.OPENAI_COMPATIBLE,
    *,
    base_url: str | None = None,
    credentials: dict[str, Any] | str | None = None,
    sealed_with: AesGcmCipher | None = None,
    options: dict[str, object] | None = None,
    provider_id: str = "0192-provider",
) -> ProviderSpec:
    """Return a provider; `credentials` are sealed with `sealed_with`."""
    sealed = None
    if credentials is not None:
        text = credentials if isinstance(credentials, str) else json.dumps(credentials)
        sealed = (sealed_with or cipher()).seal(Secret(text), context=f"provider:{provider_id}")
    return ProviderSpec(
        id=ProviderId(provider_id),
        name="a provider",
        kind=kind,
        base_url=base_url,
        sealed_credentials=sealed,
        options=options or {},
    )


def chat_body(**members: Any) -> bytes:
    """Return a request body; `members` are added to or replace the defaults."""
    return json.dumps({"model": "public-model", "messages": USER_SAYS_HELLO} | members).encode()


def provider_call(
    body: bytes | None = None,
    *,
    upstream_model: str = "upstream-model",
    request_id: str = "req-1",
    timeouts: UpstreamTimeouts = TIMEOUTS,
    max_reply_bytes: int = 1 << 20,
    **members: Any,
) -> ProviderCall:
    """Return a call with this body, or one made of `members`."""
    body = chat_body(**members) if body is None else body
    return ProviderCall(
        body=body,
        codec=CODEC,
        head=CODEC.peek(body, 64, NOT_IN_URL),
        reply_id="reply-1",
        created_s=1_750_000_000,
        upstream_model=upstream_model,
        request_id=request_id,
        timeouts=timeouts,
        max_reply_bytes=max_reply_bytes,
    )


async def relayed(reply: UpstreamReply) -> bytes:
    """Return what a client would get of a reply."""
    return b"".join([part async for part in relayed_parts(reply)])


async def relayed_parts(reply: UpstreamReply) -> AsyncIterator[bytes]:
    """Yield what a client would get, as it comes."""
    try:
        async for chunk in reply.chunks():
            if part := reply.scanner.feed(chunk):
                yield part
        if tail := reply.scanner.finish():
            yield tail
    finally:
        await reply.aclose()


def frames(stream: bytes) -> list[Any]:
    """Return the data of the events of a stream, parsed; `[DONE]` as the text it is."""
    data = [event.removeprefix(b"data: ") for event in stream.split(b"\n\n") if event]
    return [text.decode() if text == b"[DONE]" else json.loads(text) for text in data]
