"""The package `openai`, with both of its APIs."""

import json
from typing import Any, cast

from openai import OpenAI
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from tests.support.clients.travel import BOUND, Place, Spoken, Traveller, answers
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

PICTURE_URL = f"data:image/png;base64,{PICTURE_BASE64}"
_FORMAT = {"name": "city", "schema": CITY_SCHEMA, "strict": True}


def _client(place: Place) -> OpenAI:
    return OpenAI(base_url=f"{place.url}/v1", api_key=place.key, max_retries=0, timeout=30)


class OpenAIChat(Traveller):
    """`client.chat.completions`."""

    def __init__(self, place: Place) -> None:
        """Make a client."""
        super().__init__(place)
        self._client = _client(place)

    def close(self) -> None:
        """Close it."""
        self._client.close()

    def tour(self, *, stream: bool) -> list[Spoken]:
        """Give the conversation with every request, as this API wants it."""
        question: list[Any] = [
            {"type": "text", "text": QUESTION},
            {"type": "image_url", "image_url": {"url": PICTURE_URL}},
        ]
        messages: list[Any] = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": question},
        ]
        tools = [
            {
                "type": "function",
                "function": {
                    "name": name,
                    "description": DESCRIPTIONS[name],
                    "parameters": schema,
                },
            }
            for name, schema in SCHEMAS.items()
        ]
        spoken: list[Spoken] = []
        asked_again = False
        while True:
            completion = self._ask(
                stream=stream,
                messages=messages,
                tools=tools,
                reasoning_effort="medium",
                max_completion_tokens=BOUND,
            )
            message = completion.choices[0].message
            said, calls = _heard(completion)
            spoken.append(said)
            messages.append(message.model_dump(exclude_none=True, exclude={"parsed": True}))
            if calls:
                assert completion.choices[0].finish_reason == "tool_calls"
                messages += [
                    {"role": "tool", "tool_call_id": call_id, "content": text}
                    for call_id, _, text in answers(calls)
                ]
            elif asked_again:
                return spoken
            else:
                assert completion.choices[0].finish_reason == "stop"
                messages.append({"role": "user", "content": FOLLOW_UP})
                asked_again = True

    def describe(self, *, stream: bool) -> dict[str, Any]:
        """Use `response_format`."""
        completion = self._ask(
            stream=stream,
            messages=[{"role": "user", "content": DESCRIBE}],
            response_format={"type": "json_schema", "json_schema": _FORMAT},
            max_completion_tokens=BOUND,
        )
        return json.loads(completion.choices[0].message.content or "")

    def _ask(self, *, stream: bool, **parameters: Any) -> ChatCompletion:
        completions = self._client.chat.completions
        if not stream:
            return cast("ChatCompletion", completions.create(model=self.place.model, **parameters))
        with completions.stream(
            model=self.place.model, stream_options={"include_usage": True}, **parameters
        ) as events:
            return cast("ChatCompletion", events.get_final_completion())


def _heard(completion: ChatCompletion) -> tuple[Spoken, list[tuple[str, str, dict[str, Any]]]]:
    message, usage = completion.choices[0].message, completion.usage
    assert completion.id
    assert usage is not None
    calls: list[tuple[str, str, dict[str, Any]]] = []
    for call in message.tool_calls or []:
        assert call.type == "function"
        calls.append((call.id, call.function.name, json.loads(call.function.arguments)))
    details = usage.prompt_tokens_details
    said = Spoken(
        message.content or "",
        [(name, arguments) for _, name, arguments in calls],
        None,
        usage.prompt_tokens,
        usage.completion_tokens,
        details.cached_tokens if details else None,
    )
    return said, calls


class OpenAIResponses(Traveller):
    """`client.responses`, keeping nothing at the provider."""

    def __init__(self, place: Place) -> None:
        """Make a client."""
        super().__init__(place)
        self._client = _client(place)

    def close(self) -> None:
        """Close it."""
        self._client.close()

    def tour(self, *, stream: bool) -> list[Spoken]:
        """Give all items back, encrypted reasoning included."""
        content: list[Any] = [
            {"type": "input_text", "text": QUESTION},
            {"type": "input_image", "image_url": PICTURE_URL, "detail": "auto"},
        ]
        items: list[Any] = [{"role": "user", "content": content}]
        tools = [
            {
                "type": "function",
                "name": name,
                "description": DESCRIPTIONS[name],
                "parameters": schema,
                "strict": False,
            }
            for name, schema in SCHEMAS.items()
        ]
        spoken: list[Spoken] = []
        asked_again = False
        while True:
            response = self._ask(
                stream=stream,
                instructions=SYSTEM,
                input=items,
                tools=tools,
                store=False,
                include=["reasoning.encrypted_content"],
                reasoning={"effort": "medium", "summary": "auto"},
                max_output_tokens=BOUND,
            )
            assert response.status == "completed"
            said, calls = _understood(response)
            spoken.append(said)
            items += [
                item.model_dump(exclude_none=True, exclude={"parsed_arguments": True})
                for item in response.output
            ]
            if calls:
                items += [
                    {"type": "function_call_output", "call_id": call_id, "output": text}
                    for call_id, _, text in answers(calls)
                ]
            elif asked_again:
                return spoken
            else:
                items.append({"role": "user", "content": FOLLOW_UP})
                asked_again = True

    def describe(self, *, stream: bool) -> dict[str, Any]:
        """Use `text.format`."""
        response = self._ask(
            stream=stream,
            input=DESCRIBE,
            text={"format": {"type": "json_schema", **_FORMAT}},
            store=False,
            max_output_tokens=BOUND,
        )
        return json.loads(response.output_text)

    def _ask(self, *, stream: bool, **parameters: Any) -> Response:
        if not stream:
            return cast(
                "Response",
                self._client.responses.create(model=self.place.model, **parameters),
            )
        with self._client.responses.stream(model=self.place.model, **parameters) as events:
            numbers = [event.sequence_number for event in events]
            assert numbers == sorted(set(numbers))
            return cast("Response", events.get_final_response())


def _understood(response: Response) -> tuple[Spoken, list[tuple[str, str, dict[str, Any]]]]:
    usage = response.usage
    assert usage is not None
    calls: list[tuple[str, str, dict[str, Any]]] = []
    thought = ""
    for item in response.output:
        if item.type == "function_call":
            calls.append((item.call_id, item.name, json.loads(item.arguments)))
        elif item.type == "reasoning":
            thought += "".join(part.text for part in item.summary)
    said = Spoken(
        response.output_text,
        [(name, arguments) for _, name, arguments in calls],
        thought,
        usage.input_tokens,
        usage.output_tokens,
        usage.input_tokens_details.cached_tokens,
    )
    return said, calls
