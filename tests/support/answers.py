"""What a scripted server does with a request: steps, and builders for the usual answers."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Send:
    """Write bytes, in one piece or in the given pieces, each in a segment of its own."""

    data: bytes
    piece_size: int | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Go on when the test sets the event (or the client has left)."""

    event: asyncio.Event


@dataclass(frozen=True, slots=True)
class Tell:
    """Let the test know that everything before this step has been written."""

    event: asyncio.Event


@dataclass(frozen=True, slots=True)
class Pause:
    """Let time pass, for upstreams that should look slow. Never use it to synchronise."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stall:
    """Send nothing more and keep the connection until the client leaves."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection in good order (FIN), whatever was promised."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Tear the connection down (RST)."""


Step = Send | Wait | Tell | Pause | Stall | Drop | Reset


@dataclass(frozen=True, slots=True)
class Answer:
    """What to do with one request. `keep_alive`: whether the connection serves another after it."""

    steps: tuple[Step, ...]
    keep_alive: bool = True

    def split(self, every: int) -> "Answer":
        """Return the same bytes, written `every` bytes at a time."""
        return replace(
            self,
            steps=tuple(
                replace(step, piece_size=every) if isinstance(step, Send) else step
                for step in self.steps
            ),
        )

    def cut_at(self, positions: Iterable[int]) -> "Answer":
        """Return the same bytes, written in pieces that end at these offsets of the whole answer."""
        cuts = sorted(set(positions))
        steps: list[Step] = []
        offset = 0
        for step in self.steps:
            if not isinstance(step, Send):
                steps.append(step)
                continue
            inside = [cut - offset for cut in cuts if offset < cut < offset + len(step.data)]
            for start, end in zip([0, *inside], [*inside, len(step.data)], strict=True):
                steps.append(Send(step.data[start:end]))
            offset += len(step.data)
        return replace(self, steps=tuple(steps))


def answer(
    status: int = 200,
    *,
    body: bytes | str | dict[str, Any] = b"",
    headers: Headers = (),
    content_length: int | None = None,
    reason: str = "Scripted",
    chunked: bool = False,
    keep_alive: bool = True,
    before_head: Sequence[Step] = (),
    before_body: Sequence[Step] = (),
    after_body: Sequence[Step] = (),
) -> Answer:
    """Build an answer with a whole body.

    A dict becomes compact JSON with its content type. `content_length` may lie. The three step
    lists run before the head, between head and body, and after the body.
    """
    names = {name.lower() for name, _ in headers}
    extra: list[tuple[str, str]] = []
    if isinstance(body, dict):
        body = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
        if "content-type" not in names:
            extra.append(("content-type", "application/json"))
    payload = body.encode() if isinstance(body, str) else body
    if chunked:
        extra.append(("transfer-encoding", "chunked"))
        payload = chunk(payload) + LAST_CHUNK
    elif "content-length" not in names:
        length = len(payload) if content_length is None else content_length
        extra.append(("content-length", str(length)))
    if not keep_alive:
        extra.append(("connection", "close"))
    head = head_bytes(status, [*headers, *extra], reason)
    steps: list[Step] = [*before_head]
    if before_body:
        steps += [Send(head), *before_body, Send(payload)]
    else:
        steps.append(Send(head + payload))
    return Answer((*steps, *after_body), keep_alive)


def stream(
    events: Iterable[bytes | str | Step],
    *,
    status: int = 200,
    headers: Headers = (("content-type", "text/event-stream"),),
    terminated: bool = True,
    chunked: bool = True,
    keep_alive: bool = True,
) -> Answer:
    """Build an answer whose body comes bit by bit: bytes are chunks, steps are done in between.

    `terminated=False` leaves out the last chunk, so that the body never ends properly; with
    `chunked=False` the body ends when the connection does.
    """
    extra = [("transfer-encoding", "chunked")] if chunked else [("connection", "close")]
    steps: list[Step] = [Send(head_bytes(status, [*headers, *extra]))]
    for event in events:
        if isinstance(event, str | bytes):
            data = event.encode() if isinstance(event, str) else event
            steps.append(Send(chunk(data) if chunked else data))
        else:
            steps.append(event)
    if chunked and terminated:
        steps.append(Send(LAST_CHUNK))
    return Answer(tuple(steps), keep_alive=keep_alive and chunked and terminated)


def raw(*steps: bytes | Step, keep_alive: bool = False) -> Answer:
    """Build an answer out of exactly these bytes and steps, HTTP or not."""
    return Answer(
        tuple(Send(step) if isinstance(step, bytes) else step for step in steps), keep_alive
    )


LAST_CHUNK = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """Frame data as one chunk (RFC 9112 section 7.1); empty data gives no chunk at all."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def head_bytes(status: int, headers: Headers, reason: str = "Scripted") -> bytes:
    """Return a status line and header block."""
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
