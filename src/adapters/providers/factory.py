"""Kind of provider -> provider."""

from collections.abc import Callable

from adapters.providers.demo import DemoProvider, configure_demo
from adapters.providers.openai import OpenAIProvider
from adapters.providers.openai_config import configure
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

        It is given the provider and the URL of its HTTP proxy, which may hold a password. It raises ValueError when the transport's own options are unusable.
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
            return DemoProvider(configure_demo(spec), clock=self._clock)
        config = configure(spec, self._cipher)
        try:
            transport = self._transport_for(spec, config.proxy)
        except ValueError as error:
            raise InvalidRequest(
                f"The connection options cannot be used: {error}.", param="options"
            ) from error
        return OpenAIProvider(
            config,
            transport=transport,
            clock=self._clock,
            bodies=self._bodies,
            user_agent=self._user_agent,
        )
