"""Google's Gemini API."""

from urllib.parse import quote

from adapters.providers.http_provider import HttpProvider
from adapters.providers.key_credentials import KeyCredentials
from adapters.providers.provider_config import base_url, check_options, public_headers
from adapters.providers.relays import RelayedRequest
from adapters.wire.codec import WireCodec
from adapters.wire.gemini_generate.wire import GeminiWire
from adapters.wire.openai_relay.scanners import JsonRelayScanner
from application.ports.provider import ProviderCall
from domain.inference.dialect import Dialect, Operation
from domain.routing.catalog import ProviderSpec

GEMINI_URL = "https://generativelanguage.googleapis.com/v1beta"
KEYS = KeyCredentials(header="x-goog-api-key", required=True)
_WIRE = GeminiWire()


def configure_gemini(spec: ProviderSpec) -> tuple[str, dict[str, str]]:
    """Check the options; return the base URL (with its version) and the public headers.

    Raises:
        InvalidRequest: something cannot work; `param` names the field.
    """
    check_options(spec.options, ())
    return base_url(spec, GEMINI_URL, GEMINI_URL), public_headers(spec.options)


class GeminiProvider(HttpProvider):
    """One project at Google."""

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
        if call.operation is not Operation.COUNT_TOKENS:
            return None
        if call.codec.dialect is not Dialect.GEMINI_GENERATE:
            return None
        return RelayedRequest(
            url=f"{self._model_url(call)}:countTokens",
            body=call.body,
            scanner=JsonRelayScanner(
                max_bytes=call.max_reply_bytes, scrubber=self._scrubber, free=True
            ),
        )
