"""Credential headers and the other request headers the gateway reads."""

import re

from litestar.types import HTTPScope

_BEARER = re.compile(r"bearer +(\S.*)", re.IGNORECASE)
_CLIENT = re.compile(r"([A-Za-z][\w.\-]*(?:/[A-Za-z][\w.\-]*)?)[/ ]v?(\d[\w.+\-]*)")
MAX_TAGS = 16
MAX_TAG_NAME = 64
MAX_TAG_VALUE = 512
MAX_DIALECT_HEADER = 1024
_PRINTABLE = re.compile(rb"[!-~][ -~]{0,1023}")
_TAG_PREFIX = "x-metadata-"


class RequestHeaders:
    """One pass over the headers of an inference request."""

    __slots__ = (
        "client_name",
        "client_version",
        "content_type",
        "credentials",
        "dialect_headers",
        "session_id",
        "tags",
    )

    def __init__(self, scope: HTTPScope) -> None:  # noqa: C901 - one flat match
        """Read `scope`'s headers; malformed ones count as absent."""
        credentials: list[str] = []
        self.session_id = ""
        self.client_name = ""
        self.client_version = ""
        self.content_type = b"application/json"
        self.tags: dict[str, str] = {}
        dialect_headers: list[tuple[bytes, bytes]] = []
        for name, raw in scope["headers"]:
            match name:  # one pass, since every request pays for it
                case b"authorization":
                    if bearer := _BEARER.fullmatch(raw.decode("latin-1").strip()):
                        credentials.append(bearer[1].strip())
                case b"x-api-key" | b"api-key" | b"x-goog-api-key":
                    if value := raw.decode("latin-1").strip():
                        credentials.append(value)
                case b"x-session-id" | b"session-id" | b"session_id":
                    self.session_id = raw.decode("latin-1")[:128]
                case b"content-type":
                    self.content_type = raw[:MAX_DIALECT_HEADER]
                case b"anthropic-version" | b"anthropic-beta" | b"openai-beta":
                    if _PRINTABLE.fullmatch(raw):
                        dialect_headers.append((name, raw))
                case b"user-agent":
                    self._read_client(raw.decode("latin-1"))
                case _ if name.startswith(b"x-metadata-") and len(self.tags) < MAX_TAGS:
                    tag = name.decode("latin-1").removeprefix(_TAG_PREFIX)[:MAX_TAG_NAME]
                    self.tags[tag] = raw.decode("utf-8", "replace")[:MAX_TAG_VALUE]
                case _:
                    pass
        self.credentials = tuple(credentials)
        self.dialect_headers = tuple(dialect_headers)

    def _read_client(self, user_agent: str) -> None:
        """Take product name and version from a user agent such as `OpenAI/Python 3.51.0`."""
        if match := _CLIENT.match(user_agent):
            self.client_name, self.client_version = match[1][:64], match[2][:32]
        else:
            self.client_name = user_agent.split(" ", 1)[0][:64]
