"""From the text of one configuration value to its type, or what is wrong with it and the mend."""

import base64
import binascii
import ipaddress
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from domain.secret import Secret
from domain.settings.catalog import SettingSpec, SettingValue

_T = TypeVar("_T")

NEW_KEY = "generate one with 'openssl rand -hex 32'"
_PLACEHOLDERS = ("changeme", "change-me", "change_me", "secret", "password", "placeholder",
                 "example", "your-", "your_", "insecure", "deadbeef", "0123456789")  # fmt: skip
_DATABASE_SCHEMES = ("postgresql", "postgres")
_REDIS_SCHEMES = (
    "redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"
)  # fmt: skip
_CLICKHOUSE_SCHEMES = ("http", "https")
_HOST_NAME = re.compile(r"(?=.{1,253}$)[a-zA-Z0-9_]([a-zA-Z0-9_.-]*[a-zA-Z0-9])?")
_KEY_BYTES = 32


class Fault(Exception):
    """A value is unusable. `message` never contains the value of a secret."""

    def __init__(self, message: str, mend: str) -> None:
        """`message` continues the variable's name ("is not a port"), `mend` says what to do."""
        super().__init__(message)
        self.message = message
        self.mend = mend


def text(value: str) -> str:
    """Any text."""
    return value


def path(value: str) -> Path:
    """A path, made absolute so that a later change of directory cannot move it."""
    if "\0" in value:
        raise Fault("contains a NUL byte", "give a path")
    return Path(value).expanduser().absolute()


def setting(spec: SettingSpec) -> Callable[[str], SettingValue]:
    """A value of this setting."""

    def parse(value: str) -> SettingValue:
        try:
            return spec.parse(value)
        except ValueError as error:
            raise Fault(f"is wrong: {error}", "see docs/settings.md") from error

    return parse


def integer(low: int, high: int) -> Callable[[str], int]:
    """An integer in `[low, high]`."""

    def parse(value: str) -> int:
        # int() would also take '1_000', ' 7' and digits of other scripts.
        if re.fullmatch(r"[0-9]{1,9}", value) is None or not low <= int(value) <= high:
            raise Fault(f"is not a whole number from {low} to {high}", f"set it to {low}-{high}")
        return int(value)

    return parse


def choice(*choices: str) -> Callable[[str], str]:
    """One of `choices`, in any case."""

    def parse(value: str) -> str:
        if value.lower() not in choices:
            listed = ", ".join(choices)
            raise Fault(f"is '{value}'", f"set it to one of: {listed}")
        return value.lower()

    return parse


def host(value: str) -> str:
    """An IP address or host name to listen on."""
    try:
        return str(ipaddress.ip_address(value.strip("[]")))
    except ValueError:
        if _HOST_NAME.fullmatch(value) is None:
            raise Fault(
                f"is '{value}', not an address", "set it to an IP address such as 0.0.0.0"
            ) from None
        return value


def none_or(read: Callable[[str], tuple[_T, ...]]) -> Callable[[str], tuple[_T, ...]]:
    """A list, or the word `none` for an empty one (an empty variable counts as unset)."""

    def parse(value: str) -> tuple[_T, ...]:
        return () if value.strip().lower() == "none" else read(value)

    return parse


def many(parse: Callable[[str], _T]) -> Callable[[str], tuple[_T, ...]]:
    """A comma-separated list of what `parse` takes."""

    def parse_all(value: str) -> tuple[_T, ...]:
        return tuple(parse(part.strip()) for part in value.split(",") if part.strip())

    return parse_all


def network(value: str) -> str:
    """An IP network in CIDR notation; a single address is a network of one."""
    try:
        return str(ipaddress.ip_network(value))
    except ValueError as error:
        raise Fault(f"contains '{value}': {error}", "list networks such as 10.0.0.0/8") from error


def public_url(value: str) -> str:
    """An http(s) base URL as users see it, without a slash at the end."""
    parts = _split(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise Fault("is not an http(s) URL", "set it like https://gateway.example.com")
    return value.rstrip("/")


def origin(value: str) -> str:
    """A web origin: scheme, host and port, nothing after them."""
    parts = _split(value)
    known = parts.scheme in ("http", "https") and parts.hostname
    if not known or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        raise Fault(f"contains '{value}'", "list origins such as https://app.example.com")
    return value


def database_url(value: str) -> Secret:
    """A PostgreSQL URL, handed on as `postgresql://`."""
    scheme, separator, rest = value.partition("://")
    scheme = scheme.removesuffix("+asyncpg")
    parts = _split(f"{scheme}{separator}{rest}")
    has_host = parts.hostname or "host=" in parts.query
    if scheme not in _DATABASE_SCHEMES or not has_host or not parts.path.strip("/"):
        raise Fault(
            "is not a PostgreSQL URL", "set it like postgresql://user:password@host:5432/thinkwatch"
        )
    return Secret(f"postgresql://{rest}")


def redis_url(value: str) -> Secret:
    """A Redis URL: single server, unix socket, sentinel or cluster."""
    parts = _split(value)
    if parts.scheme == "unix":
        usable = bool(parts.path.strip("/"))
    else:
        usable = parts.scheme in _REDIS_SCHEMES and bool(parts.netloc.rpartition("@")[2])
    if not usable:
        raise Fault(
            "is not a Redis URL",
            "set it like redis://host:6379/0 (rediss, unix, redis+sentinel, redis+cluster too)",
        )
    return Secret(value)


def clickhouse_url(value: str) -> Secret:
    """URL of a ClickHouse server's HTTP interface."""
    parts = _split(value)
    if parts.scheme not in _CLICKHOUSE_SCHEMES or not parts.hostname:
        raise Fault(
            "is not a ClickHouse HTTP URL",
            "set it like http://user:password@host:8123/thinkwatch",
        )
    return Secret(value)


def _split(value: str):  # noqa: ANN202 - the type has no public name for `str`
    """Split a URL whose port, if any, is a port; multi-host lists of stores are left alone."""
    try:
        parts = urlsplit(value)
        if "," not in parts.netloc:
            _ = parts.port
    except ValueError as error:
        raise Fault("is not a URL", "check its host and port") from error
    return parts


def token(least: int) -> Callable[[str], Secret]:
    """A secret of at least `least` characters that does not look made up."""

    def parse(value: str) -> Secret:
        if len(value) < least:
            raise Fault(f"is shorter than {least} characters", NEW_KEY)
        _refuse_placeholder(value)
        # Of random letters, the steps from each to the next differ; of a keyboard's rows or an
        # alphabet they do not.
        steps = {ord(after) - ord(before) for before, after in itertools.pairwise(value)}
        if len(set(value)) < 8 or len(steps) < 6 or value in (value + value)[1:-1]:
            raise Fault("has too little entropy", NEW_KEY)
        return Secret(value)

    return parse


def bearer_token(least: int) -> Callable[[str], Secret]:
    """A token that can stand in an `authorization` header."""
    parse = token(least)

    def parse_visible(value: str) -> Secret:
        if re.fullmatch(r"[!-~]*", value) is None:
            raise Fault("has white space or characters beyond ASCII", NEW_KEY)
        return parse(value)

    return parse_visible


def encryption_key(value: str) -> Secret:
    """One key of the ring: 32 random bytes as hex or base64. The text is kept, see `key_bytes`."""
    key = key_bytes(value)
    if key is None:
        raise Fault("is not 32 bytes in hex or base64", NEW_KEY)
    _refuse_placeholder(value)
    steps = {(after - before) % 256 for before, after in itertools.pairwise(key)}
    # 32 random bytes have under 16 distinct values, or are all printable, once in 10^13 keys.
    if len(set(key)) < 16 or len(steps) < 8 or all(32 <= byte < 127 for byte in key):
        raise Fault("has too little entropy", NEW_KEY)
    return Secret(value)


def key_bytes(value: str) -> bytes | None:
    """Decode a key of the ring; `None` when it is not 32 bytes in hex or (URL-safe) base64."""
    if re.fullmatch(r"[0-9a-fA-F]{64}", value):
        return bytes.fromhex(value)
    standard = value.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        key = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == _KEY_BYTES else None


def _refuse_placeholder(value: str) -> None:
    lowered = value.lower()
    if any(placeholder in lowered for placeholder in _PLACEHOLDERS):
        raise Fault("looks like a placeholder", NEW_KEY)
