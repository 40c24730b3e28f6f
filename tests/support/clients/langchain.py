"""LangChain with its packages for OpenAI, Anthropic, Google and AWS."""

from collections.abc import Mapping
from typing import Any, cast

from langchain_anthropic import ChatAnthropic
from langchain_aws import ChatBedrockConverse
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI

from tests.support.clients.aws_sdk import bedrock_client
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

_TOOLS = [
    {
        "type": "function",
        "function": {"name": name, "description": DESCRIPTIONS[name], "parameters": schema},
    }
    for name, schema in SCHEMAS.items()
]


class LangChain(Traveller):
    """The tour with LangChain's own messages, whatever the vendor."""

    shows_thought = True
    pairs_by_id = True

    def model(self, *, thinking: bool) -> BaseChatModel:
        """Return the vendor's chat model."""
        raise NotImplementedError("each client makes its own")

    def tour(self, *, stream: bool) -> list[Spoken]:
        """Give LangChain's messages back as they came."""
        content: list[Any] = [
            {"type": "text", "text": QUESTION},
            {"type": "image", "base64": PICTURE_BASE64, "mime_type": "image/png"},
        ]
        messages: list[BaseMessage] = [SystemMessage(SYSTEM), HumanMessage(content=content)]
        model = self.model(thinking=True).bind_tools(_TOOLS)
        spoken: list[Spoken] = []
        asked_again = False
        while True:
            message = _ask(model, messages, stream=stream)
            spoken.append(self._heard(message))
            messages.append(message)
            if message.tool_calls:
                calls = [
                    (call["id"] or "", call["name"], call["args"]) for call in message.tool_calls
                ]
                results = answers(calls)
                messages += [
                    ToolMessage(text, tool_call_id=call_id, name=name)
                    for call_id, name, text in (results if self.pairs_by_id else results[::-1])
                ]
            elif asked_again:
                return spoken
            else:
                messages.append(HumanMessage(FOLLOW_UP))
                asked_again = True

    def describe(self, *, stream: bool) -> dict[str, Any]:
        """Use `with_structured_output` with the vendor's own way."""
        schema = {"title": "city", "description": "A city", **CITY_SCHEMA}
        model = self.model(thinking=False).with_structured_output(schema, method="json_schema")
        if not stream:
            return cast("dict[str, Any]", model.invoke(DESCRIBE))
        return cast("dict[str, Any]", list(model.stream(DESCRIBE))[-1])

    def _heard(self, message: AIMessage) -> Spoken:
        blocks = cast("list[Mapping[str, Any]]", message.content_blocks)
        thought = "".join(b.get("reasoning", "") for b in blocks if b["type"] == "reasoning")
        usage = message.usage_metadata
        assert usage is not None
        return Spoken(
            message.text,
            [(call["name"], call["args"]) for call in message.tool_calls],
            thought if self.shows_thought else None,
            usage["input_tokens"],
            usage["output_tokens"],
            usage.get("input_token_details", {}).get("cache_read"),
        )


def _ask(model: Any, messages: list[BaseMessage], *, stream: bool) -> AIMessage:
    if not stream:
        return model.invoke(messages)
    whole: AIMessageChunk | None = None
    for chunk in model.stream(messages):
        whole = chunk if whole is None else whole + chunk
    assert whole is not None
    return whole


class LangChainOpenAIChat(LangChain):
    """`ChatOpenAI` with Chat Completions."""

    shows_thought = False

    def model(self, *, thinking: bool) -> BaseChatModel:
        """Return the chat model."""
        return ChatOpenAI(
            model=self.place.model,
            base_url=f"{self.place.url}/v1",
            api_key=cast("Any", self.place.key),
            max_retries=0,
            max_completion_tokens=BOUND,
            reasoning_effort="medium" if thinking else None,
            stream_usage=True,
            use_responses_api=False,
        )


class LangChainOpenAIResponses(LangChain):
    """`ChatOpenAI` with Responses."""

    def model(self, *, thinking: bool) -> BaseChatModel:
        """Return the chat model."""
        return ChatOpenAI(
            model=self.place.model,
            base_url=f"{self.place.url}/v1",
            api_key=cast("Any", self.place.key),
            max_retries=0,
            max_completion_tokens=BOUND,
            reasoning={"effort": "medium", "summary": "auto"} if thinking else None,
            store=False,
            include=["reasoning.encrypted_content"] if thinking else None,
            use_responses_api=True,
            output_version="responses/v1",
        )


class LangChainAnthropic(LangChain):
    """`ChatAnthropic`."""

    def model(self, *, thinking: bool) -> BaseChatModel:
        """Return the chat model."""
        return cast("Any", ChatAnthropic)(
            model=self.place.model,
            base_url=self.place.url,
            api_key=self.place.key,
            max_retries=0,
            max_tokens=BOUND,
            thinking={"type": "enabled", "budget_tokens": BUDGET} if thinking else None,
        )


class LangChainGoogle(LangChain):
    """`ChatGoogleGenerativeAI`."""

    pairs_by_id = False

    def model(self, *, thinking: bool) -> BaseChatModel:
        """Return the chat model."""
        return cast("Any", ChatGoogleGenerativeAI)(
            model=self.place.model,
            base_url=self.place.url,
            google_api_key=self.place.key,
            max_retries=0,
            max_output_tokens=BOUND,
            include_thoughts=True if thinking else None,
            thinking_budget=BUDGET if thinking else None,
        )


class LangChainAWS(LangChain):
    """`ChatBedrockConverse`."""

    def __init__(self, place: Place) -> None:
        """Make a client."""
        super().__init__(place)
        self._client = bedrock_client(place)

    def close(self) -> None:
        """Close it."""
        self._client.close()

    def model(self, *, thinking: bool) -> BaseChatModel:
        """Return the chat model."""
        extra = {"thinking": {"type": "enabled", "budget_tokens": BUDGET}} if thinking else None
        return cast("Any", ChatBedrockConverse)(
            model=self.place.model,
            client=self._client,
            bedrock_client=self._client,
            max_tokens=BOUND,
            additional_model_request_fields=extra,
            disable_streaming=False,
        )
