"""Anthropic's Messages API, and servers that speak it."""

from typing import ClassVar

from adapters.providers.http_provider import HttpProvider
from adapters.providers.key_credentials import KeyCredentials
from adapters.providers.provider_config import base_url, check_options, public_headers
from adapters.wire.anthropic_messages.wire import AnthropicMessagesWire
from adapters.wire.codec import WireCodec
from application.ports.provider import ProviderCall
from application.ports.upstream import Headers
from domain.routing.catalog import ProviderSpec

ANTHROPIC_URL = "https://api.anthropic.com"
ANTHROPIC_VERSION = b"2023-06-01"
"""https://docs.anthropic.com/en/api/versioning"""
KEYS = KeyCredentials(header="x-api-key", required=True)
_WIRE = AnthropicMessagesWire()
_PASSED = frozenset({b"anthropic-version", b"anthropic-beta"})


def configure_anthropic(spec: ProviderSpec) -> tuple[str, dict[str, str]]:
    """Check the options; return the base URL (without `/v1`) and the public headers.

    Raises:
        InvalidRequest: something cannot work; `param` names the field.
    """
    check_options(spec.options, ())
    url = base_url(spec, ANTHROPIC_URL, ANTHROPIC_URL)
    return url.removesuffix("/v1"), public_headers(spec.options)


class AnthropicProvider(HttpProvider):
    """One account at Anthropic."""

    SHOWN_HEADERS: ClassVar[frozenset[bytes]] = frozenset({b"anthropic-organization-id"})

    def wire_for(self, call: ProviderCall) -> WireCodec:
        """Messages, for everybody."""
        return _WIRE

    def url_for(self, call: ProviderCall, wire: WireCodec) -> str:
        """Return the one URL."""
        return f"{self._connection.base_url}/v1/messages"

    def headers_for(self, call: ProviderCall) -> Headers:
        """Return the API version, and of a client of this API its own choice of it and of betas."""
        given = {name: value for name, value in call.dialect_headers if name in _PASSED}
        return tuple({b"anthropic-version": ANTHROPIC_VERSION, **given}.items())
