"""Kind of provider -> provider."""

from collections.abc import Callable, Mapping, Sequence

from adapters.providers.anthropic import KEYS as ANTHROPIC_KEYS
from adapters.providers.anthropic import AnthropicProvider, configure_anthropic
from adapters.providers.aws_config import read_aws_credentials
from adapters.providers.azure_openai import (
    AzureOpenAIProvider,
    configure_azure,
    read_azure_credentials,
)
from adapters.providers.bedrock import BedrockProvider, configure_bedrock
from adapters.providers.credentials import Credential
from adapters.providers.demo import DemoProvider, configure_demo
from adapters.providers.gemini import KEYS as GEMINI_KEYS
from adapters.providers.gemini import GeminiProvider, configure_gemini
from adapters.providers.http_provider import Connection
from adapters.providers.key_credentials import KeyCredentials
from adapters.providers.openai import OpenAIProvider, configure_openai, openai_keys
from adapters.providers.provider_config import open_credentials, private_texts, proxy_url
from application.ports.clock import Clock
from application.ports.provider import Provider, ProviderFactory
from application.ports.secrets import SecretCipher
from application.ports.upstream import UpstreamTransport
from application.runtime.large_bodies import LargeBodies
from domain.errors import InvalidRequest
from domain.routing.catalog import ProviderKind, ProviderSpec

_Given = Sequence[Mapping[str, object]]
_Credentials = tuple[tuple[Credential, ...], tuple[str, ...]]
_ReadCredentials = Callable[[_Given, UpstreamTransport], _Credentials]


class ProvidersByKind(ProviderFactory):
    """Builds providers on transports it is given; checks the configuration first."""

    def __init__(
        self,
        cipher: SecretCipher,
        transport_for: Callable[[ProviderSpec, str | None], UpstreamTransport],
        clock: Clock,
        *,
        user_agent: str = "ThinkWatch",
    ) -> None:
        """`transport_for` makes a new transport, owned by the provider it is made for.

        It is given the provider and the URL of its HTTP proxy, which may hold a password. It raises
        ValueError when the transport's own options are unusable.
        """
        self._transport_for = transport_for
        self._cipher = cipher
        self._clock = clock
        self._user_agent = user_agent
        self._bodies = LargeBodies()

    def build(self, spec: ProviderSpec) -> Provider:
        """Return a new provider.

        Raises:
            InvalidRequest: the configuration cannot work; `param` names the field.
        """
        if spec.kind is ProviderKind.DEMO:
            return DemoProvider(configure_demo(spec), clock=self._clock, bodies=self._bodies)
        match spec.kind:
            case ProviderKind.OPENAI | ProviderKind.OPENAI_COMPATIBLE:
                openai, url, headers = configure_openai(spec)
                keys = self._keys(spec, openai_keys(spec.kind))
                return OpenAIProvider(openai, self._connect(spec, url, headers, keys))
            case ProviderKind.AZURE_OPENAI:
                azure, url, headers = configure_azure(spec)
                connection = self._connect(spec, url, headers, self._azure_credentials)
                return AzureOpenAIProvider(azure, connection)
            case ProviderKind.ANTHROPIC:
                anthropic, url, headers = configure_anthropic(spec)
                keys = self._keys(spec, ANTHROPIC_KEYS)
                return AnthropicProvider(anthropic, self._connect(spec, url, headers, keys))
            case ProviderKind.GEMINI:
                url, headers = configure_gemini(spec)
                keys = self._keys(spec, GEMINI_KEYS)
                return GeminiProvider(self._connect(spec, url, headers, keys))
            case ProviderKind.BEDROCK:
                bedrock, url, headers = configure_bedrock(spec)
                connection = self._connect(spec, url, headers, self._aws_credentials(spec))
                return BedrockProvider(bedrock, connection)

    @staticmethod
    def _keys(spec: ProviderSpec, keys: KeyCredentials) -> _ReadCredentials:
        return lambda given, _: keys.read(spec.kind, given)

    def _azure_credentials(self, given: _Given, transport: UpstreamTransport) -> _Credentials:
        return read_azure_credentials(given, transport, self._clock)

    def _aws_credentials(self, spec: ProviderSpec) -> _ReadCredentials:
        return lambda given, _: read_aws_credentials(
            spec.options, given, clock=self._clock, bodies=self._bodies
        )

    def _connect(
        self, spec: ProviderSpec, url: str, headers: Mapping[str, str], read: _ReadCredentials
    ) -> Connection:
        opened = open_credentials(spec, self._cipher)
        proxy = proxy_url(spec.options, opened.proxy)
        try:
            transport = self._transport_for(spec, proxy)  # nothing connects before it is used
        except ValueError as error:
            raise InvalidRequest(
                f"The connection options cannot be used: {error}.", param="options"
            ) from error
        credentials, secrets = read(opened.each, transport)
        return Connection(
            base_url=url,
            headers=tuple((name.encode(), value.encode()) for name, value in headers.items()),
            credentials=credentials,
            private=private_texts(url, proxy, (*secrets, *headers.values())),
            transport=transport,
            clock=self._clock,
            bodies=self._bodies,
            user_agent=self._user_agent,
        )
