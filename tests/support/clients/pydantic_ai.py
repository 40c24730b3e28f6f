"""Pydantic AI, whose agent runs the loop of tools itself."""

import asyncio
from collections.abc import AsyncIterable, Sequence
from typing import Any, Literal

from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, NativeOutput, RunContext
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel, AnthropicModelSettings
from pydantic_ai.models.bedrock import BedrockConverseModel, BedrockModelSettings
from pydantic_ai.models.google import GoogleModel, GoogleModelSettings
from pydantic_ai.models.openai import (
    OpenAIChatModel,
    OpenAIChatModelSettings,
    OpenAIResponsesModel,
    OpenAIResponsesModelSettings,
)
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.bedrock import BedrockProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings

from tests.support.clients.aws_sdk import bedrock_client
from tests.support.clients.travel import BOUND, BUDGET, Place, Spoken, Traveller
from tests.support.model.tour import (
    DESCRIBE,
    FOLLOW_UP,
    PICTURE,
    QUESTION,
    SYSTEM,
    TRIPS,
    WEATHER,
    run_tool,
)

# Otherwise the name of the model decides.
_REASONING = OpenAIModelProfile(openai_supports_encrypted_reasoning_content=True)
_STRUCTURED = ModelProfile(supports_json_schema_output=True)


class City(BaseModel):
    """A city."""

    name: str
    population: int
    tags: list[str]


def get_weather(city: str, unit: Literal["celsius", "fahrenheit"] | None = None) -> str:
    """Return the current weather of a city.

    Args:
        city: Name of the city.
        unit: Of the temperature.
    """
    return run_tool(WEATHER, {"city": city} | ({"unit": unit} if unit else {}))


def list_trips() -> str:
    """Return all booked trips."""
    return run_tool(TRIPS, {})


class PydanticAI(Traveller):
    """The tour with an agent, whatever the vendor."""

    shows_thought = True

    def __init__(self, place: Place) -> None:
        """Make an event loop: the vendors' clients are bound to one."""
        super().__init__(place)
        self._runner = asyncio.Runner()
        self._model = self.model()

    def close(self) -> None:
        """Close it."""
        self._runner.close()

    def model(self) -> Model:
        """Return the vendor's model."""
        raise NotImplementedError("each client makes its own")

    def thinking(self) -> ModelSettings:
        """Return the settings that ask for thinking."""
        raise NotImplementedError("each client makes its own")

    def tour(self, *, stream: bool) -> list[Spoken]:
        """Run the agent twice, the second time with its memory of the first."""
        return self._runner.run(self._tour(stream=stream))

    async def _tour(self, *, stream: bool) -> list[Spoken]:
        agent = Agent(
            self._model,
            instructions=SYSTEM,
            tools=[get_weather, list_trips],
            model_settings=self.thinking(),
            retries=0,
        )
        question = [QUESTION, BinaryContent(PICTURE, media_type="image/png")]
        first = await _run(agent, question, [], stream=stream)
        both = await _run(agent, FOLLOW_UP, first, stream=stream)
        return [self._heard(message) for message in both if isinstance(message, ModelResponse)]

    def describe(self, *, stream: bool) -> dict[str, Any]:
        """Use the vendor's own structured output."""
        return self._runner.run(self._describe(stream=stream))

    async def _describe(self, *, stream: bool) -> dict[str, Any]:
        settings = ModelSettings(max_tokens=BOUND)
        agent = Agent(
            self._model, output_type=NativeOutput(City), model_settings=settings, retries=0
        )
        if not stream:
            return (await agent.run(DESCRIBE)).output.model_dump()
        async with agent.run_stream(DESCRIBE) as result:
            return (await result.get_output()).model_dump()

    def _heard(self, message: ModelResponse) -> Spoken:
        texts = [part.content for part in message.parts if isinstance(part, TextPart)]
        thoughts = [part.content for part in message.parts if isinstance(part, ThinkingPart)]
        calls = [part for part in message.parts if isinstance(part, ToolCallPart)]
        usage = message.usage
        return Spoken(
            "".join(texts),
            [(call.tool_name, call.args_as_dict()) for call in calls],
            "".join(thoughts) if self.shows_thought else None,
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_tokens,
        )


async def _run(
    agent: Agent[None, str],
    asked: str | Sequence[Any],
    history: list[ModelMessage],
    *,
    stream: bool,
) -> list[ModelMessage]:
    handler = _read if stream else None
    result = await agent.run(asked, message_history=history, event_stream_handler=handler)
    return result.all_messages()


async def _read(_: RunContext[None], events: AsyncIterable[object]) -> None:
    """With a handler of events the agent streams every request."""
    async for _event in events:
        pass


class PydanticAIOpenAI(PydanticAI):
    """Both of OpenAI's APIs."""

    def __init__(self, place: Place) -> None:
        """Make OpenAI's client, which must be closed in its loop."""
        self._client = AsyncOpenAI(base_url=f"{place.url}/v1", api_key=place.key, max_retries=0)
        super().__init__(place)

    def close(self) -> None:
        """Close both."""
        self._runner.run(self._client.close())
        super().close()


class PydanticAIOpenAIChat(PydanticAIOpenAI):
    """`OpenAIChatModel`."""

    shows_thought = False

    def model(self) -> Model:
        """Return the vendor's model."""
        provider = OpenAIProvider(openai_client=self._client)
        return OpenAIChatModel(self.place.model, provider=provider)

    def thinking(self) -> ModelSettings:
        """Return the settings that ask for thinking."""
        return OpenAIChatModelSettings(max_tokens=BOUND, openai_reasoning_effort="medium")


class PydanticAIOpenAIResponses(PydanticAIOpenAI):
    """`OpenAIResponsesModel`."""

    def model(self) -> Model:
        """Return the vendor's model."""
        provider = OpenAIProvider(openai_client=self._client)
        return OpenAIResponsesModel(self.place.model, provider=provider, profile=_REASONING)

    def thinking(self) -> ModelSettings:
        """Return the settings that ask for thinking."""
        return OpenAIResponsesModelSettings(
            max_tokens=BOUND,
            openai_reasoning_effort="medium",
            openai_reasoning_summary="auto",
            openai_store=False,
        )


class PydanticAIAnthropic(PydanticAI):
    """`AnthropicModel`."""

    def model(self) -> Model:
        """Return the vendor's model."""
        provider = AnthropicProvider(api_key=self.place.key, base_url=self.place.url)
        return AnthropicModel(self.place.model, provider=provider, profile=_STRUCTURED)

    def thinking(self) -> ModelSettings:
        """Return the settings that ask for thinking."""
        return AnthropicModelSettings(
            max_tokens=BOUND, anthropic_thinking={"type": "enabled", "budget_tokens": BUDGET}
        )


class PydanticAIGoogle(PydanticAI):
    """`GoogleModel`."""

    def model(self) -> Model:
        """Return the vendor's model."""
        provider = GoogleProvider(api_key=self.place.key, base_url=self.place.url)
        return GoogleModel(self.place.model, provider=provider)

    def thinking(self) -> ModelSettings:
        """Return the settings that ask for thinking."""
        return GoogleModelSettings(
            max_tokens=BOUND,
            google_thinking_config={"include_thoughts": True, "thinking_budget": BUDGET},
        )


class PydanticAIBedrock(PydanticAI):
    """`BedrockConverseModel`."""

    def model(self) -> Model:
        """Return the vendor's model."""
        provider = BedrockProvider(bedrock_client=bedrock_client(self.place))
        return BedrockConverseModel(self.place.model, provider=provider, profile=_STRUCTURED)

    def thinking(self) -> ModelSettings:
        """Return the settings that ask for thinking."""
        thinking = {"thinking": {"type": "enabled", "budget_tokens": BUDGET}}
        return BedrockModelSettings(
            max_tokens=BOUND, bedrock_additional_model_requests_fields=thinking
        )
