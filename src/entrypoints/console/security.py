"""Deny by default: every console route needs somebody who asks, unless it is marked public."""

import re
from collections.abc import Awaitable, Callable
from typing import cast

from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.handlers.base import BaseRouteHandler
from litestar.types import HTTPScope

from application.identity.console_access import Admitted, ConsoleAccess, Shown
from domain.access.actor import Actor, Origin
from domain.access.refusals import CsrfRefused, PasswordChangeRequired, TotpEnrolmentRequired
from domain.access.session import Restriction
from domain.errors import AccessDenied, AuthenticationFailed, TokenRequired
from domain.secret import Secret
from entrypoints.asgi import AnyRequest
from entrypoints.console.cookies import read_cookies
from entrypoints.console.edge import ConsoleEdge

_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_JSON = frozenset({b"application/json", b"application/merge-patch+json"})
PUBLIC = "public"
OPEN_WHILE = "open_while"
"""Option of handlers: restrictions under which they are open nevertheless."""
ACTOR, ADMITTED, ORIGIN = "actor", "admitted", "origin"
"""Keys of the connection's state under which the guard leaves who asks, and from where."""

Connection = ASGIConnection[BaseRouteHandler, object, object, State]
Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]


By = NamedDependency[Actor]
"""Who asks: what every handler that changes or shows something takes first."""
From = NamedDependency[Origin]
"""Where a request comes from, for handlers that nobody needs to be known for."""


def actor_of(request: AnyRequest) -> Actor:
    """Return who asks, as the guard found out; a dependency of the handlers called `by`."""
    return request.scope["state"][ACTOR]


def origin_of(request: AnyRequest) -> Origin:
    """Return where the request comes from; a dependency of the handlers called `origin`."""
    return request.scope["state"][ORIGIN]


def restriction_of(request: AnyRequest) -> Restriction | None:
    """Return why only some handlers are open to who asks."""
    admitted: Admitted = request.scope["state"][ADMITTED]
    return admitted.restriction


async def actor_if_any(
    access: ConsoleAccess, edge: ConsoleEdge, request: AnyRequest, origin: Origin
) -> Actor | None:
    """Return who asks, for safe handlers that are public and still want to know.

    None: nobody, somebody whose session is over, or somebody who has to do something else first.
    """
    try:
        admitted = await access.authenticate(_shown(request, edge, origin), origin)
    except (AccessDenied, AuthenticationFailed, TokenRequired):
        return None
    return admitted.actor if admitted.restriction is None else None


def console_guard(access: ConsoleAccess, edge: ConsoleEdge) -> Guard:
    """Return the app-level guard.

    It raises what `ConsoleAccess.authenticate` raises, `CsrfRefused` for a page of another site,
    and the errors of restrictions.
    """

    async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
        scope = cast("HTTPScope", connection.scope)
        origin = edge.origin(scope)
        scope["state"][ORIGIN] = origin
        if scope["method"] not in _SAFE and not edge.is_own_page(scope):
            raise CsrfRefused("This origin may not change anything here.")
        if handler.opt.get(PUBLIC) is True:
            return
        admitted = await access.authenticate(_shown(connection, edge, origin), origin)
        scope["state"][ADMITTED] = admitted
        scope["state"][ACTOR] = admitted.actor
        _require_unrestricted(admitted.restriction, handler)

    return guard


def _shown(connection: Connection | AnyRequest, edge: ConsoleEdge, origin: Origin) -> Shown:
    scope = cast("HTTPScope", connection.scope)
    sent = _BEARER.fullmatch(connection.headers.get("authorization", "").strip())
    csrf = connection.headers.get("x-csrf-token")
    cookies = read_cookies(connection.cookies, https=edge.is_https(scope))
    return Shown(
        bearer=Secret(sent[1]) if sent is not None else None,
        cookie=cookies.access,
        csrf=Secret(csrf) if csrf else None,
        changes=scope["method"] not in _SAFE,
        local=edge.is_local(scope, origin),
    )


def _require_unrestricted(restriction: Restriction | None, handler: BaseRouteHandler) -> None:
    if restriction is None or restriction in handler.opt.get(OPEN_WHILE, ()):
        return
    raise PasswordChangeRequired if restriction is Restriction.PASSWORD else TotpEnrolmentRequired
