"""Models as each vendor's API lists them."""

import datetime
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from domain.inference.dialect import Dialect
from domain.routing.catalog import Model


class OpenAIModel(Struct, frozen=True):
    """https://platform.openai.com/docs/api-reference/models/object; `created` is Unix seconds."""

    id: str
    created: int
    object: str = "model"
    owned_by: str = "thinkwatch"


class OpenAIModels(Struct, frozen=True):
    """The whole list; the API does not page it."""

    data: list[OpenAIModel]
    object: str = "list"


class AnthropicModel(Struct, frozen=True):
    """https://docs.anthropic.com/en/api/models-list; `created_at` is RFC 3339."""

    id: str
    display_name: str
    created_at: str
    type: str = "model"


class AnthropicModels(Struct, frozen=True):
    """A page that holds the whole list."""

    data: list[AnthropicModel]
    first_id: str | None
    last_id: str | None
    has_more: bool = False


class GeminiModel(Struct, frozen=True, rename="camel", omit_defaults=True):
    """https://ai.google.dev/api/models#Model."""

    name: str
    display_name: str
    supported_generation_methods: tuple[str, ...] = ()
    output_token_limit: int | None = None


class GeminiModels(Struct, frozen=True):
    """A page that holds the whole list."""

    models: list[GeminiModel]


_GEMINI_METHODS = ("generateContent", "streamGenerateContent", "countTokens")


def write_models(models: Sequence[Model], dialect: Dialect) -> bytes:
    """Return the list in the form of the dialect's vendor; OpenAI's for all others."""
    match dialect:
        case Dialect.ANTHROPIC_MESSAGES:
            page = AnthropicModels(
                [_anthropic(model) for model in models],
                models[0].name if models else None,
                models[-1].name if models else None,
            )
        case Dialect.GEMINI_GENERATE:
            page = GeminiModels([_gemini(model) for model in models])
        case _:
            page = OpenAIModels([_openai(model) for model in models])
    return msgspec.json.encode(page)


def write_model(model: Model, dialect: Dialect) -> bytes:
    """Return one model in the form of the dialect's vendor; OpenAI's for all others."""
    match dialect:
        case Dialect.ANTHROPIC_MESSAGES:
            return msgspec.json.encode(_anthropic(model))
        case Dialect.GEMINI_GENERATE:
            return msgspec.json.encode(_gemini(model))
        case _:
            return msgspec.json.encode(_openai(model))


def _openai(model: Model) -> OpenAIModel:
    return OpenAIModel(id=model.name, created=model.created_at_ms // 1000)


def _anthropic(model: Model) -> AnthropicModel:
    created = datetime.datetime.fromtimestamp(model.created_at_ms // 1000, datetime.UTC)
    return AnthropicModel(
        id=model.name,
        display_name=model.name,
        created_at=created.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def _gemini(model: Model) -> GeminiModel:
    return GeminiModel(
        name=f"models/{model.name}",
        display_name=model.name,
        supported_generation_methods=_GEMINI_METHODS,
        output_token_limit=model.max_output_tokens,
    )
