"""Configuration of an OpenAI-format provider, checked in full before a client is built."""

import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Struct

from application.ports.secrets import SecretCipher
from domain.errors import InvalidRequest
from domain.routing.catalog import ProviderKind, ProviderSpec

_OPENAI_URL = "https://api.openai.com/v1"
_OPTIONS = frozenset({"organization", "project", "headers", "stream_usage"})
# Read by whoever makes the transport; only their shape is checked here.
_TRANSPORT_OPTIONS = frozenset({"transport", "proxy", "ca_pem"})
_TRANSPORTS = ("http11", "httpx")
_URL_CHARACTERS = re.compile(r"[!-~]+")
_HEADER_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,128}")
_MOST_HEADERS = 32
_LONGEST_HEADER = 8192

# Set by the gateway itself, or by the transport.
_OWN_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-request-id",
    }
)
# Options are stored and exported in clear; a header wrongly taken for secret loses nothing by being
# sealed with the credentials.
_CREDENTIAL_HEADER = re.compile(
    r"authorization|proxy-authorization|cookie|.*(?:token|secret|password|credential|api-?key).*|"
    r"(?:.*[-_])?key"
)


class Credentials(Struct, frozen=True, forbid_unknown_fields=True):
    """The sealed credential object.

    Attributes:
        api_key: sent as `authorization: Bearer …`.
        headers: secret headers, for servers that want the credential elsewhere.
        proxy: URL of an HTTP proxy with its user and password; without them `options.proxy` does.
    """

    api_key: str | None = None
    headers: dict[str, str] = {}
    proxy: str | None = None

    def __repr__(self) -> str:
        """Never the values."""
        return "Credentials(…)"


class OpenAIConfig(Struct, frozen=True, kw_only=True):
    """What `OpenAIProvider` is built from.

    Attributes:
        chat_url: absolute URL of the Chat Completions operation.
        headers: headers of every request, credentials included.
        stream_usage: whether to ask for usage in streams on our own account.
        bound_name: the member that bounds generated tokens.
        private: texts that must never appear in a message to a client.
        proxy: URL of the HTTP proxy, its credentials included; None for a direct connection.
    """

    chat_url: str
    headers: tuple[tuple[bytes, bytes], ...]
    stream_usage: bool
    bound_name: str
    private: tuple[str, ...]
    proxy: str | None = None

    def __repr__(self) -> str:
        """Without headers: they hold the credential."""
        return f"OpenAIConfig(chat_url={self.chat_url!r})"


def configure(spec: ProviderSpec, cipher: SecretCipher) -> OpenAIConfig:
    """Check `spec` and open its credentials.

    Raises:
        InvalidRequest: something cannot work; `param` names the field.
    """
    _check_options(spec.options)
    base_url = _base_url(spec)
    credentials = _credentials(spec, cipher)
    if spec.kind is ProviderKind.OPENAI and not (credentials.api_key or credentials.headers):
        raise InvalidRequest("A provider of kind 'openai' needs an API key.", param="credentials")
    proxy = _proxy(spec.options, credentials)
    headers = {
        **_public_headers(spec.options.get("headers", {})),
        **_account_headers(spec.options),
        **_credential_headers(credentials),
    }
    private = (
        urlsplit(base_url).hostname or "",
        credentials.api_key or "",
        *credentials.headers.values(),
        *_account_headers(spec.options).values(),
        *_proxy_secrets(proxy),
    )
    return OpenAIConfig(
        chat_url=f"{base_url}/chat/completions",
        headers=tuple((name.encode(), value.encode()) for name, value in headers.items()),
        stream_usage=_flag(spec.options, "stream_usage", default=True),
        bound_name=_bound_name(spec.kind),
        private=private,
        proxy=proxy,
    )


def _bound_name(kind: ProviderKind) -> str:
    """Return OpenAI's name, which its reasoning models insist on; others know the older one."""
    return "max_completion_tokens" if kind is ProviderKind.OPENAI else "max_tokens"


def _check_options(options: Mapping[str, object]) -> None:
    known = _OPTIONS | _TRANSPORT_OPTIONS
    for name, value in options.items():
        if name not in known:
            raise InvalidRequest(
                f"Unknown option '{name}'; known are {', '.join(sorted(known))}.",
                param=f"options.{name}",
            )
        if name in _TRANSPORT_OPTIONS and not isinstance(value, str):
            raise InvalidRequest(f"The option '{name}' must be text.", param=f"options.{name}")
    transport = options.get("transport", _TRANSPORTS[0])
    if transport not in _TRANSPORTS:
        raise InvalidRequest(
            f"The option 'transport' must be one of {', '.join(_TRANSPORTS)}.",
            param="options.transport",
        )
    proxy = options.get("proxy")
    if isinstance(proxy, str):
        if "@" in proxy:
            raise InvalidRequest(
                "The option 'proxy' is stored and exported in clear and must not hold a user or "
                "password; give the whole URL as credentials.proxy.",
                param="options.proxy",
            )
        _check_proxy(proxy, options, "options.proxy")


def _proxy(options: Mapping[str, object], credentials: Credentials) -> str | None:
    sealed, plain = credentials.proxy, options.get("proxy")
    if sealed is None:
        return plain if isinstance(plain, str) else None
    if plain is not None:
        raise InvalidRequest(
            "The proxy is given twice: in the credentials and in the options.",
            param="credentials.proxy",
        )
    _check_proxy(sealed, options, "credentials.proxy")
    return sealed


def _check_proxy(proxy: str, options: Mapping[str, object], param: str) -> None:
    """Check what must not be left to the transport, whose words might quote a password."""
    if options.get("transport") == "http11":
        raise InvalidRequest(
            "The transport 'http11' cannot use a proxy; choose 'httpx'.", param=param
        )
    try:
        parts = urlsplit(proxy)
        parts.port  # noqa: B018 - the property checks the number
    except ValueError:
        parts = None
    if (
        parts is None
        or parts.scheme != "http"
        or not parts.hostname
        or not _URL_CHARACTERS.fullmatch(proxy)
    ):
        raise InvalidRequest("The proxy must be a URL like http://proxy.example:3128.", param=param)


def _proxy_secrets(proxy: str | None) -> tuple[str, ...]:
    if proxy is None:
        return ()
    parts = urlsplit(proxy)
    given = (parts.hostname, parts.username, parts.password)
    texts = {text for each in given if each for text in (each, unquote(each))}
    return tuple(sorted(texts | {proxy}))


def _base_url(spec: ProviderSpec) -> str:
    url = spec.base_url
    if url is None:
        if spec.kind is ProviderKind.OPENAI:
            return _OPENAI_URL
        raise InvalidRequest(
            f"A provider of kind '{spec.kind}' needs a base_url, e.g. http://localhost:8000/v1.",
            param="base_url",
        )
    if not _URL_CHARACTERS.fullmatch(url):
        raise _bad_url("it has characters that are not allowed in a URL")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - the property checks the number
    except ValueError:
        raise _bad_url("host or port cannot be read") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _bad_url("it must start with http:// or https:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise _bad_url("credentials belong in the credentials, not in the URL")
    if "?" in url or "#" in url:
        raise _bad_url("a query or fragment cannot be kept, as paths are appended to it")
    return url.rstrip("/")


def _bad_url(problem: str) -> InvalidRequest:
    return InvalidRequest(f"The base_url cannot be used: {problem}.", param="base_url")


def _credentials(spec: ProviderSpec, cipher: SecretCipher) -> Credentials:
    if spec.sealed_credentials is None:
        return Credentials()
    opened = cipher.open(spec.sealed_credentials, context=f"provider:{spec.id}")
    try:
        credentials = msgspec.json.decode(opened.reveal(), type=Credentials)
    except msgspec.DecodeError:
        # The decoder's own text could quote the secret.
        raise InvalidRequest(
            "The credentials must be an object with 'api_key' (text) and, optionally, 'headers' "
            "and 'proxy'.",
            param="credentials",
        ) from None
    if credentials.api_key is not None:
        _check_value(credentials.api_key, "credentials.api_key", "The API key")
    return credentials


def _credential_headers(credentials: Credentials) -> dict[str, str]:
    headers = _headers(credentials.headers, "credentials.headers")
    if credentials.api_key is not None:
        if "authorization" in headers:
            raise InvalidRequest(
                "The credentials have both an API key and an authorization header.",
                param="credentials.headers.authorization",
            )
        headers["authorization"] = f"Bearer {credentials.api_key}"
    return headers


def _account_headers(options: Mapping[str, object]) -> dict[str, str]:
    """Return `openai-organization` and `openai-project`, if configured."""
    headers: dict[str, str] = {}
    for name in ("organization", "project"):
        value = options.get(name)
        if value is None:
            continue
        if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
            raise InvalidRequest(
                f"The option '{name}' must be an identifier such as 'org-abc123'.",
                param=f"options.{name}",
            )
        headers[f"openai-{name}"] = value
    return headers


def _public_headers(value: object) -> dict[str, str]:
    headers = _headers(value, "options.headers")
    for name in headers:
        if _CREDENTIAL_HEADER.fullmatch(name):
            raise InvalidRequest(
                f"The header '{name}' looks like a credential, and options are stored and exported "
                "in clear; give it in credentials.headers.",
                param=f"options.headers.{name}",
            )
    return headers


def _headers(value: object, param: str) -> dict[str, str]:
    try:
        given = msgspec.convert(value, dict[str, str])
    except msgspec.ValidationError:
        raise InvalidRequest("Headers must be an object of texts.", param=param) from None
    if len(given) > _MOST_HEADERS:
        raise InvalidRequest(f"There can be at most {_MOST_HEADERS} headers.", param=param)
    headers: dict[str, str] = {}
    for written, content in given.items():
        name = written.lower()
        if not _HEADER_NAME.fullmatch(name):
            raise InvalidRequest("A header name has characters that are not allowed.", param=param)
        if name in _OWN_HEADERS:
            raise InvalidRequest(
                f"The header '{name}' cannot be set here.", param=f"{param}.{name}"
            )
        if name in headers:
            raise InvalidRequest(f"The header '{name}' is given twice.", param=f"{param}.{name}")
        _check_value(content, f"{param}.{name}", f"The header '{name}'")
        headers[name] = content
    return headers


def _check_value(value: str, param: str, what: str) -> None:
    if len(value) > _LONGEST_HEADER or not _HEADER_VALUE.fullmatch(value):
        raise InvalidRequest(
            f"{what} must be 1 to {_LONGEST_HEADER} printable ASCII characters "
            "without spaces at the ends.",
            param=param,
        )


def _flag(options: Mapping[str, object], name: str, *, default: bool) -> bool:
    value = options.get(name, default)
    if not isinstance(value, bool):
        raise InvalidRequest(f"The option '{name}' must be true or false.", param=f"options.{name}")
    return value
