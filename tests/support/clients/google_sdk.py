"""The package `google-genai`."""

import json
from collections.abc import Iterable
from typing import Any

from google.genai import Client, types

from tests.support.clients.travel import BOUND, BUDGET, Place, Spoken, Traveller
from tests.support.model.tour import (
    CITY_SCHEMA,
    DESCRIBE,
    DESCRIPTIONS,
    FOLLOW_UP,
    PICTURE,
    QUESTION,
    SCHEMAS,
    SYSTEM,
    run_tool,
)


class GoogleGenai(Traveller):
    """`client.models`."""

    def __init__(self, place: Place) -> None:
        """Make a client."""
        super().__init__(place)
        options = types.HttpOptions(base_url=place.url, timeout=30_000)
        self._client = Client(api_key=place.key, http_options=options)

    def close(self) -> None:
        """Close it."""
        self._client.close()

    def tour(self, *, stream: bool) -> list[Spoken]:
        """Give all parts back, thought signatures included, and results in the order of calls."""
        picture = types.Part.from_bytes(data=PICTURE, mime_type="image/png")
        contents = [types.Content(role="user", parts=[types.Part(text=QUESTION), picture])]
        declared = [
            types.FunctionDeclaration(
                name=name, description=DESCRIPTIONS[name], parameters_json_schema=schema
            )
            for name, schema in SCHEMAS.items()
        ]
        config = types.GenerateContentConfig(
            system_instruction=SYSTEM,
            tools=[types.Tool(function_declarations=declared)],
            thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=BUDGET),
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            max_output_tokens=BOUND,
        )
        spoken: list[Spoken] = []
        asked_again = False
        while True:
            parts, usage = self._ask(contents, config, stream=stream)
            spoken.append(_heard(parts, usage))
            contents.append(types.Content(role="model", parts=parts))
            calls = [part.function_call for part in parts if part.function_call]
            if calls:
                results = [
                    types.Part(
                        function_response=types.FunctionResponse(
                            id=call.id,
                            name=call.name,
                            response={"output": run_tool(call.name or "", call.args or {})},
                        )
                    )
                    for call in calls
                ]
                contents.append(types.Content(role="user", parts=results))
            elif asked_again:
                return spoken
            else:
                contents.append(types.Content(role="user", parts=[types.Part(text=FOLLOW_UP)]))
                asked_again = True

    def describe(self, *, stream: bool) -> dict[str, Any]:
        """Use `response_json_schema`."""
        config = types.GenerateContentConfig(
            response_mime_type="application/json",
            response_json_schema=CITY_SCHEMA,
            max_output_tokens=BOUND,
        )
        contents = [types.Content(role="user", parts=[types.Part(text=DESCRIBE)])]
        parts, usage = self._ask(contents, config, stream=stream)
        return json.loads(_heard(parts, usage).text)

    def _ask(
        self,
        contents: list[types.Content],
        config: types.GenerateContentConfig,
        *,
        stream: bool,
    ) -> tuple[list[types.Part], types.GenerateContentResponseUsageMetadata]:
        """Return all parts and the usage that came last."""
        asked: dict[str, Any] = {
            "model": self.place.model, "contents": contents, "config": config,
        }  # fmt: skip
        answers: Iterable[types.GenerateContentResponse] = (
            self._client.models.generate_content_stream(**asked)
            if stream
            else [self._client.models.generate_content(**asked)]
        )
        parts: list[types.Part] = []
        usage: types.GenerateContentResponseUsageMetadata | None = None
        finish: types.FinishReason | None = None
        for answer in answers:
            usage = answer.usage_metadata or usage
            for candidate in answer.candidates or []:
                finish = candidate.finish_reason or finish
                content = candidate.content
                parts += (content.parts or []) if content else []
        assert finish is types.FinishReason.STOP
        assert usage is not None
        return _merged(parts), usage


def _merged(parts: list[types.Part]) -> list[types.Part]:
    """Join texts that came in pieces, and drop empty ones that carry nothing."""
    merged: list[types.Part] = []
    for part in parts:
        last = merged[-1] if merged else None
        if (
            last is not None
            and part.text is not None
            and last.text is not None
            and part.thought == last.thought
            and last.thought_signature is None
        ):
            last.text += part.text
            last.thought_signature = part.thought_signature
        elif part.text != "" or part.thought_signature is not None:
            merged.append(part.model_copy())
    return merged


def _heard(parts: list[types.Part], usage: types.GenerateContentResponseUsageMetadata) -> Spoken:
    texts = [part.text for part in parts if part.text and not part.thought]
    thoughts = [part.text for part in parts if part.text and part.thought]
    calls = [part.function_call for part in parts if part.function_call]
    return Spoken(
        "".join(texts),
        [(call.name or "", dict(call.args or {})) for call in calls],
        "".join(thoughts),
        usage.prompt_token_count or 0,
        (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
        usage.cached_content_token_count or 0,
    )
