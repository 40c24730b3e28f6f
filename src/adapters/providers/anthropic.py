"""Anthropic's Messages API, and servers that speak it."""

import re

from msgspec import Struct

from adapters.providers.http_provider import Connection, HttpProvider
from adapters.providers.key_credentials import KeyCredentials
from adapters.providers.listing import ModelListing, anthropic_page
from adapters.providers.provider_config import (
    base_url,
    check_options,
    public_headers,
    text_option,
)
from adapters.providers.relays import RelayedRequest, relayed_count
from adapters.wire.anthropic_messages.wire import AnthropicMessagesWire
from adapters.wire.codec import WireCodec
from application.ports.provider import ProviderCall
from application.ports.upstream import Headers
from domain.errors import InvalidRequest
from domain.inference.dialect import Dialect
from domain.routing.catalog import ProviderSpec

ANTHROPIC_URL = "https://api.anthropic.com"
ANTHROPIC_VERSION = "2023-06-01"
"""https://docs.claude.com/en/api/versioning"""
OPTIONS = frozenset({"version", "beta"})
KEYS = KeyCredentials(header="x-api-key", required=True)
_WIRE = AnthropicMessagesWire()
_VERSION = b"anthropic-version"
_BETA = b"anthropic-beta"
_DATE = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}")
_BETAS = re.compile(r"[A-Za-z0-9._-]+(?: *, *[A-Za-z0-9._-]+)*")


class AnthropicConfig(Struct, frozen=True, kw_only=True):
    """What goes out with every request.

    Attributes:
        version: of the API, for whoever does not choose one.
        betas: names of beta features, besides those that a client of this API asks for.
    """

    version: bytes = ANTHROPIC_VERSION.encode()
    betas: tuple[bytes, ...] = ()


def configure_anthropic(spec: ProviderSpec) -> tuple[AnthropicConfig, str, dict[str, str]]:
    """Check the options; return configuration, base URL (without `/v1`) and the public headers.

    Raises:
        InvalidRequest: something cannot work; `param` names the field.
    """
    check_options(spec.options, OPTIONS)
    version = text_option(spec.options, "version") or ANTHROPIC_VERSION
    if not _DATE.fullmatch(version):
        raise InvalidRequest(
            f"The option 'version' must be a date such as '{ANTHROPIC_VERSION}'.",
            param="options.version",
        )
    betas = text_option(spec.options, "beta")
    if betas is not None and not _BETAS.fullmatch(betas):
        raise InvalidRequest(
            "The option 'beta' must be names such as 'context-1m-2025-08-07', with commas between.",
            param="options.beta",
        )
    headers = public_headers(spec.options)
    for name in ("anthropic-version", "anthropic-beta"):
        if name in headers:
            raise InvalidRequest(
                f"Give the header '{name}' as the option '{name.removeprefix('anthropic-')}'.",
                param=f"options.headers.{name}",
            )
    config = AnthropicConfig(
        version=version.encode(), betas=_names(betas.encode() if betas is not None else b"")
    )
    url = base_url(spec, ANTHROPIC_URL, ANTHROPIC_URL)
    return config, url.removesuffix("/v1"), headers


class AnthropicProvider(HttpProvider):
    """One account at Anthropic."""

    def __init__(self, config: AnthropicConfig, connection: Connection) -> None:
        """Take ownership of the connection's transport."""
        super().__init__(connection)
        self._config = config

    @property
    def own_wire(self) -> WireCodec:
        """Messages."""
        return _WIRE

    def wire_for(self, call: ProviderCall) -> WireCodec:
        """Messages, for everybody."""
        return _WIRE

    def url_for(self, call: ProviderCall, wire: WireCodec) -> str:
        """Return the one URL."""
        return f"{self._connection.base_url}/v1/messages"

    async def relayed(self, call: ProviderCall) -> RelayedRequest | None:
        """Return what to send to count tokens, for clients of this API."""
        return await relayed_count(
            call,
            _WIRE,
            f"{self._connection.base_url}/v1/messages/count_tokens",
            bodies=self._connection.bodies,
            scrubber=self._scrubber,
        )

    def headers_for(self, call: ProviderCall) -> Headers:
        """Return the API version, and of a client of this API its own choice of it and of betas.

        https://docs.claude.com/en/api/beta-headers
        """
        version, betas = self._config.version, list(self._config.betas)
        if call.codec.dialect is Dialect.ANTHROPIC_MESSAGES:
            for name, value in call.dialect_headers:
                if name == _VERSION:
                    version = value
                elif name == _BETA:  # may come several times
                    betas += _names(value)
        return self._version_headers(version, tuple(dict.fromkeys(betas)))

    def listing_headers(self) -> Headers:
        """Return the API version, and the betas, some of which show more models."""
        return self._version_headers(self._config.version, self._config.betas)

    def listings(self) -> tuple[ModelListing, ...]:
        """Return the one list, in pages of the largest size."""
        return (
            ModelListing(
                url=f"{self._connection.base_url}/v1/models?limit=1000",
                read=anthropic_page,
                cursor_name="after_id",
            ),
        )

    @staticmethod
    def _version_headers(version: bytes, betas: tuple[bytes, ...]) -> Headers:
        beta = ((_BETA, b",".join(betas)),) if betas else ()
        return ((_VERSION, version), *beta)


def _names(value: bytes) -> tuple[bytes, ...]:
    return tuple(name for part in value.split(b",") if (name := part.strip()))
