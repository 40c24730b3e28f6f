"""Azure OpenAI: OpenAI's formats at an endpoint of one's own, with deployments for models.

https://learn.microsoft.com/en-us/azure/ai-foundry/openai/api-version-lifecycle
"""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlsplit

from msgspec import Struct, structs

from adapters.providers.credentials import Credential
from adapters.providers.entra_credentials import AUTHORITY, SCOPE, EntraClient, EntraCredential
from adapters.providers.http_provider import Connection
from adapters.providers.key_credentials import KeyCredentials
from adapters.providers.listing import ModelListing, openai_page
from adapters.providers.openai import (
    APIS,
    RESPONSES,
    OpenAIConfig,
    OpenAIProvider,
    translation_format,
)
from adapters.providers.provider_config import (
    base_url,
    check_header_value,
    check_options,
    check_url,
    choice_option,
    flag_option,
    public_headers,
    read_credential,
    read_headers,
    text_option,
)
from adapters.providers.relays import RelayedRequest, relayed_to_openai
from adapters.wire.codec import WireCodec
from application.ports.clock import Clock
from application.ports.provider import ProviderCall
from application.ports.upstream import UpstreamTransport
from domain.errors import InvalidRequest
from domain.inference.dialect import Dialect
from domain.routing.catalog import ProviderSpec

EXAMPLE_URL = "https://NAME.openai.azure.com"
OPTIONS = frozenset({"api_version", "api", "stream_usage"})
LATEST = "v1"
PREVIEW = "preview"
KEYS = KeyCredentials(header="api-key", required=True)
# What the dated versions came to understand, in order: `stream_options` and
# `max_completion_tokens`, then Responses.
_NEWER_MEMBERS_SINCE = "2024-09-01"
_RESPONSES_SINCE = "2025-03-01"
_DATED = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}(?:-preview)?")
_EXPECTED = (
    "an object with 'api_key' (text), or with 'tenant_id', 'client_id' and 'client_secret' (texts) "
    "and, optionally, 'scope' and 'authority'; 'headers' and 'proxy' may stand beside either"
)
_IDENTIFIER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?")
_VISIBLE = re.compile(r"[!-~]{1,1024}")


class AzureConfig(Struct, frozen=True, kw_only=True):
    """What distinguishes one endpoint from another.

    Attributes:
        version: `v1`, `preview` (v1 with its preview features), or a date.
    """

    openai: OpenAIConfig
    version: str

    @property
    def dated(self) -> bool:
        """Whether deployments are part of the path."""
        return self.version not in (LATEST, PREVIEW)


class AzureCredential(Struct, frozen=True, forbid_unknown_fields=True):
    """One sealed credential: a key of the resource, or a registered application."""

    api_key: str | None = None
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    scope: str | None = None
    authority: str | None = None
    headers: dict[str, str] = {}

    def __repr__(self) -> str:
        """Never the values."""
        return "AzureCredential(…)"


def configure_azure(spec: ProviderSpec) -> tuple[AzureConfig, str, dict[str, str]]:
    """Check the options; return configuration, base URL (without `/openai`) and public headers.

    Raises:
        InvalidRequest: something cannot work; `param` names the field.
    """
    check_options(spec.options, OPTIONS)
    version = text_option(spec.options, "api_version") or LATEST
    if version not in (LATEST, PREVIEW) and not _DATED.fullmatch(version):
        raise InvalidRequest(
            "The option 'api_version' must be 'v1', 'preview', or a date such as '2024-10-21'.",
            param="options.api_version",
        )
    newest = version in (LATEST, PREVIEW)
    newer_members = newest or version >= _NEWER_MEMBERS_SINCE
    has_responses = newest or version >= _RESPONSES_SINCE
    api = choice_option(spec.options, "api", APIS, "auto")
    if api == "responses" and not has_responses:
        raise InvalidRequest(
            f"The api_version '{version}' has no Responses API; take 'v1' or leave 'api' out.",
            param="options.api",
        )
    own = (
        {Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES} if has_responses else {Dialect.OPENAI_CHAT}
    )
    config = AzureConfig(
        version=version,
        openai=OpenAIConfig(
            stream_usage=flag_option(spec.options, "stream_usage", default=newer_members),
            bound_name="max_completion_tokens" if newer_members else "max_tokens",
            translate_to=translation_format(api, official=has_responses),
            own=frozenset(own),
        ),
    )
    url = base_url(spec, None, EXAMPLE_URL).removesuffix("/v1").removesuffix("/openai")
    return config, url, public_headers(spec.options)


class AzureOpenAIProvider(OpenAIProvider):
    """One resource at Azure."""

    def __init__(self, config: AzureConfig, connection: Connection) -> None:
        """Take ownership of the connection's transport."""
        super().__init__(config.openai, connection)
        self._azure = config

    def url_for(self, call: ProviderCall, wire: WireCodec) -> str:
        """Return the operation's URL; the deployment is in the body, or in the path if dated."""
        if wire is RESPONSES:
            return self._url("/responses")
        return self._url("/chat/completions", deployment=call.upstream_model)

    async def relayed(self, call: ProviderCall) -> RelayedRequest | None:
        """Return what to send for the other operations of OpenAI's API."""
        base = f"{self._connection.base_url}/openai"
        if not self._azure.dated:
            base = f"{base}/v1"
        elif not call.head.continues:
            base = f"{base}/deployments/{quote(call.upstream_model, safe='')}"
        relayed = await relayed_to_openai(
            call, base, bodies=self._connection.bodies, scrubber=self._scrubber
        )
        if relayed is None or self._azure.version == LATEST:
            return relayed
        separator = "&" if "?" in relayed.url else "?"
        url = f"{relayed.url}{separator}api-version={self._azure.version}"
        return structs.replace(relayed, url=url)

    def listings(self) -> tuple[ModelListing, ...]:
        """Return the models the resource may use; Azure's data plane lists no deployments."""
        return (ModelListing(url=self._url("/models"), read=openai_page),)

    def _url(self, path: str, *, deployment: str | None = None) -> str:
        base, version = f"{self._connection.base_url}/openai", self._azure.version
        if version == LATEST:
            return f"{base}/v1{path}"
        if version == PREVIEW:
            return f"{base}/v1{path}?api-version={PREVIEW}"
        if deployment is not None:
            path = f"/deployments/{quote(deployment, safe='')}{path}"
        return f"{base}{path}?api-version={version}"


def read_azure_credentials(
    given: Sequence[Mapping[str, object]], transport: UpstreamTransport, clock: Clock
) -> tuple[tuple[Credential, ...], tuple[str, ...]]:
    """Return the credentials, at least one, and the secret texts in them.

    Raises:
        InvalidRequest: one is not usable, or there is none.
    """
    credentials: list[Credential] = []
    secrets: list[str] = []
    for each in given or ({},):
        credential = read_credential(each, AzureCredential, _EXPECTED)
        parts = (credential.tenant_id, credential.client_id, credential.client_secret)
        if all(part is None for part in (*parts, credential.scope, credential.authority)):
            plain = {name: each[name] for name in ("api_key", "headers") if name in each}
            made, texts = KEYS.read("azure_openai", [plain] if plain else [])
            credentials += made
            secrets += texts
            continue
        client = _entra_client(credential)
        headers = read_headers(credential.headers, "credentials.headers")
        if "authorization" in headers:
            raise InvalidRequest(
                "The credentials have both a client secret and an authorization header.",
                param="credentials.headers.authorization",
            )
        extra = [(name.encode(), value.encode()) for name, value in headers.items()]
        credentials.append(EntraCredential(client, transport, clock, headers=extra))
        secrets += [client.tenant_id, client.client_id, client.client_secret, *headers.values()]
        secrets.append(urlsplit(client.authority).hostname or "")
    return tuple(credentials), tuple(secrets)


def _entra_client(credential: AzureCredential) -> EntraClient:
    """Return the application. Raises `InvalidRequest` without quoting what is secret."""
    if credential.api_key is not None:
        raise InvalidRequest(
            "The credentials have both an API key and a client of Entra ID; list the two in "
            "'any_of' to have one after the other tried.",
            param="credentials.api_key",
        )
    tenant, client, secret = credential.tenant_id, credential.client_id, credential.client_secret
    for name, value in (("tenant_id", tenant), ("client_id", client), ("client_secret", secret)):
        if value is None:
            raise InvalidRequest(
                f"A client of Entra ID needs tenant_id, client_id and client_secret; '{name}' is "
                "missing.",
                param=f"credentials.{name}",
            )
    assert tenant is not None
    assert client is not None
    assert secret is not None
    for name, value in (("tenant_id", tenant), ("client_id", client)):
        if not _IDENTIFIER.fullmatch(value):
            raise InvalidRequest(
                f"The {name} must be an id such as the portal shows.", param=f"credentials.{name}"
            )
    check_header_value(secret, "credentials.client_secret", "The client secret")
    scope = credential.scope or SCOPE
    if not _VISIBLE.fullmatch(scope):
        raise InvalidRequest(f"The scope must be one like {SCOPE}.", param="credentials.scope")
    return EntraClient(
        tenant_id=tenant,
        client_id=client,
        client_secret=secret,
        scope=scope,
        authority=_authority(credential.authority),
    )


def _authority(given: str | None) -> str:
    if given is None:
        return AUTHORITY
    return check_url(given, "credentials.authority", "authority")
