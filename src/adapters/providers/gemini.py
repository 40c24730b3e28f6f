"""Google's Gemini API."""

import re
from urllib.parse import quote, urlsplit

from adapters.providers.http_provider import HttpProvider
from adapters.providers.key_credentials import KeyCredentials
from adapters.providers.listing import ModelListing, gemini_page
from adapters.providers.provider_config import (
    base_url,
    check_options,
    public_headers,
    text_option,
)
from adapters.providers.relays import RelayedRequest, relayed_count
from adapters.wire.codec import WireCodec
from adapters.wire.gemini_generate.wire import GeminiWire
from application.ports.provider import ProviderCall
from domain.errors import InvalidRequest
from domain.routing.catalog import ProviderSpec

GEMINI_URL = "https://generativelanguage.googleapis.com"
API_VERSION = "v1beta"
"""https://ai.google.dev/gemini-api/docs/api-versions"""
OPTIONS = frozenset({"api_version"})
KEYS = KeyCredentials(header="x-goog-api-key", required=True)
_WIRE = GeminiWire()
_VERSION = re.compile(r"v[1-9][0-9]{0,2}(?:(?:alpha|beta)[0-9]{0,2})?")


def configure_gemini(spec: ProviderSpec) -> tuple[str, dict[str, str]]:
    """Check the options; return the base URL (with its version) and the public headers.

    Raises:
        InvalidRequest: something cannot work; `param` names the field.
    """
    check_options(spec.options, OPTIONS)
    version = text_option(spec.options, "api_version")
    if version is not None and not _VERSION.fullmatch(version):
        raise InvalidRequest(
            "The option 'api_version' must be a version such as 'v1beta'.",
            param="options.api_version",
        )
    url = base_url(spec, GEMINI_URL, GEMINI_URL)
    given = urlsplit(url).path.rpartition("/")[2]
    if not _VERSION.fullmatch(given):
        url = f"{url}/{version or API_VERSION}"
    elif version is not None and version != given:
        raise InvalidRequest(
            f"The base_url ends in the version '{given}'; leave the option 'api_version' out.",
            param="options.api_version",
        )
    return url, public_headers(spec.options)


class GeminiProvider(HttpProvider):
    """One project at Google."""

    @property
    def own_wire(self) -> WireCodec:
        """`generateContent`."""
        return _WIRE

    def wire_for(self, call: ProviderCall) -> WireCodec:
        """Return `generateContent`, for everybody."""
        return _WIRE

    def url_for(self, call: ProviderCall, wire: WireCodec) -> str:
        """Return the URL of the model's operation; streams are server-sent events."""
        operation = "streamGenerateContent?alt=sse" if call.head.stream else "generateContent"
        return f"{self._model_url(call)}:{operation}"

    def _model_url(self, call: ProviderCall) -> str:
        model = call.upstream_model.removeprefix("models/")
        # Tuned models keep their prefix.
        path = model if model.startswith("tunedModels/") else f"models/{model}"
        return f"{self._connection.base_url}/{quote(path, safe='/')}"

    async def relayed(self, call: ProviderCall) -> RelayedRequest | None:
        """Return what to send to count tokens, for clients of this API."""
        return await relayed_count(
            call,
            _WIRE,
            f"{self._model_url(call)}:countTokens",
            bodies=self._connection.bodies,
            scrubber=self._scrubber,
        )

    def listings(self) -> tuple[ModelListing, ...]:
        """Return the one list, in pages of the largest size."""
        return (
            ModelListing(
                url=f"{self._connection.base_url}/models?pageSize=1000",
                read=gemini_page,
                cursor_name="pageToken",
            ),
        )
