"""OpenAI, and every server that speaks its Chat Completions format."""

import re
from collections.abc import Mapping
from typing import ClassVar

from msgspec import Struct

from adapters.providers.http_provider import Connection, HttpProvider
from adapters.providers.key_credentials import BearerKeys
from adapters.providers.listing import ModelListing, openai_page
from adapters.providers.provider_config import (
    base_url,
    check_options,
    choice_option,
    flag_option,
    public_headers,
)
from adapters.providers.relays import RelayedRequest, relayed_to_openai
from adapters.wire.codec import WireCodec, WireTarget
from adapters.wire.openai_chat.wire import OpenAIChatWire
from adapters.wire.openai_responses.wire import OpenAIResponsesWire
from application.ports.provider import ProviderCall
from application.ports.upstream import Headers
from domain.errors import InvalidRequest
from domain.inference.dialect import Dialect
from domain.routing.catalog import ProviderKind, ProviderSpec

OPENAI_URL = "https://api.openai.com/v1"
OPTIONS = frozenset({"organization", "project", "stream_usage", "api"})
APIS = ("auto", "chat_completions", "responses")
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,128}")
CHAT = OpenAIChatWire()
RESPONSES = OpenAIResponsesWire()


class OpenAIConfig(Struct, frozen=True, kw_only=True):
    """What distinguishes one server of this family from another.

    Attributes:
        stream_usage: whether to ask for usage in streams on our own account.
        bound_name: the member of Chat Completions that bounds generated tokens.
        translate_to: format for clients of another vendor's dialect.
        own: dialects whose requests go out as they are.
    """

    stream_usage: bool
    bound_name: str
    translate_to: WireCodec
    own: frozenset[Dialect]


def configure_openai(spec: ProviderSpec) -> tuple[OpenAIConfig, str, dict[str, str]]:
    """Check the options; return the configuration, the base URL and the public headers.

    Raises:
        InvalidRequest: something cannot work; `param` names the field.
    """
    check_options(spec.options, OPTIONS)
    official = spec.kind is ProviderKind.OPENAI
    url = base_url(spec, OPENAI_URL if official else None, "http://localhost:8000/v1")
    api = choice_option(spec.options, "api", APIS, "auto")
    config = OpenAIConfig(
        stream_usage=flag_option(spec.options, "stream_usage", default=True),
        bound_name="max_completion_tokens" if official else "max_tokens",
        translate_to=translation_format(api, official=official),
        own=own_dialects(api, official=official),
    )
    return config, url, {**public_headers(spec.options), **_account_headers(spec.options)}


def translation_format(api: str, *, official: bool) -> WireCodec:
    """Return the format for clients of other vendors.

    OpenAI's own models keep their reasoning over several turns in Responses only; other servers
    mostly know Chat Completions alone.
    """
    if api == "auto":
        return RESPONSES if official else CHAT
    return RESPONSES if api == "responses" else CHAT


def own_dialects(api: str, *, official: bool) -> frozenset[Dialect]:
    """Return the dialects that go out as they came: both at OpenAI, one at most other servers."""
    if official:
        return frozenset({Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES})
    if api == "responses":
        return frozenset({Dialect.OPENAI_RESPONSES})
    return frozenset({Dialect.OPENAI_CHAT})


class OpenAIProvider(HttpProvider):
    """OpenAI and compatible servers."""

    SHOWN_HEADERS: ClassVar[frozenset[bytes]] = frozenset(
        {b"openai-processing-ms", b"openai-version"}
    )

    def __init__(self, config: OpenAIConfig, connection: Connection) -> None:
        """Take ownership of the connection's transport."""
        super().__init__(connection)
        self._config = config

    @property
    def own_wire(self) -> WireCodec:
        """Chat Completions, which shares its errors with the rest of the API."""
        return CHAT

    def wire_for(self, call: ProviderCall) -> WireCodec:
        """Return the caller's own format where the server has it."""
        dialect = call.codec.dialect
        if dialect not in self._config.own:
            return self._config.translate_to
        return RESPONSES if dialect is Dialect.OPENAI_RESPONSES else CHAT

    def url_for(self, call: ProviderCall, wire: WireCodec) -> str:
        """Return the operation's URL below the base URL."""
        return self._connection.base_url + (
            "/responses" if wire is RESPONSES else "/chat/completions"
        )

    async def relayed(self, call: ProviderCall) -> RelayedRequest | None:
        """Return what to send for the other operations of OpenAI's API."""
        return await relayed_to_openai(
            call,
            self._connection.base_url,
            bodies=self._connection.bodies,
            scrubber=self._scrubber,
        )

    def headers_for(self, call: ProviderCall) -> Headers:
        """Return what a client of this API asks for in `openai-beta`."""
        if call.codec.dialect not in self._config.own:
            return ()
        betas = [value for name, value in call.dialect_headers if name == b"openai-beta"]
        return ((b"openai-beta", b",".join(betas)),) if betas else ()

    def target_for(self, call: ProviderCall) -> WireTarget:
        """Return the model, the bound and its name."""
        return WireTarget(
            model=call.upstream_model,
            output_bound=call.output_bound,
            ask_for_usage=self._config.stream_usage,
            bound_name=self._config.bound_name,
        )

    def listings(self) -> tuple[ModelListing, ...]:
        """Return the one list; it has no pages."""
        return (ModelListing(url=f"{self._connection.base_url}/models", read=openai_page),)


def openai_keys(kind: ProviderKind) -> BearerKeys:
    """Return how the credentials of this family are read: OpenAI needs one, others may not."""
    return BearerKeys(required=kind is ProviderKind.OPENAI)


def _account_headers(options: Mapping[str, object]) -> dict[str, str]:
    """Return `openai-organization` and `openai-project`, if configured."""
    headers: dict[str, str] = {}
    for name in ("organization", "project"):
        value = options.get(name)
        if value is None:
            continue
        if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
            raise InvalidRequest(
                f"The option '{name}' must be an identifier such as 'org-abc123'.",
                param=f"options.{name}",
            )
        headers[f"openai-{name}"] = value
    return headers
