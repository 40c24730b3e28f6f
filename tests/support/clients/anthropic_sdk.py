"""The package `anthropic`."""

import json
from typing import Any, cast

from anthropic import Anthropic
from anthropic.types import Message

from tests.support.clients.travel import BOUND, BUDGET, Place, Spoken, Traveller, answers
from tests.support.model.tour import (
    CITY_SCHEMA,
    DESCRIBE,
    DESCRIPTIONS,
    FOLLOW_UP,
    PICTURE_BASE64,
    QUESTION,
    SCHEMAS,
    SYSTEM,
)


class AnthropicMessages(Traveller):
    """`client.messages`."""

    def __init__(self, place: Place) -> None:
        """Make a client."""
        super().__init__(place)
        self._client = Anthropic(base_url=place.url, api_key=place.key, max_retries=0, timeout=30)

    def close(self) -> None:
        """Close it."""
        self._client.close()

    def tour(self, *, stream: bool) -> list[Spoken]:
        """Give all blocks back, thinking with its signatures included."""
        source = {"type": "base64", "media_type": "image/png", "data": PICTURE_BASE64}
        content: list[Any] = [
            {"type": "image", "source": source},
            {"type": "text", "text": QUESTION, "cache_control": {"type": "ephemeral"}},
        ]
        messages: list[Any] = [{"role": "user", "content": content}]
        tools = [
            {"name": name, "description": DESCRIPTIONS[name], "input_schema": schema}
            for name, schema in SCHEMAS.items()
        ]
        spoken: list[Spoken] = []
        asked_again = False
        while True:
            message = self._ask(
                stream=stream,
                system=SYSTEM,
                messages=messages,
                tools=tools,
                thinking={"type": "enabled", "budget_tokens": BUDGET},
            )
            said, calls = _heard(message)
            spoken.append(said)
            given = [block.model_dump(exclude_none=True) for block in message.content]
            messages.append({"role": "assistant", "content": given})
            if calls:
                assert message.stop_reason == "tool_use"
                results = [
                    {"type": "tool_result", "tool_use_id": call_id, "content": text}
                    for call_id, _, text in answers(calls)
                ]
                messages.append({"role": "user", "content": results})
            elif asked_again:
                return spoken
            else:
                assert message.stop_reason == "end_turn"
                messages.append({"role": "user", "content": FOLLOW_UP})
                asked_again = True

    def describe(self, *, stream: bool) -> dict[str, Any]:
        """Use `output_config`."""
        message = self._ask(
            stream=stream,
            messages=[{"role": "user", "content": DESCRIBE}],
            output_config={"format": {"type": "json_schema", "schema": CITY_SCHEMA}},
        )
        return json.loads(_heard(message)[0].text)

    def _ask(self, *, stream: bool, **parameters: Any) -> Message:
        parameters = {"model": self.place.model, "max_tokens": BOUND, **parameters}
        if not stream:
            return cast("Message", self._client.messages.create(**parameters))
        with self._client.messages.stream(**parameters) as events:
            return events.get_final_message()


def _heard(message: Message) -> tuple[Spoken, list[tuple[str, str, dict[str, Any]]]]:
    assert message.id
    usage = message.usage
    text = thought = ""
    calls: list[tuple[str, str, dict[str, Any]]] = []
    for block in message.content:
        if block.type == "text":
            text += block.text
        elif block.type == "thinking":
            thought += block.thinking
        elif block.type == "tool_use":
            calls.append((block.id, block.name, dict(block.input)))
    cached = usage.cache_read_input_tokens or 0
    said = Spoken(
        text,
        [(name, arguments) for _, name, arguments in calls],
        thought,
        usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0),
        usage.output_tokens,
        cached,
    )
    return said, calls
