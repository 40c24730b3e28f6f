"""The demo provider: answers in process, offline, without a key, always the same way."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence

from msgspec import Struct

from adapters.providers.demo_answer import answer, prompt_tokens
from adapters.providers.demo_request import read_request
from adapters.providers.demo_wire import DemoWire
from adapters.providers.outgoing import outgoing
from adapters.providers.relays import count_here, not_offered
from adapters.wire.codec import WireTarget
from adapters.wire.openai_chat.wire import OpenAIChatWire
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.clock import Clock
from application.ports.provider import (
    Provider,
    ProviderCall,
    RemoteModel,
    ReplyScanner,
    UpstreamReply,
)
from application.ports.upstream import Headers, UpstreamTimeouts
from application.runtime.large_bodies import LargeBodies
from domain.errors import InvalidRequest, UpstreamRejected, UpstreamTimeout
from domain.inference.dialect import Operation
from domain.routing.catalog import ProviderSpec

_LONGEST_LATENCY_MS = 600_000
_OPTIONS = ("latency_ms", "chunk_latency_ms")
_SCRUBBER = MessageScrubber()
_WIRE = OpenAIChatWire()


class DemoConfig(Struct, frozen=True, kw_only=True):
    """Artificial waits in milliseconds: before the answer, and before each frame of a stream."""

    latency_ms: int = 0
    chunk_latency_ms: int = 0


def configure_demo(spec: ProviderSpec) -> DemoConfig:
    """Check the options of a demo provider.

    Raises:
        InvalidRequest: an unknown or unusable option; `param` names it.
    """
    if spec.base_url is not None:
        raise InvalidRequest("The demo provider takes no base_url.", param="base_url")
    if spec.sealed_credentials is not None:
        raise InvalidRequest("The demo provider takes no credentials.", param="credentials")
    waits: dict[str, int] = {}
    for name, value in spec.options.items():
        if name not in _OPTIONS:
            raise InvalidRequest(
                f"Unknown option '{name}'; known are {', '.join(_OPTIONS)}.",
                param=f"options.{name}",
            )
        if type(value) is not int or not 0 <= value <= _LONGEST_LATENCY_MS:
            raise InvalidRequest(
                f"The option '{name}' must be a whole number from 0 to {_LONGEST_LATENCY_MS}.",
                param=f"options.{name}",
            )
        waits[name] = value
    return DemoConfig(
        latency_ms=waits.get("latency_ms", 0), chunk_latency_ms=waits.get("chunk_latency_ms", 0)
    )


class DemoReply(UpstreamReply):
    """Frames made one by one as they are asked for: a slow reader holds nothing back in memory."""

    def __init__(
        self,
        frames: Iterable[bytes],
        scanner: ReplyScanner,
        headers: Headers,
        *,
        pause_s: float,
        timeouts: UpstreamTimeouts,
        deadline: float,
    ) -> None:
        """`deadline` is the loop time at which the `total` bound passes."""
        self._frames = frames
        self._scanner = scanner
        self._headers = headers
        self._pause_s = pause_s
        self._timeouts = timeouts
        self._deadline = deadline
        self._closed = False

    @property
    def status(self) -> int:
        """Always 200."""
        return 200

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """Content type and warnings."""
        return self._headers

    @property
    def scanner(self) -> ReplyScanner:
        """The scanner for this body."""
        return self._scanner

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield one frame at a time, after the configured pause."""
        for frame in self._frames:
            await _wait(self._pause_s, self._timeouts.idle, "idle", self._deadline)
            if self._closed:
                return
            yield frame

    async def aclose(self) -> None:
        """Make no more frames."""
        self._closed = True


class DemoProvider(Provider):
    """A provider like any other on the outside, and a pure function of the request inside."""

    def __init__(self, config: DemoConfig, *, clock: Clock, bodies: LargeBodies) -> None:
        """`clock` gives the `created` member of answers."""
        self._config = config
        self._clock = clock
        self._bodies = bodies

    async def open(self, call: ProviderCall) -> UpstreamReply:
        """Answer the call; raises `UpstreamRejected` for what a real provider would reject."""
        deadline = asyncio.get_running_loop().time() + call.timeouts.total
        await _wait(
            self._config.latency_ms / 1000, call.timeouts.first_byte, "first_byte", deadline
        )
        if call.operation is Operation.COUNT_TOKENS:
            return await count_here(call, self._bodies)
        if call.operation is not Operation.CHAT:
            raise not_offered(call)
        target = WireTarget(model=call.upstream_model, output_bound=call.output_bound)
        out = await outgoing(call, _WIRE, target, bodies=self._bodies, scrubber=_SCRUBBER)
        try:
            request = read_request(out.body)
        except UpstreamRejected as error:
            # In the words of Chat Completions, which clients of other dialects do not know.
            raise (
                UpstreamRejected(error.status, error.message) if out.translated else error
            ) from None
        head = call.head
        seed = hashlib.sha256(out.body).hexdigest()[:20]
        answers = [answer(request, index, seed) for index in range(head.choices)]
        wire = DemoWire(
            reply_id=f"chatcmpl-demo{seed}",
            created=self._clock.now_ms() // 1000,
            model=call.upstream_model,
            prompt_tokens=prompt_tokens(request),
        )
        content_type = call.codec.stream_content_type if head.stream else b"application/json"
        return DemoReply(
            wire.stream(answers) if head.stream else (wire.whole(answers),),
            out.scanner,
            ((b"content-type", content_type), *out.headers),
            pause_s=self._config.chunk_latency_ms / 1000 if head.stream else 0,
            timeouts=call.timeouts,
            deadline=deadline,
        )

    async def models(self, timeouts: UpstreamTimeouts) -> tuple[RemoteModel, ...]:
        """Return one name; it answers to any."""
        return (RemoteModel(id="demo", name="Demo"),)

    async def aclose(self) -> None:
        """Nothing is held open."""


async def _wait(seconds: float, bound: float, phase: str, deadline: float) -> None:
    """Wait, or raise `UpstreamTimeout` when a bound passes first; without a wait, only yield."""
    left = deadline - asyncio.get_running_loop().time()
    allowed = max(0.0, min(bound, left))
    await asyncio.sleep(min(seconds, allowed))
    if seconds > allowed:
        raise UpstreamTimeout(phase if bound <= left else "total")
