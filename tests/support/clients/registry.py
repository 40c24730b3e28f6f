"""All Python clients by title, and what they are called in their registries."""

import json
from importlib.metadata import version

from tests.support.clients.anthropic_sdk import AnthropicMessages
from tests.support.clients.aws_sdk import BotoConverse
from tests.support.clients.google_sdk import GoogleGenai
from tests.support.clients.langchain import (
    LangChainAnthropic,
    LangChainAWS,
    LangChainGoogle,
    LangChainOpenAIChat,
    LangChainOpenAIResponses,
)
from tests.support.clients.npm import FOLDER
from tests.support.clients.openai_sdk import OpenAIChat, OpenAIResponses
from tests.support.clients.pydantic_ai import (
    PydanticAIAnthropic,
    PydanticAIBedrock,
    PydanticAIGoogle,
    PydanticAIOpenAIChat,
    PydanticAIOpenAIResponses,
)
from tests.support.clients.travel import Traveller

PYTHON: dict[str, type[Traveller]] = {
    "openai, Chat Completions": OpenAIChat,
    "openai, Responses": OpenAIResponses,
    "anthropic": AnthropicMessages,
    "google-genai": GoogleGenai,
    "boto3": BotoConverse,
    "langchain-openai, Chat Completions": LangChainOpenAIChat,
    "langchain-openai, Responses": LangChainOpenAIResponses,
    "langchain-anthropic": LangChainAnthropic,
    "langchain-google-genai": LangChainGoogle,
    "langchain-aws": LangChainAWS,
    "pydantic-ai-slim, OpenAI's Chat Completions": PydanticAIOpenAIChat,
    "pydantic-ai-slim, OpenAI's Responses": PydanticAIOpenAIResponses,
    "pydantic-ai-slim, Anthropic": PydanticAIAnthropic,
    "pydantic-ai-slim, Google": PydanticAIGoogle,
    "pydantic-ai-slim, Bedrock": PydanticAIBedrock,
}
# These read in the name of a model whose it is.
NAMES_A_VENDOR = (LangChainAWS, PydanticAIBedrock)
SCRIPTS = ("openai_sdk.mjs", "anthropic_sdk.mjs", "vercel_ai.mjs")


def python_versions() -> dict[str, str]:
    """Return the packages of the Python clients with their versions."""
    packages = {title.partition(",")[0] for title in PYTHON}
    return {package: version(package) for package in sorted(packages)}


def npm_versions() -> dict[str, str]:
    """Return what is installed from npm with its versions, which are exact."""
    return json.loads((FOLDER / "package.json").read_text())["dependencies"]
