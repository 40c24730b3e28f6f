"""Kind of provider -> provider."""

from collections.abc import Callable, Mapping

from adapters.providers.anthropic import KEYS as ANTHROPIC_KEYS
from adapters.providers.anthropic import AnthropicProvider, configure_anthropic
from adapters.providers.credentials import Credential
from adapters.providers.demo import DemoProvider, configure_demo
from adapters.providers.gemini import KEYS as GEMINI_KEYS
from adapters.providers.gemini import GeminiProvider, configure_gemini
from adapters.providers.http_provider import Connection
from adapters.providers.openai import OpenAIProvider, configure_openai, openai_keys
from adapters.providers.provider_config import (
    OpenedCredentials,
    open_credentials,
    private_texts,
    proxy_url,
)
from application.ports.clock import Clock
from application.ports.provider import Provider, ProviderFactory
from application.ports.secrets import SecretCipher
from application.ports.upstream import UpstreamTransport
from application.runtime.large_bodies import LargeBodies
from domain.errors import InvalidRequest
from domain.routing.catalog import ProviderKind, ProviderSpec


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
        opened = open_credentials(spec, self._cipher)
        match spec.kind:
            case ProviderKind.OPENAI | ProviderKind.OPENAI_COMPATIBLE:
                config, url, headers = configure_openai(spec)
                credentials, secrets = openai_keys(spec.kind).read(spec.kind, opened.each)
                connection = self._connect(spec, opened, url, headers, credentials, secrets)
                return OpenAIProvider(config, connection)
            case ProviderKind.ANTHROPIC:
                url, headers = configure_anthropic(spec)
                credentials, secrets = ANTHROPIC_KEYS.read(spec.kind, opened.each)
                connection = self._connect(spec, opened, url, headers, credentials, secrets)
                return AnthropicProvider(connection)
            case ProviderKind.GEMINI:
                url, headers = configure_gemini(spec)
                credentials, secrets = GEMINI_KEYS.read(spec.kind, opened.each)
                connection = self._connect(spec, opened, url, headers, credentials, secrets)
                return GeminiProvider(connection)
            case _:
                raise InvalidRequest(f"Unknown kind of provider: '{spec.kind}'.", param="kind")

    def _connect(
        self,
        spec: ProviderSpec,
        opened: OpenedCredentials,
        url: str,
        headers: Mapping[str, str],
        credentials: tuple[Credential, ...],
        secrets: tuple[str, ...],
    ) -> Connection:
        proxy = proxy_url(spec.options, opened.proxy)
        try:
            transport = self._transport_for(spec, proxy)
        except ValueError as error:
            raise InvalidRequest(
                f"The connection options cannot be used: {error}.", param="options"
            ) from error
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
