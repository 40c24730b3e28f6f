"""Anthropic's Messages API, and servers that speak it."""

from functools import partial
from typing import ClassVar

from adapters.providers.http_provider import HttpProvider
from adapters.providers.key_credentials import KeyCredentials
from adapters.providers.provider_config import base_url, check_options, public_headers
from adapters.providers.relays import RelayedRequest
from adapters.wire.anthropic_messages.wire import AnthropicMessagesWire
from adapters.wire.codec import WireCodec, WireTarget
from adapters.wire.openai_relay.scanners import JsonRelayScanner
from application.ports.provider import ProviderCall
from application.ports.upstream import Headers
from domain.inference.dialect import Dialect, Operation
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

    async def relayed(self, call: ProviderCall) -> RelayedRequest | None:
        """Return what to send to count tokens, for clients of this API."""
        if call.operation is not Operation.COUNT_TOKENS:
            return None
        if call.codec.dialect is not Dialect.ANTHROPIC_MESSAGES:
            return None
        target = WireTarget(model=call.upstream_model)
        edit = partial(_WIRE.edit_request, head=call.head, target=target)
        return RelayedRequest(
            url=f"{self._connection.base_url}/v1/messages/count_tokens",
            body=await self._connection.bodies.work(call.body, edit),
            scanner=JsonRelayScanner(
                max_bytes=call.max_reply_bytes, scrubber=self._scrubber, free=True
            ),
        )

    def headers_for(self, call: ProviderCall) -> Headers:
        """Return the API version, and of a client of this API its own choice of it and of betas."""
        given = {name: value for name, value in call.dialect_headers if name in _PASSED}
        return tuple({b"anthropic-version": ANTHROPIC_VERSION, **given}.items())
