"""Configuration that every kind of HTTP provider has in common, checked before a client is built."""

import re
from collections.abc import Collection, Mapping
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Struct

from application.ports.secrets import SecretCipher
from domain.errors import InvalidRequest
from domain.routing.catalog import ProviderSpec

_T = TypeVar("_T")

# Read by whoever makes the transport; only their shape is checked here.
_TRANSPORT_OPTIONS = frozenset({"transport", "proxy", "ca_pem"})
_COMMON_OPTIONS = frozenset({"headers", "on_disconnect"})
_TRANSPORTS = ("http11", "httpx")
_URL_CHARACTERS = re.compile(r"[!-~]+")
_HEADER_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_MOST_HEADERS = 32
_LONGEST_HEADER = 8192
_MOST_CREDENTIALS = 16

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


class KeyCredential(Struct, frozen=True, forbid_unknown_fields=True):
    """A sealed credential of a server that is shown a key.

    Attributes:
        api_key: sent where the kind of provider wants it.
        headers: secret headers, for servers that want the credential elsewhere.
    """

    api_key: str | None = None
    headers: dict[str, str] = {}

    def __repr__(self) -> str:
        """Never the values."""
        return "KeyCredential(…)"


class OpenedCredentials(Struct, frozen=True):
    """The opened credential object.

    Attributes:
        each: the objects of its `any_of` list, or the object itself; empty without credentials.
        proxy: URL of an HTTP proxy with its user and password.
    """

    each: tuple[dict[str, object], ...] = ()
    proxy: str | None = None

    def __repr__(self) -> str:
        """Never the values."""
        return "OpenedCredentials(…)"


def open_credentials(spec: ProviderSpec, cipher: SecretCipher) -> OpenedCredentials:
    """Open the sealed credential object: one credential, or several as `{"any_of": [...]}`.

    Raises:
        InvalidRequest: not opened by the key ring, or of another shape.
    """
    if spec.sealed_credentials is None:
        return OpenedCredentials()
    opened = cipher.open(spec.sealed_credentials, context=f"provider:{spec.id}")
    try:
        given = msgspec.json.decode(opened.reveal(), type=dict[str, object])
        proxy = msgspec.convert(given.pop("proxy", None), str | None)
        if "any_of" not in given:
            return OpenedCredentials((given,) if given else (), proxy)
        several = msgspec.convert(given.pop("any_of"), list[dict[str, object]])
    except msgspec.DecodeError:
        # The decoder's own text could quote the secret.
        raise InvalidRequest(
            "The credentials must be an object, or an object with a list 'any_of' of them.",
            param="credentials",
        ) from None
    if given or not 1 <= len(several) <= _MOST_CREDENTIALS:
        raise InvalidRequest(
            f"'any_of' stands alone (beside 'proxy') and lists 1 to {_MOST_CREDENTIALS} "
            "credentials.",
            param="credentials.any_of",
        )
    return OpenedCredentials(tuple(several), proxy)


def read_credential(given: Mapping[str, object], kind: type[_T], expected: str) -> _T:
    """Return one credential as a struct; `expected` says in words what it must be.

    Raises:
        InvalidRequest: of another shape; the text never quotes the secret.
    """
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError:
        raise InvalidRequest(f"The credentials must be {expected}.", param="credentials") from None


def check_options(options: Mapping[str, object], own: Collection[str]) -> None:
    """Check the names of all options, and the values of those every kind has.

    Raises:
        InvalidRequest: an unknown option, or one that cannot be used; `param` names it.
    """
    known = {*own, *_COMMON_OPTIONS, *_TRANSPORT_OPTIONS}
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
    if options.get("on_disconnect", "cancel") not in ("cancel", "drain"):
        raise InvalidRequest(
            "The option 'on_disconnect' must be 'cancel' or 'drain'.", param="options.on_disconnect"
        )


def proxy_url(options: Mapping[str, object], sealed: str | None) -> str | None:
    """Return the URL of the HTTP proxy, from the options or, with a password, the credentials.

    Raises:
        InvalidRequest: given twice, or not usable.
    """
    plain = options.get("proxy")
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


def proxy_secrets(proxy: str | None) -> tuple[str, ...]:
    """Return the texts of a proxy's URL that no message to a client may hold."""
    if proxy is None:
        return ()
    parts = urlsplit(proxy)
    given = (parts.hostname, parts.username, parts.password)
    texts = {text for each in given if each for text in (each, unquote(each))}
    return tuple(sorted(texts | {proxy}))


def private_texts(url: str, proxy: str | None, secrets: Collection[str]) -> tuple[str, ...]:
    """Return what no message to a client may hold: the host, the proxy, the given secrets."""
    return (urlsplit(url).hostname or "", *secrets, *proxy_secrets(proxy))


def base_url(spec: ProviderSpec, default: str | None, example: str) -> str:
    """Return the URL that paths are appended to, without a slash at its end.

    Raises:
        InvalidRequest: not given and without `default`, or not usable.
    """
    url = spec.base_url
    if url is None:
        if default is not None:
            return default
        raise InvalidRequest(
            f"A provider of kind '{spec.kind}' needs a base_url, e.g. {example}.",
            param="base_url",
        )
    return check_url(url, "base_url", "base_url")


def check_url(url: str, param: str, name: str) -> str:
    """Return a URL that paths are appended to, without a slash at its end.

    Raises:
        InvalidRequest: not usable; `name` is what the field is called.
    """

    def refused(problem: str) -> InvalidRequest:
        return InvalidRequest(f"The {name} cannot be used: {problem}.", param=param)

    if not _URL_CHARACTERS.fullmatch(url):
        raise refused("it has characters that are not allowed in a URL")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - the property checks the number
    except ValueError:
        raise refused("host or port cannot be read") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise refused("it must start with http:// or https:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise refused("credentials belong in the credentials, not in the URL")
    if "?" in url or "#" in url:
        raise refused("a query or fragment cannot be kept, as paths are appended to it")
    return url.rstrip("/")


def public_headers(options: Mapping[str, object]) -> dict[str, str]:
    """Return the extra headers of every request.

    Raises:
        InvalidRequest: one is not usable, is the gateway's own, or looks like a credential.
    """
    headers = read_headers(options.get("headers", {}), "options.headers")
    for name in headers:
        if _CREDENTIAL_HEADER.fullmatch(name):
            raise InvalidRequest(
                f"The header '{name}' looks like a credential, and options are stored and exported "
                "in clear; give it in credentials.headers.",
                param=f"options.headers.{name}",
            )
    return headers


def read_headers(value: object, param: str) -> dict[str, str]:
    """Return headers with lower-case names.

    Raises:
        InvalidRequest: not an object of texts, or one of them cannot be sent.
    """
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
        check_header_value(content, f"{param}.{name}", f"The header '{name}'")
        headers[name] = content
    return headers


def check_header_value(value: str, param: str, what: str) -> None:
    """Check that a value can be sent in a header.

    Raises:
        InvalidRequest: `what` names the value in words, since it may be secret.
    """
    if len(value) > _LONGEST_HEADER or not _HEADER_VALUE.fullmatch(value):
        raise InvalidRequest(
            f"{what} must be 1 to {_LONGEST_HEADER} printable ASCII characters "
            "without spaces at the ends.",
            param=param,
        )


def flag_option(options: Mapping[str, object], name: str, *, default: bool) -> bool:
    """Return a boolean option.

    Raises:
        InvalidRequest: it is not true or false.
    """
    value = options.get(name, default)
    if not isinstance(value, bool):
        raise InvalidRequest(f"The option '{name}' must be true or false.", param=f"options.{name}")
    return value


def text_option(options: Mapping[str, object], name: str) -> str | None:
    """Return an option that is text of 1 to 512 printable ASCII characters, None when absent.

    Raises:
        InvalidRequest: it is not.
    """
    value = options.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= 512 or not value.isprintable():
        raise InvalidRequest(f"The option '{name}' must be text.", param=f"options.{name}")
    return value


def choice_option(
    options: Mapping[str, object], name: str, choices: Collection[str], default: str
) -> str:
    """Return an option that is one of `choices`.

    Raises:
        InvalidRequest: it is not.
    """
    value = options.get(name, default)
    if not isinstance(value, str) or value not in choices:
        raise InvalidRequest(
            f"The option '{name}' must be one of {', '.join(choices)}.", param=f"options.{name}"
        )
    return value
