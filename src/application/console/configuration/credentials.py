"""Credentials of providers: sealed for the store, opened to compare, tried before they are kept."""

import msgspec

from application.ports.provider import ProviderFactory
from application.ports.secrets import SecretCipher
from domain.errors import InvalidRequest
from domain.identifiers import ProviderId
from domain.routing.catalog import ProviderSpec
from domain.secret import Secret

_encoder = msgspec.json.Encoder(order="sorted")


class ProviderCredentials:
    """Seals an object of credentials for one provider, and tries configurations that use it."""

    def __init__(self, cipher: SecretCipher, factory: ProviderFactory) -> None:
        """`factory` refuses configurations that cannot work."""
        self._cipher = cipher
        self._factory = factory

    def sealed(self, credentials: dict[str, object], provider_id: ProviderId) -> str | None:
        """Return the envelope to store; None for no credentials."""
        if not credentials:
            return None
        return self._cipher.seal(text_of(credentials), context=_context(provider_id))

    def opened(self, provider: ProviderSpec) -> Secret | None:
        """Return the stored credentials as JSON text; None when there are none.

        Raises:
            InvalidRequest: they cannot be opened with the present key ring.
        """
        if provider.sealed_credentials is None:
            return None
        return self._cipher.open(provider.sealed_credentials, context=_context(provider.id))

    async def fault(self, provider: ProviderSpec) -> InvalidRequest | None:
        """Return why this configuration cannot work, or None."""
        try:
            built = self._factory.build(provider)
        except InvalidRequest as error:
            return error
        await built.aclose()
        return None


def text_of(members: dict[str, object]) -> Secret:
    """Return one text for equal objects, whatever the order of their members."""
    return Secret(_encoder.encode(members).decode())


def _context(provider_id: ProviderId) -> str:
    return f"provider:{provider_id}"
