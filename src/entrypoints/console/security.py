"""Deny by default: every console route needs the bearer token unless it is marked public.

Until sessions and roles exist, the one credential is the set-up token of the installation.
"""

import hmac
import re
from collections.abc import Callable

from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.handlers.base import BaseRouteHandler

from domain.errors import TokenRequired
from domain.secret import Secret

_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)
PUBLIC = "public"

Connection = ASGIConnection[BaseRouteHandler, object, object, State]


def token_guard(token: Secret) -> Callable[[Connection, BaseRouteHandler], None]:
    """Return the app-level guard that compares the bearer token in constant time.

    The guard raises `TokenRequired` for a missing and for a wrong token alike.
    """
    expected = token.reveal().encode()

    def guard(connection: Connection, handler: BaseRouteHandler) -> None:
        if handler.opt.get(PUBLIC) is True:
            return
        sent = _BEARER.fullmatch(connection.headers.get("authorization", "").strip())
        if sent is None or not hmac.compare_digest(sent[1].encode(), expected):
            raise TokenRequired

    return guard
