"""What the OpenAPI document says of every operation: how it is refused, and by what one signs in."""

import inspect
from collections.abc import Iterable, Mapping

from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Components, SecurityScheme

from entrypoints.console.problems import MEDIA_TYPE, TITLES, Problem
from entrypoints.console.security import PUBLIC

ACCESS_COOKIE = "__Host-tw_access"
SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"cookie": [], "csrf": []}]
SECURITY_SCHEMES = Components(
    security_schemes={
        "bearer": SecurityScheme(
            type="http",
            scheme="bearer",
            description="A session's access token (see `/api/auth/login`), or a key whose surfaces "
            "include the console.",
        ),
        "cookie": SecurityScheme(
            type="apiKey",
            security_scheme_in="cookie",
            name=ACCESS_COOKIE,
            description="The access cookie of a session; over plain HTTP without `__Host-`.",
        ),
        "refresh": SecurityScheme(
            type="apiKey",
            security_scheme_in="cookie",
            name="__Host-tw_refresh",
            description="The refresh cookie; over plain HTTP without `__Host-`.",
        ),
        "csrf": SecurityScheme(
            type="apiKey",
            security_scheme_in="header",
            name="X-CSRF-Token",
            description="Beside a cookie, for everything that changes something.",
        ),
    }
)
_ANYBODY: list[dict[str, list[str]]] = [{}]
_ALWAYS = (400, 500, 503)
_SIGNED_IN = (401, 403)
_CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def problems(*statuses: int) -> Mapping[int, ResponseSpec]:
    """Return problem documents (RFC 9457) for these statuses, as `responses` of a handler."""
    return {
        status: ResponseSpec(
            Problem,
            generate_examples=False,
            description=TITLES[status],
            media_type=MEDIA_TYPE,
        )
        for status in statuses
    }


def documented(handlers: Iterable[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """Return the handlers with every refusal they can answer with in their description.

    What a handler says of itself stays. A public one needs no credential.
    """
    described = list(handlers)
    for handler in described:
        if handler.opt.get(PUBLIC) is True:
            handler.security = _ANYBODY
        handler.responses = {**problems(*_refusals(handler)), **(handler.responses or {})}
    return described


def _refusals(handler: HTTPRouteHandler) -> list[int]:
    parameters = inspect.signature(handler.fn).parameters
    changes = not _CHANGES.isdisjoint(handler.http_methods)
    statuses = {
        *_ALWAYS,
        *(() if handler.opt.get(PUBLIC) is True else _SIGNED_IN),
        # Also for what a body or the query refers to by its name.
        *((404,) if parameters else ()),
        *((409,) if changes else ()),
        *((412,) if "if_match" in parameters else ()),
        *((413,) if "data" in parameters else ()),
    }
    return sorted(statuses)
