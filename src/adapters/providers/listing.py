"""Lists of models, in the shape of each vendor."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Struct, field

from application.ports.provider import RemoteModel
from application.ports.upstream import UpstreamResponse
from domain.errors import (
    UnsupportedField,
    UpstreamCredentialRejected,
    UpstreamProtocolError,
    UpstreamRejected,
    UpstreamTimeout,
)

MOST_PAGES = 20
MOST_MODELS = 5_000
LARGEST_PAGE = 4 * 1024 * 1024
_LONGEST_ID = 2_048
_LONGEST_NAME = 256

_T = TypeVar("_T")


class Page(Struct, frozen=True):
    """A part of a list; `cursor` asks for the next one, None at the end."""

    models: tuple[RemoteModel, ...]
    cursor: str | None = None


class ModelListing(Struct, frozen=True, kw_only=True):
    """Where a list begins, how a page is read, and which query parameter continues it."""

    url: str
    read: Callable[[bytes], Page]
    cursor_name: str = ""

    def page_url(self, cursor: str | None) -> str:
        """Return the URL of a page; None is the first."""
        if cursor is None:
            return self.url
        separator = "&" if "?" in self.url else "?"
        return f"{self.url}{separator}{self.cursor_name}={quote(cursor, safe='')}"


Get = Callable[[str], Awaitable[UpstreamResponse]]
"""Asks for a URL; returns an answer whose status is 200, or raises."""


async def read_lists(
    listings: Sequence[ModelListing], get: Get, *, total_s: float
) -> tuple[RemoteModel, ...]:
    """Return the models of all lists, each once; only the first list has to be readable.

    Raises:
        UnsupportedField: there is no list.
        UpstreamTimeout: `total_s` has passed.
        UpstreamFailure: of `get`; UpstreamProtocolError: a page is not what it should be.
    """
    if not listings:
        raise UnsupportedField("No list of models is known for this base_url.")
    found: dict[str, RemoteModel] = {}
    first, *others = listings
    try:
        async with asyncio.timeout(total_s):
            await _read_list(first, get, found)
            for listing in others:
                try:
                    await _read_list(listing, get, found)
                except (UnsupportedField, UpstreamCredentialRejected, UpstreamRejected):
                    continue  # the credential may see one list and not the other
    except TimeoutError:
        raise UpstreamTimeout("total") from None
    return tuple(found.values())


async def _read_list(listing: ModelListing, get: Get, found: dict[str, RemoteModel]) -> None:
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = listing.read(await _body(await get(listing.page_url(cursor))))
        for model in page.models:
            if len(found) >= MOST_MODELS:
                return
            found.setdefault(model.id, model)
        cursor = page.cursor
        if cursor is None:
            return


async def _body(response: UpstreamResponse) -> bytes:
    body = bytearray()
    try:
        async for chunk in response.chunks():
            body += chunk
            if len(body) > LARGEST_PAGE:
                raise UpstreamProtocolError("the list of models is too large")
    finally:
        await response.aclose()
    return bytes(body)


class _OpenAIModel(Struct):
    id: str


class _OpenAIList(Struct):
    data: list[_OpenAIModel]


class _AnthropicModel(Struct):
    id: str
    display_name: str | None = None


class _AnthropicList(Struct):
    data: list[_AnthropicModel]
    has_more: bool = False
    last_id: str | None = None


class _GeminiModel(Struct, rename="camel"):
    name: str
    display_name: str | None = None
    supported_generation_methods: list[str] | None = None


class _GeminiList(Struct, rename="camel"):
    models: list[_GeminiModel] = field(default_factory=list[_GeminiModel])
    next_page_token: str | None = None


class _BedrockModel(Struct, rename="camel"):
    model_id: str
    model_name: str | None = None
    output_modalities: list[str] | None = None
    inference_types_supported: list[str] | None = None


class _BedrockList(Struct, rename="camel"):
    model_summaries: list[_BedrockModel]


class _BedrockProfile(Struct, rename="camel"):
    inference_profile_id: str
    inference_profile_name: str | None = None


class _BedrockProfiles(Struct, rename="camel"):
    inference_profile_summaries: list[_BedrockProfile]
    next_token: str | None = None


def openai_page(body: bytes) -> Page:
    """Read `GET /models` (https://platform.openai.com/docs/api-reference/models/list)."""
    listed = _decode(body, _OpenAIList)
    return Page(tuple(_model(each.id) for each in listed.data))


def anthropic_page(body: bytes) -> Page:
    """Read `GET /v1/models` (https://docs.claude.com/en/api/models-list)."""
    listed = _decode(body, _AnthropicList)
    models = tuple(_model(each.id, each.display_name) for each in listed.data)
    return Page(models, listed.last_id if listed.has_more else None)


def gemini_page(body: bytes) -> Page:
    """Read `GET /v1beta/models` (https://ai.google.dev/api/models).

    Models that only do something else than `generateContent` are left out.
    """
    listed = _decode(body, _GeminiList)
    models = tuple(
        _model(each.name.removeprefix("models/"), each.display_name)
        for each in listed.models
        if each.supported_generation_methods is None
        or "generateContent" in each.supported_generation_methods
    )
    return Page(models, listed.next_page_token or None)


def bedrock_models_page(body: bytes) -> Page:
    """Read `ListFoundationModels`: those that write text and can be called by their own id.

    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListFoundationModels.html
    """
    listed = _decode(body, _BedrockList)
    return Page(
        tuple(
            _model(each.model_id, each.model_name)
            for each in listed.model_summaries
            if _has(each.output_modalities, "TEXT")
            and _has(each.inference_types_supported, "ON_DEMAND")
        )
    )


def bedrock_profiles_page(body: bytes) -> Page:
    """Read `ListInferenceProfiles`, by which the newer models are called.

    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListInferenceProfiles.html
    """
    listed = _decode(body, _BedrockProfiles)
    models = tuple(
        _model(each.inference_profile_id, each.inference_profile_name)
        for each in listed.inference_profile_summaries
    )
    return Page(models, listed.next_token or None)


def _model(given: str, name: str | None = None) -> RemoteModel:
    if not given.isprintable() or not 1 <= len(given) <= _LONGEST_ID:
        raise UpstreamProtocolError("a listed model has an impossible id")
    shown = "".join(char for char in name or "" if char.isprintable())
    return RemoteModel(id=given, name=shown[:_LONGEST_NAME])


def _has(values: list[str] | None, wanted: str) -> bool:
    return values is None or wanted in values


def _decode(body: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamProtocolError("not a list of models") from None
