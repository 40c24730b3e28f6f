"""The package `boto3`, for Bedrock."""

import json
from collections.abc import Iterable
from typing import Any, cast

import boto3
from botocore import UNSIGNED
from botocore.config import Config

from tests.support.clients.travel import BOUND, BUDGET, Place, Spoken, Traveller, answers
from tests.support.model.tour import (
    CITY_SCHEMA,
    DESCRIBE,
    DESCRIPTIONS,
    FOLLOW_UP,
    PICTURE,
    QUESTION,
    SCHEMAS,
    SYSTEM,
)


def bedrock_client(place: Place) -> Any:
    """Return a client that shows a key of the gateway instead of signing.

    Its own bearer keys (`AWS_BEARER_TOKEN_BEDROCK`) need TLS, which stands before the gateway.
    """
    config = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}, read_timeout=30)
    client = cast("Any", boto3).client(
        "bedrock-runtime", region_name="eu-central-1", endpoint_url=place.url, config=config
    )

    def show_key(request: Any, **_: Any) -> None:
        request.headers["authorization"] = f"Bearer {place.key}"

    client.meta.events.register("before-send.bedrock-runtime", show_key)
    return client


class BotoConverse(Traveller):
    """`client.converse` and `client.converse_stream`."""

    def __init__(self, place: Place) -> None:
        """Make a client."""
        super().__init__(place)
        self._client = bedrock_client(place)

    def close(self) -> None:
        """Close it."""
        self._client.close()

    def tour(self, *, stream: bool) -> list[Spoken]:
        """Give all blocks back, reasoning included."""
        content: list[Any] = [
            {"text": QUESTION},
            {"image": {"format": "png", "source": {"bytes": PICTURE}}},
        ]
        messages: list[Any] = [{"role": "user", "content": content}]
        tools = [
            {
                "toolSpec": {
                    "name": name,
                    "description": DESCRIPTIONS[name],
                    "inputSchema": {"json": schema},
                }
            }
            for name, schema in SCHEMAS.items()
        ]
        thinking = {"thinking": {"type": "enabled", "budget_tokens": BUDGET}}
        spoken: list[Spoken] = []
        asked_again = False
        while True:
            blocks, stop, usage = self._ask(
                stream=stream,
                system=[{"text": SYSTEM}],
                messages=messages,
                toolConfig={"tools": tools},
                additionalModelRequestFields=thinking,
            )
            said, calls = _heard(blocks, usage)
            spoken.append(said)
            messages.append({"role": "assistant", "content": blocks})
            if calls:
                assert stop == "tool_use"
                results = [
                    {"toolResult": {"toolUseId": call_id, "content": [{"text": text}]}}
                    for call_id, _, text in answers(calls)
                ]
                messages.append({"role": "user", "content": results})
            elif asked_again:
                return spoken
            else:
                assert stop == "end_turn"
                messages.append({"role": "user", "content": [{"text": FOLLOW_UP}]})
                asked_again = True

    def describe(self, *, stream: bool) -> dict[str, Any]:
        """Use `outputConfig`."""
        schema = {"schema": json.dumps(CITY_SCHEMA), "name": "city"}
        form = {"type": "json_schema", "structure": {"jsonSchema": schema}}
        blocks, _, usage = self._ask(
            stream=stream,
            messages=[{"role": "user", "content": [{"text": DESCRIBE}]}],
            outputConfig={"textFormat": form},
        )
        return json.loads(_heard(blocks, usage)[0].text)

    def _ask(self, *, stream: bool, **parameters: Any) -> tuple[list[Any], str, dict[str, int]]:
        asked = {
            "modelId": self.place.model,
            "inferenceConfig": {"maxTokens": BOUND},
            **parameters,
        }
        if stream:
            return assemble(self._client.converse_stream(**asked)["stream"])
        answer = self._client.converse(**asked)
        return answer["output"]["message"]["content"], answer["stopReason"], answer["usage"]


def assemble(events: Iterable[dict[str, Any]]) -> tuple[list[Any], str, dict[str, int]]:
    """Make whole blocks of a stream, insisting on its order."""
    blocks: dict[int, Any] = {}
    stop: str | None = None
    usage: dict[str, int] | None = None
    open_block: int | None = None
    started = False
    for event in events:
        kind, value = next(iter(event.items()))
        match kind:
            case "messageStart":
                assert not started
                started = True
            case "contentBlockStart":
                assert open_block is None
                index = open_block = int(value["contentBlockIndex"])
                use = value["start"]["toolUse"]
                blocks[index] = {"toolUse": {**use, "input": ""}}
            case "contentBlockDelta":
                index = value["contentBlockIndex"]
                assert open_block in (None, index)
                open_block = index
                _extend(blocks, index, value["delta"])
            case "contentBlockStop":
                assert open_block == value["contentBlockIndex"]
                open_block = None
            case "messageStop":
                stop = value["stopReason"]
            case _:
                assert kind == "metadata", event
                usage = value["usage"]
    assert started
    assert stop is not None
    assert usage is not None
    assert sorted(blocks) == list(range(len(blocks)))
    whole = [blocks[index] for index in sorted(blocks)]
    for block in whole:
        if use := block.get("toolUse"):
            use["input"] = json.loads(use["input"] or "{}")
    return whole, stop, usage


def _extend(blocks: dict[int, Any], index: int, delta: dict[str, Any]) -> None:
    if "text" in delta:
        blocks.setdefault(index, {"text": ""})["text"] += delta["text"]
    elif "toolUse" in delta:
        blocks[index]["toolUse"]["input"] += delta["toolUse"]["input"]
    else:
        thought: dict[str, Any] = {"reasoningText": {"text": ""}}
        held = blocks.setdefault(index, {"reasoningContent": thought})["reasoningContent"]
        for name, piece in delta["reasoningContent"].items():
            assert name in ("text", "signature")
            held["reasoningText"][name] = held["reasoningText"].get(name, "") + piece


def _heard(
    blocks: list[Any], usage: dict[str, int]
) -> tuple[Spoken, list[tuple[str, str, dict[str, Any]]]]:
    text = thought = ""
    calls: list[tuple[str, str, dict[str, Any]]] = []
    for block in blocks:
        if "text" in block:
            text += block["text"]
        elif "toolUse" in block:
            use = block["toolUse"]
            calls.append((use["toolUseId"], use["name"], use["input"]))
        elif "reasoningContent" in block:
            thought += block["reasoningContent"].get("reasoningText", {}).get("text", "")
    cached = usage.get("cacheReadInputTokens", 0)
    said = Spoken(
        text,
        [(name, arguments) for _, name, arguments in calls],
        thought,
        usage["inputTokens"] + cached + usage.get("cacheWriteInputTokens", 0),
        usage["outputTokens"],
        cached,
    )
    return said, calls
