"""What five vendors' APIs look like from both sides, as far as faults are concerned."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.eventstream import EventStreamBuffer

from domain.routing.catalog import ProviderKind
from tests.support.model import anthropic, chat, converse, gemini, responses
from tests.support.model.talk import Conversation, Tokens, Turn

_TURN = Turn(text="One two three four five.", tokens=Tokens(uncached=7, output=5), id="1")


def _asked(api: str) -> Conversation:
    return Conversation(api, "m", "", (), stream=True, gives_state=False, wants_thinking=False)


@dataclass(frozen=True)
class Upstream:
    """A provider's side: a whole streamed answer in its events, and how it words errors."""

    kind: ProviderKind
    path: str
    content_type: str
    events: tuple[bytes, ...]
    error: Callable[[int, str], Any]
    options: Mapping[str, object]


def _responses_events() -> tuple[bytes, ...]:
    asked, body = _asked("responses"), dict[str, Any]()
    items = responses.output(_TURN, asked, body)
    return tuple(responses.events("resp_1", items, asked, body, _TURN.tokens))


SSE = "text/event-stream"
UPSTREAMS = {
    "chat": Upstream(
        ProviderKind.OPENAI_COMPATIBLE,
        "/v1",
        SSE,
        tuple(chat.events(_TURN, _asked("chat"), {"stream_options": {"include_usage": True}})),
        chat.refusal,
        {},
    ),
    "responses": Upstream(
        ProviderKind.OPENAI_COMPATIBLE,
        "/v1",
        SSE,
        _responses_events(),
        chat.refusal,
        {"api": "responses"},
    ),
    "anthropic": Upstream(
        ProviderKind.ANTHROPIC,
        "",
        SSE,
        tuple(anthropic.events(_TURN, _asked("anthropic"))),
        anthropic.refusal,
        {},
    ),
    "gemini": Upstream(
        ProviderKind.GEMINI,
        "/v1beta",
        SSE,
        tuple(gemini.events(_TURN, _asked("gemini"))),
        gemini.refusal,
        {},
    ),
    "converse": Upstream(
        ProviderKind.BEDROCK,
        "",
        "application/vnd.amazon.eventstream",
        tuple(converse.events(_TURN)),
        lambda status, message: converse.refusal(status, message)[1],
        {"region": "us-east-1"},
    ),
}


@dataclass(frozen=True)
class Client:
    """A client's side: where and what it asks, and what it understands of an answer.

    Attributes:
        failed: message of an error answer; raises when the body has another shape.
        broken: whether a streamed answer ended in the dialect's own error event.
        complete: whether a streamed answer ended as a complete one does.
    """

    path: str
    stream_path: str
    body: Mapping[str, Any]
    stream_body: Mapping[str, Any]
    failed: Callable[[Any], str]
    broken: Callable[[bytes], bool]
    complete: Callable[[bytes], bool]


def _data(stream: bytes) -> list[Any]:
    lines = (line for line in stream.replace(b"\r\n", b"\n").split(b"\n"))
    data = [line.removeprefix(b"data: ") for line in lines if line.startswith(b"data: ")]
    return [json.loads(each) for each in data if each != b"[DONE]"]


def _last_is(stream: bytes, kind: str) -> bool:
    events = _data(stream)
    return bool(events) and events[-1].get("type") == kind


def _frames(stream: bytes) -> list[Any]:
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    return [frame.to_response_dict() for frame in buffer]


def _finished(stream: bytes) -> bool:
    candidates = [event.get("candidates", [{}])[0] for event in _data(stream)]
    return any("finishReason" in candidate for candidate in candidates)


_CHAT_BODY = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
_RESPONSES_BODY = {"model": "m", "input": "Hi", "store": False}
_ANTHROPIC_BODY = {**_CHAT_BODY, "max_tokens": 100}
_GEMINI_BODY = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
_CONVERSE_BODY = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
CLIENTS = {
    "chat": Client(
        "/v1/chat/completions",
        "/v1/chat/completions",
        _CHAT_BODY,
        {**_CHAT_BODY, "stream": True},
        lambda body: body["error"]["message"],
        lambda stream: "error" in _data(stream)[-1],
        lambda stream: b"[DONE]" in stream,
    ),
    "responses": Client(
        "/v1/responses",
        "/v1/responses",
        _RESPONSES_BODY,
        {**_RESPONSES_BODY, "stream": True},
        lambda body: body["error"]["message"],
        lambda stream: any(e.get("type") in ("error", "response.failed") for e in _data(stream)),
        lambda stream: _last_is(stream, "response.completed"),
    ),
    "anthropic": Client(
        "/v1/messages",
        "/v1/messages",
        _ANTHROPIC_BODY,
        {**_ANTHROPIC_BODY, "stream": True},
        lambda body: body["error"]["message"] if body["type"] == "error" else "",
        lambda stream: _last_is(stream, "error"),
        lambda stream: _last_is(stream, "message_stop"),
    ),
    "gemini": Client(
        "/v1beta/models/m:generateContent",
        "/v1beta/models/m:streamGenerateContent?alt=sse",
        _GEMINI_BODY,
        _GEMINI_BODY,
        lambda body: body["error"]["message"] if body["error"]["status"] else "",
        lambda stream: "error" in _data(stream)[-1],
        _finished,
    ),
    "converse": Client(
        "/model/m/converse",
        "/model/m/converse-stream",
        _CONVERSE_BODY,
        _CONVERSE_BODY,
        lambda body: body["message"],
        lambda stream: "exception" in str(_frames(stream)[-1]["headers"]).lower(),
        lambda stream: any(
            f["headers"].get(":event-type") == "messageStop" for f in _frames(stream)
        ),
    ),
}
