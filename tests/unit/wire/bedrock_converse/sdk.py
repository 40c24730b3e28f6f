"""boto3 as a reader of what we write and a writer of what we read, without a network."""

import base64
import json
from collections.abc import Iterator
from functools import cache
from typing import Any, cast

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.validate import ParamValidator

QUESTION: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
STREAM_TYPE = "application/vnd.amazon.eventstream"


class _Raw:
    """The body of an answer, as urllib3 would hand it over."""

    def __init__(self, body: bytes, chunk: int) -> None:
        self._body = body
        self._chunk = chunk

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        for start in range(0, len(self._body), self._chunk):
            yield self._body[start : start + self._chunk]

    def read(self, *_: object, **__: object) -> bytes:
        return self._body

    def close(self) -> None:
        pass


class Exchange:
    """What the client sends, and what it gets for it."""

    def __init__(self) -> None:
        self.sent: Any = None
        self.give(b"{}", headers={})

    def give(
        self, body: bytes, *, status: int = 200, chunk: int = 1024, headers: dict[str, str]
    ) -> None:
        self.answer = AWSResponse("https://bedrock.example", status, headers, _Raw(body, chunk))

    def __call__(self, request: Any, **_: object) -> AWSResponse:
        self.sent = request
        return self.answer


@cache
def _client() -> tuple[Any, Exchange]:
    client: Any = cast("Any", boto3).client(
        "bedrock-runtime",
        region_name="us-east-1",
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="none",
        config=Config(retries={"total_max_attempts": 1}),
    )
    exchange = Exchange()
    client.meta.events.register("before-send.bedrock-runtime", exchange)
    return client, exchange


def whole(
    body: bytes, *, status: int = 200, headers: dict[str, str] | None = None, **request: Any
) -> dict[str, Any]:
    """Return a whole answer as the client understands it."""
    client, exchange = _client()
    exchange.give(
        body, status=status, headers={"content-type": "application/json", **(headers or {})}
    )
    answer = client.converse(modelId="claude-public", **(QUESTION | request))
    answer.pop("ResponseMetadata")
    return answer


def events(body: bytes, *, chunk: int = 1024) -> list[dict[str, Any]]:
    """Return the events of a stream as the client parses them."""
    client, exchange = _client()
    exchange.give(body, chunk=chunk, headers={"content-type": STREAM_TYPE})
    return list(client.converse_stream(modelId="claude-public", **QUESTION)["stream"])


def written(**request: Any) -> bytes:
    """Return the body that the client writes for a request."""
    client, exchange = _client()
    exchange.give(b"{}", headers={"content-type": "application/json"})
    client.converse(modelId="claude-public", **(QUESTION | request))
    return bytes(exchange.sent.body)


def plain(value: Any) -> Any:
    """Return what the client parsed as JSON again, bytes as base64."""
    return json.loads(json.dumps(value, default=lambda each: base64.b64encode(each).decode()))


def added_up(stream: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the whole answer that a stream stands for, as careful clients add it up."""
    blocks: dict[int, dict[str, Any]] = {}
    answer: dict[str, Any] = {}
    for event in stream:
        kind, value = next(iter(event.items()))
        if kind == "contentBlockStart":
            number = value["contentBlockIndex"]
            assert number not in blocks
            blocks[number] = {"start": value["start"]}
        elif kind == "contentBlockDelta":
            block = blocks.setdefault(value["contentBlockIndex"], {})
            assert "stopped" not in block
            _add(block, value["delta"])
        elif kind == "contentBlockStop":
            blocks[value["contentBlockIndex"]]["stopped"] = True
        elif kind == "messageStop":
            assert all("stopped" in block for block in blocks.values())
            answer["stopReason"] = value["stopReason"]
        elif kind == "metadata":
            answer["usage"] = value["usage"]
    content = [_block(blocks[number]) for number in sorted(blocks)]
    answer["output"] = {"message": {"role": "assistant", "content": content}}
    return answer


def _add(block: dict[str, Any], delta: dict[str, Any]) -> None:
    kind, value = next(iter(delta.items()))
    match kind:
        case "text":
            block["text"] = block.get("text", "") + value
        case "toolUse":
            block["input"] = block.get("input", "") + value["input"]
        case "citation":
            block.setdefault("citations", []).append(value)
        case "reasoningContent":
            for name, piece in value.items():
                empty = b"" if isinstance(piece, bytes) else ""
                key = f"reasoning.{name}"
                block[key] = block.get(key, empty) + piece
        case other:
            raise AssertionError(other)


def _block(block: dict[str, Any]) -> dict[str, Any]:
    if "start" in block:
        use = block["start"]["toolUse"]
        return {"toolUse": {**use, "input": json.loads(block["input"])}}
    if "reasoning.redactedContent" in block:
        return {"reasoningContent": {"redactedContent": block["reasoning.redactedContent"]}}
    if "reasoning.text" in block or "reasoning.signature" in block:
        text = {"text": block.get("reasoning.text", "")}
        if "reasoning.signature" in block:
            text["signature"] = block["reasoning.signature"]
        return {"reasoningContent": {"reasoningText": text}}
    if "citations" in block:
        content = [{"text": block.get("text", "")}]
        return {"citationsContent": {"content": content, "citations": block["citations"]}}
    return {"text": block["text"]}


def refuse_unknown(body: bytes) -> None:
    """Check a body against the service model: no unknown member, no wrong type.

    Raises:
        AssertionError: with the client's own report.
    """
    client, _ = _client()
    shape = client.meta.service_model.operation_model("Converse").input_shape
    report = ParamValidator().validate(json.loads(body) | {"modelId": "m"}, shape)
    assert not report.has_errors(), report.generate_report()
