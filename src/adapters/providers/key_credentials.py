"""Credentials that are keys in headers."""

from collections.abc import Mapping, Sequence

from adapters.providers.credentials import Credential, HeaderCredential
from adapters.providers.provider_config import (
    KeyCredential,
    check_header_value,
    read_credential,
    read_headers,
)
from domain.errors import InvalidRequest

_EXPECTED = "an object with 'api_key' (text) and, optionally, 'headers' and 'proxy'"


class KeyCredentials:
    """Reads credential objects into headers."""

    def __init__(self, *, header: str, prefix: str = "", required: bool) -> None:
        """The key is sent as `header: prefix key`; without `required`, none is needed."""
        self._header = header
        self._prefix = prefix
        self._required = required

    def read(
        self, kind: str, given: Sequence[Mapping[str, object]]
    ) -> tuple[tuple[Credential, ...], tuple[str, ...]]:
        """Return the credentials, at least one, and the secret texts in them.

        Raises:
            InvalidRequest: one is not usable, or there is none and the kind needs one.
        """
        credentials: list[Credential] = []
        secrets: list[str] = []
        for each in given or ({},):
            credential = read_credential(each, KeyCredential, _EXPECTED)
            if self._required and not (credential.api_key or credential.headers):
                raise InvalidRequest(
                    f"A provider of kind '{kind}' needs an API key.", param="credentials"
                )
            headers = self._headers(credential)
            secrets += [credential.api_key or "", *credential.headers.values()]
            credentials.append(
                HeaderCredential([(n.encode(), v.encode()) for n, v in headers.items()])
            )
        return tuple(credentials), tuple(secrets)

    def _headers(self, credential: KeyCredential) -> dict[str, str]:
        headers = read_headers(credential.headers, "credentials.headers")
        if credential.api_key is not None:
            check_header_value(credential.api_key, "credentials.api_key", "The API key")
            if self._header in headers:
                raise InvalidRequest(
                    f"The credentials have both an API key and an {self._header} header.",
                    param=f"credentials.headers.{self._header}",
                )
            headers[self._header] = self._prefix + credential.api_key
        return headers


class BearerKeys(KeyCredentials):
    """Keys sent as `authorization: Bearer …` (RFC 6750)."""

    def __init__(self, *, required: bool) -> None:
        """Without `required`, servers without a key are fine."""
        super().__init__(header="authorization", prefix="Bearer ", required=required)
