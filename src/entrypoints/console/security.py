"""Deny by default: every console route needs the bearer token unless it is marked public.

Until sessions and roles exist, the one credential is the set-up token of the installation.
"""

import hmac
import re
from collections.abc import Callable

from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.handlers.base import BaseRouteHandler

from domain.access.actor import Actor, ActorKind
from domain.access.rights import UNLIMITED
from domain.errors import TokenRequired
from domain.secret import Secret
from entrypoints.asgi import AnyRequest

_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)
PUBLIC = "public"
ACTOR = "actor"
"""Key of the connection's state under which the guard leaves who asks."""

Connection = ASGIConnection[BaseRouteHandler, object, object, State]


By = NamedDependency[Actor]
"""Who asks: what every handler that changes or shows something takes first."""


def actor_of(request: AnyRequest) -> Actor:
    """Return who asks, as the guard found out; a dependency of the handlers called `by`."""
    return request.scope["state"][ACTOR]


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
        connection.scope["state"][ACTOR] = Actor(
            kind=ActorKind.SETUP, id="setup", name="set-up token", rights=UNLIMITED
        )

    return guard
