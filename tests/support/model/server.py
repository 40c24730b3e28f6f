"""The scripted model as a server in a thread of its own, for clients that block."""

import base64
import hashlib
import itertools
import json
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import unquote, urlsplit

from tests.support.model import anthropic, chat, converse, gemini, responses
from tests.support.model.signing import check_signature
from tests.support.model.talk import Conversation, Json, Refused, Scenario, Thinking, Turn, need

KEY = "sk-scripted-0123456789abcdefghijklmnop"
_GEMINI = re.compile(r"/models/(?P<model>[^/:]+):(?P<method>\w+)$")
_CONVERSE = re.compile(r"/model/(?P<model>[^/]+)/converse(?P<stream>-stream)?$")
_SSE = "text/event-stream; charset=utf-8"
_CALL_ID = {
    "chat": chat.call_id,
    "responses": responses.call_id,
    "anthropic": anthropic.call_id,
    "gemini": gemini.call_id,
    "converse": converse.call_id,
}


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and whether it was taken."""

    api: str
    path: str
    headers: dict[str, str]
    body: Json
    refused: str | None


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back; `chunks` instead of `body` for a stream."""

    status: int = 200
    body: Json | None = None
    chunks: Iterable[bytes] | None = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict[str, str])


def state_of(api: str, turn: int) -> str:
    """Return the opaque text that comes with the thought of a turn: long, and only base64 fits it."""
    seed = f"{api} {turn}".encode()
    noise = b"".join(hashlib.sha512(seed + bytes([n])).digest() for n in range(4))
    return base64.b64encode(b"\x0a\xfb\xff\xbf" + noise + b"\x01").decode()


def own_turns(conversation: Conversation) -> int:
    """Return how often the model has spoken."""
    return sum(message.role == "assistant" for message in conversation.messages)


class ModelServer:
    """Listens from `__enter__` to `__exit__`; models are scenarios by name."""

    def __init__(self, scenarios: dict[str, Scenario], *, port: int = 0) -> None:
        """`port` 0 takes a free one."""
        self._scenarios = scenarios
        self._lock = threading.Lock()
        self._memory = responses.Memory()
        self._numbers = itertools.count(1)
        self.exchanges: list[Exchange] = []
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.model = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        """Start listening."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def refusals(self) -> list[str]:
        """Return why requests were refused, in order."""
        return [each.refused for each in self.exchanges if each.refused is not None]

    def reply(self, target: str, headers: dict[str, str], raw: bytes) -> Reply:
        """Answer one request."""
        path = urlsplit(target).path
        body: Json = json.loads(raw) if raw else {}
        api = _api_of(path)
        refused: str | None = None
        try:
            reply = self._reply(api, target, headers, body, raw)
        except Refused as refusal:
            refused = str(refusal)
            reply = _refusal(api, 400, refused)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            refused = f"malformed: {error!r}"
            reply = _refusal(api, 400, refused)
        with self._lock:
            self.exchanges.append(Exchange(api, path, headers, body, refused))
        return reply

    def _reply(
        self, api: str, target: str, headers: dict[str, str], body: Json, raw: bytes
    ) -> Reply:
        _check_credentials(api, target, headers, raw)
        path = urlsplit(target).path
        if api == "models":
            listed = [{"id": name, "object": "model"} for name in self._scenarios]
            return Reply(body={"object": "list", "data": listed})
        if path.endswith(("/count_tokens", ":countTokens")):
            count = len(raw) // 4
            return Reply(body={"input_tokens": count, "totalTokens": count})
        asked = self._read(api, target, headers, body)
        scenario = self._scenarios.get(asked.model)
        if scenario is None:
            return _refusal(api, 404, f"The model '{asked.model}' does not exist.")
        self._check_states(asked)
        turn = self._complete(scenario(asked), asked)
        return self._write(api, path, turn, asked, body)

    def _read(self, api: str, target: str, headers: dict[str, str], body: Json) -> Conversation:
        path = urlsplit(target).path
        match api:
            case "chat":
                return chat.read(_with_deployment(path, body), compatible=_compatible(path))
            case "responses":
                return responses.read(body, self._memory)
            case "anthropic":
                return anthropic.read(body, headers["anthropic-version"])
            case "gemini":
                found = _GEMINI.search(path)
                assert found is not None
                streamed = found["method"] == "streamGenerateContent"
                need(not streamed or "alt=sse" in target, "this model streams with alt=sse only")
                return gemini.read(body, unquote(found["model"]), stream=streamed)
            case _:
                found = _CONVERSE.search(path)
                assert found is not None
                model = unquote(found["model"])
                return converse.read(body, model, stream=found["stream"] is not None)

    def _check_states(self, asked: Conversation) -> None:
        """What the model gave must come back as it was, in its place."""
        if not asked.gives_state:
            return
        turn = -1
        for message in asked.messages:
            if message.role != "assistant":
                continue
            turn += 1
            for part in message.parts:
                if isinstance(part, Thinking) and part.state is not None:
                    need(
                        part.state == state_of(asked.api, turn),
                        f"Invalid `signature` in `thinking` block of turn {turn}: {part.state[:60]}",
                    )

    def _complete(self, turn: Turn, asked: Conversation) -> Turn:
        number = own_turns(asked)
        identify = _CALL_ID[asked.api]
        calls = tuple(
            replace(call, id=identify(number, index)) for index, call in enumerate(turn.calls)
        )
        state = state_of(asked.api, number) if turn.thought and asked.gives_state else ""
        shown = asked.api in ("responses", "gemini", "chat") or asked.wants_thinking
        thought = turn.thought if shown else ""
        identifier = f"Scripted{next(self._numbers):06d}"
        return replace(turn, calls=calls, state=state, thought=thought, id=identifier)

    def _write(self, api: str, path: str, turn: Turn, asked: Conversation, body: Json) -> Reply:
        if api == "responses":
            return self._write_response(turn, asked, body)
        if asked.stream:
            kind = "application/vnd.amazon.eventstream" if api == "converse" else _SSE
            return Reply(chunks=_events(api, path, turn, asked, body), content_type=kind)
        return Reply(body=_whole(api, path, turn, asked))

    def _write_response(self, turn: Turn, asked: Conversation, body: Json) -> Reply:
        items = responses.output(turn, asked, body)
        with self._lock:
            before = self._memory.input_of(body)
            identifier = self._memory.keep(body, before, items, turn)
        if asked.stream:
            chunks = responses.events(identifier, items, asked, body, turn.tokens)
            return Reply(chunks=chunks, content_type=_SSE)
        return Reply(body=responses.response(identifier, items, asked, body, turn.tokens))


def _whole(api: str, path: str, turn: Turn, asked: Conversation) -> Json:
    match api:
        case "chat":
            return chat.whole(turn, asked, compatible=_compatible(path))
        case "anthropic":
            return anthropic.whole(turn, asked)
        case "gemini":
            return gemini.whole(turn, asked)
        case _:
            return converse.whole(turn)


def _events(api: str, path: str, turn: Turn, asked: Conversation, body: Json) -> Iterator[bytes]:
    match api:
        case "chat":
            return chat.events(turn, asked, body, compatible=_compatible(path))
        case "anthropic":
            return anthropic.events(turn, asked)
        case "gemini":
            return gemini.events(turn, asked)
        case _:
            return converse.events(turn)


def _api_of(path: str) -> str:
    if path.endswith("/chat/completions"):
        return "chat"
    if path.endswith("/responses"):
        return "responses"
    if path.endswith(("/messages", "/messages/count_tokens")):
        return "anthropic"
    if _GEMINI.search(path):
        return "gemini"
    if _CONVERSE.search(path):
        return "converse"
    return "models" if path.endswith("/models") else "unknown"


def _compatible(path: str) -> bool:
    return path.startswith("/compatible/")


def _with_deployment(path: str, body: Json) -> Json:
    found = re.search(r"/deployments/([^/]+)/", path)
    return body | {"model": unquote(found[1])} if found else body


def _check_credentials(api: str, target: str, headers: dict[str, str], raw: bytes) -> None:
    match api:
        case "anthropic":
            need(KEY in (headers.get("x-api-key"), _bearer(headers)), "invalid x-api-key")
            need(headers.get("anthropic-version"), "anthropic-version: header is required")
        case "gemini":
            need(headers.get("x-goog-api-key") == KEY, "API key not valid.")
        case "converse":
            check_signature(target, headers, raw)
        case "chat" | "responses" | "models":
            need(KEY in (headers.get("api-key"), _bearer(headers)), "Incorrect API key provided.")
        case _:
            raise Refused(f"there is nothing at {target}")


def _bearer(headers: dict[str, str]) -> str:
    return headers.get("authorization", "").removeprefix("Bearer ")


def _refusal(api: str, status: int, message: str) -> Reply:
    match api:
        case "anthropic":
            return Reply(status, anthropic.refusal(status, message))
        case "gemini":
            return Reply(status, gemini.refusal(status, message))
        case "converse":
            name, body = converse.refusal(status, message)
            return Reply(status, body, headers={"x-amzn-errortype": name})
        case _:
            return Reply(status, chat.refusal(status, message))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    model: ModelServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave are no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version: ClassVar[str] = "HTTP/1.1"  # pyright: ignore[reportIncompatibleVariableOverride]
    timeout = 60
    disable_nagle_algorithm = True
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        """Answer without a body."""
        self._answer(b"")

    def do_POST(self) -> None:
        """Answer to a body, whole or chunked."""
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            self._answer(b"".join(self._chunks()))
        else:
            self._answer(self.rfile.read(int(self.headers.get("content-length", 0))))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _answer(self, raw: bytes) -> None:
        headers = {key.lower(): value for key, value in self.headers.items()}
        reply = self.server.model.reply(self.path, headers, raw)
        self.send_response(reply.status)
        self.send_header("content-type", reply.content_type)
        for key, value in reply.headers.items():
            self.send_header(key, value)
        if reply.chunks is None:
            body = json.dumps(reply.body).encode()
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for chunk in reply.chunks:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""
