"""Amazon Bedrock's Converse API.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct

from adapters.providers.aws_config import AWS_OPTIONS, read_region
from adapters.providers.aws_signing import bedrock_url, converse_path
from adapters.providers.http_provider import Connection, HttpProvider
from adapters.providers.listing import (
    ModelListing,
    bedrock_models_page,
    bedrock_profiles_page,
)
from adapters.providers.provider_config import base_url, check_options, check_url, public_headers
from adapters.wire.bedrock_converse.wire import BedrockConverseWire
from adapters.wire.codec import WireCodec
from application.ports.provider import ProviderCall
from domain.errors import InvalidRequest
from domain.routing.catalog import ProviderSpec

OPTIONS = frozenset({*AWS_OPTIONS, "control_url"})
_WIRE = BedrockConverseWire()
_RUNTIME = "bedrock-runtime"


class BedrockConfig(Struct, frozen=True, kw_only=True):
    """Where lists of models are; None when that is not known."""

    control_url: str | None


def configure_bedrock(spec: ProviderSpec) -> tuple[BedrockConfig, str, dict[str, str]]:
    """Check the options but those of credentials; return configuration, base URL, public headers.

    Raises:
        InvalidRequest: something cannot work; `param` names the field.
    """
    check_options(spec.options, OPTIONS)
    region = read_region(spec.options)
    url = base_url(spec, bedrock_url(region), bedrock_url(region))
    control = spec.options.get("control_url")
    if control is not None and not isinstance(control, str):
        raise InvalidRequest("The option 'control_url' must be text.", param="options.control_url")
    if control is not None:
        control = check_url(control, "options.control_url", "control_url")
    return (
        BedrockConfig(control_url=control or _control_url(url)),
        url,
        public_headers(spec.options),
    )


def _control_url(url: str) -> str | None:
    """Return the control plane beside a runtime endpoint of AWS's, FIPS ones included.

    https://docs.aws.amazon.com/general/latest/gr/bedrock.html
    """
    parts = urlsplit(url)
    if not (parts.hostname or "").startswith((f"{_RUNTIME}.", f"{_RUNTIME}-fips.")):
        return None
    host = parts.netloc.replace(_RUNTIME, "bedrock", 1)
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


class BedrockProvider(HttpProvider):
    """One account and region at AWS."""

    def __init__(self, config: BedrockConfig, connection: Connection) -> None:
        """Take ownership of the connection's transport."""
        super().__init__(connection)
        self._config = config

    @property
    def own_wire(self) -> WireCodec:
        """Converse."""
        return _WIRE

    def wire_for(self, call: ProviderCall) -> WireCodec:
        """Converse, for everybody."""
        return _WIRE

    def url_for(self, call: ProviderCall, wire: WireCodec) -> str:
        """Return the URL of the model's operation."""
        path = converse_path(call.upstream_model, stream=call.head.stream)
        return self._connection.base_url + path

    def listings(self) -> tuple[ModelListing, ...]:
        """Return the foundation models and the inference profiles, on the control plane."""
        control = self._config.control_url
        if control is None:
            return ()
        return (
            ModelListing(
                url=f"{control}/foundation-models?byOutputModality=TEXT", read=bedrock_models_page
            ),
            ModelListing(
                url=f"{control}/inference-profiles?maxResults=1000",
                read=bedrock_profiles_page,
                cursor_name="nextToken",
            ),
        )
