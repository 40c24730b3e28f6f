"""Bodies of the OpenAI Chat Completions API as its reference documents them, for scripted answers."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from tests.support.answers import Answer, Drop, Headers, Stall, Step, Wait, answer, stream
from tests.support.scripted_upstream import ReceivedRequest

USAGE: dict[str, Any] = {
    "prompt_tokens": 19,
    "completion_tokens": 10,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 3,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}


def tool_call(name: str, arguments: str, call_id: str = "call_scripted_1") -> dict[str, Any]:
    """Return one element of `tool_calls`; `arguments` is JSON text, as in the API."""
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def completion(
    content: str | None = "Hello!",
    *,
    model: str = "gpt-4o-2024-08-06",
    usage: dict[str, Any] | None = USAGE,
    finish_reason: str = "stop",
    tool_calls: Sequence[dict[str, Any]] = (),
    **extra: Any,
) -> dict[str, Any]:
    """Return a `chat.completion` object; `extra` adds or replaces top-level fields."""
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
    if tool_calls:
        message["tool_calls"] = list(tool_calls)
    body: dict[str, Any] = {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 1_741_570_283,
        "model": model,
        "choices": [
            {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
        ],
        "service_tier": "default",
        "system_fingerprint": "fp_scripted",
    }
    if usage is not None:
        body["usage"] = usage
    return body | extra


def sse(payload: dict[str, Any] | str) -> bytes:
    """Return one server-sent event with this payload as its data."""
    if not isinstance(payload, str):
        payload = json.dumps(payload, separators=(",", ":"), ensure_ascii=False)
    return f"data: {payload}\n\n".encode()


DONE = sse("[DONE]")


def delta_chunk(
    delta: dict[str, Any] | None,
    *,
    model: str = "gpt-4o-2024-08-06",
    finish_reason: str | None = None,
    **extra: Any,
) -> dict[str, Any]:
    """Return a `chat.completion.chunk`; `delta=None` gives one without choices."""
    choices: list[dict[str, Any]] = []
    if delta is not None:
        choices.append(
            {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        )
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion.chunk",
        "created": 1_741_570_283,
        "model": model,
        "system_fingerprint": "fp_scripted",
        "choices": choices,
    } | extra


def completion_events(
    pieces: Sequence[str] = ("Hello", " ", "there", "!"),
    *,
    model: str = "gpt-4o-2024-08-06",
    usage: dict[str, Any] | None = USAGE,
    finish_reason: str = "stop",
    done: bool = True,
) -> list[bytes]:
    """Return the events of a streamed completion, usage chunk and `[DONE]` included.

    With usage, every other chunk carries `"usage": null`, as the API does under `include_usage`.
    """
    extra: dict[str, Any] = {} if usage is None else {"usage": None}
    first = {"role": "assistant", "content": "", "refusal": None}
    events = [sse(delta_chunk(first, model=model, **extra))]
    events += [sse(delta_chunk({"content": piece}, model=model, **extra)) for piece in pieces]
    events.append(sse(delta_chunk({}, model=model, finish_reason=finish_reason, **extra)))
    if usage is not None:
        events.append(sse(delta_chunk(None, model=model, usage=usage)))
    if done:
        events.append(DONE)
    return events


def error(
    message: str = "The server had an error.",
    *,
    kind: str = "server_error",
    param: str | None = None,
    code: str | None = None,
) -> dict[str, Any]:
    """Return an error body."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def openai_completion(
    content: str | None = "Hello!", *, headers: Headers = (), **fields: Any
) -> Answer:
    """Answer with a whole completion; `fields` as for `completion`."""
    return answer(200, body=completion(content, **fields), headers=headers)


def openai_stream(
    pieces: Sequence[str] = ("Hello", " ", "there", "!"),
    *,
    then: Sequence[Step] = (),
    pause_after: int | None = None,
    gate: asyncio.Event | None = None,
    **fields: Any,
) -> Answer:
    """Answer with a streamed completion; `fields` as for `completion_events`.

    With `gate`, the stream waits for it after `pause_after` events. `then` runs after the last
    event, instead of the proper end of the body.
    """
    events: list[bytes | str | Step] = [*completion_events(pieces, **fields)]
    if gate is not None:
        events.insert(len(events) if pause_after is None else pause_after, Wait(gate))
    return stream([*events, *then], terminated=not then)


def openai_error(
    status: int, message: str = "The server had an error.", *, headers: Headers = (), **fields: Any
) -> Answer:
    """Answer with an error; `fields` as for `error`."""
    return answer(status, body=error(message, **fields), headers=headers)


def rate_limited(retry_after_s: int | None = 7) -> Answer:
    """Answer 429, with `Retry-After` unless None."""
    headers = () if retry_after_s is None else (("retry-after", str(retry_after_s)),)
    return openai_error(
        429,
        "Rate limit reached for gpt-4o.",
        kind="requests",
        code="rate_limit_exceeded",
        headers=headers,
    )


def respond_by_model(request: ReceivedRequest) -> Answer:
    """Play a provider whose behaviour is named by the model asked for.

    `error-NNN` answers that status, `stall` sends two events and no more, `silent` not even a head,
    `cut` closes in the middle; every other model answers properly, streamed or not as asked.
    """
    if request.method == "GET":
        return answer(200, body={"object": "list", "data": []})
    body = request.json()
    model = str(body["model"])
    events: list[bytes | str | Step] = [*completion_events()]
    match model.split("-"):
        case ["error", status]:
            return openai_error(int(status))
        case ["silent"]:
            return Answer((Stall(),))
        case ["stall"]:
            return stream([*events[:3], Stall()], terminated=False)
        case ["cut"]:
            return stream([*events[:3], Drop()], terminated=False)
        case _:
            return stream(events) if body.get("stream") else answer(200, body=completion())
