"""Streams as Bedrock writes them, for the tests of what reads them."""

import json
from typing import Any

from adapters.wire.aws_event_stream import write_frame


def event(name: str, **payload: Any) -> bytes:
    """Return an event, padded as AWS pads them."""
    headers = {
        ":event-type": name,
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return write_frame(headers, json.dumps(payload | {"p": "abcdefgh"}).encode())


def exception(name: str, message: str | None = "It broke.", **payload: Any) -> bytes:
    """Return an exception inside of a stream."""
    headers = {
        ":exception-type": name,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    told = {} if message is None else {"message": message}
    return write_frame(headers, json.dumps(told | payload).encode())


def start(number: int, **what: Any) -> bytes:
    return event("contentBlockStart", start=what, contentBlockIndex=number)


def delta(number: int, **what: Any) -> bytes:
    return event("contentBlockDelta", delta=what, contentBlockIndex=number)


def stop(number: int) -> bytes:
    return event("contentBlockStop", contentBlockIndex=number)


ROLE = event("messageStart", role="assistant")
TEXT = delta(0, text="Hello") + delta(0, text=" you") + stop(0)
END = event("messageStop", stopReason="end_turn")
USAGE = {
    "inputTokens": 10,
    "outputTokens": 5,
    "totalTokens": 115,
    "cacheReadInputTokens": 70,
    "cacheWriteInputTokens": 30,
    "cacheDetails": [{"ttl": "1h", "inputTokens": 20}, {"ttl": "5m", "inputTokens": 10}],
}
METADATA = event("metadata", usage=USAGE, metrics={"latencyMs": 551})
WHOLE = ROLE + TEXT + END + METADATA
