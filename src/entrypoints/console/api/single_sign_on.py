"""`/api/auth/sso` and `/api/me/sso`: to an identity provider, and back."""

from collections.abc import Sequence
from typing import Annotated

from litestar import delete, get, post
from litestar.datastructures import Cookie
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Redirect, Response
from msgspec import Struct

from application.identity.single_sign_on import Callback, Linked, OfferedProvider, Proven
from application.identity.sso_links import OwnSsoLinks, SsoLinkView
from application.identity.sso_sign_in import SessionBegun, SsoSignIn
from domain.access.sso_decision import LinkTo, Provision, Refused
from domain.secret import Secret
from entrypoints.asgi import AnyRequest
from entrypoints.console.answers import answer
from entrypoints.console.api.auth import SessionTokensView, tokens_view
from entrypoints.console.api.sso_providers import CALLBACK, RoundBegun, begun_round
from entrypoints.console.cookies import (
    no_binding,
    read_binding,
    session_cookies,
)
from entrypoints.console.idempotency import NEVER_KEPT
from entrypoints.console.openapi import problems
from entrypoints.console.security import PUBLIC, By, From, actor_if_any
from entrypoints.console.services import IdentityServices

_ELSEWHERE = ResponseSpec(
    None, generate_examples=False, description="Go on at the address in `Location`."
)


class OfferedProviders(Struct, frozen=True):
    """Identity providers that somebody may sign in through."""

    items: tuple[OfferedProvider, ...]


class SsoTestView(Struct, frozen=True, kw_only=True):
    """Who came back from a test, and what a real sign-in would have led to.

    Attributes:
        outcome: `sign_in`, `link`, `provision` or `refused`.
        reason: the code of a refusal.
        role, joins, leaves: what the groups give; a role of null stays as it is.
    """

    subject: str
    email: str | None
    email_verified: bool
    name: str
    groups: tuple[str, ...]
    outcome: str
    reason: str | None = None
    role: str | None = None
    joins: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()


class SsoFinished(Struct, frozen=True, kw_only=True):
    """What became of a round: `purpose` is `login`, `test` or `link`."""

    purpose: str
    provider: str
    return_to: str
    session: SessionTokensView | None = None
    test: SsoTestView | None = None


class OwnSsoLinkList(Struct, frozen=True):
    """The links of whoever asks, oldest first."""

    items: tuple[SsoLinkView, ...]


def sso_routes(identity: IdentityServices, sso: SsoSignIn) -> list[HTTPRouteHandler]:
    """Return the route handlers of signing in."""

    @get(
        "/api/auth/sso/providers",
        operation_id="list_sign_in_providers",
        tags=["auth"],
        opt={PUBLIC: True},
    )
    async def list_sign_in_providers() -> Response[OfferedProviders]:
        """List the identity providers that a sign-in page offers."""
        return answer(OfferedProviders(await sso.offered()))

    @get(
        "/api/auth/sso/{name:str}/begin",
        operation_id="begin_single_sign_on",
        tags=["auth"],
        opt={PUBLIC: True},
        responses={303: _ELSEWHERE, **problems(403, 429)},
    )
    async def begin_single_sign_on(
        request: AnyRequest, origin: From, name: FromPath[str], return_to: FromQuery[str] = "/"
    ) -> Response[RoundBegun]:
        """Send the browser to an identity provider, to sign in there.

        Afterwards it goes to `return_to`, a path on this server; anything else counts as `/`. With
        `Accept: application/json` it is not sent (303) but told where to go.
        """
        edge = identity.edge
        begun = await sso.begin(
            name,
            origin,
            redirect_uri=edge.own_url(request.scope, CALLBACK),
            return_path=return_to,
        )
        told = begun_round(request, identity, begun)
        return told if _wants_json(request) else _go_to(begun.url, told.cookies)

    @get(
        CALLBACK,
        operation_id="finish_single_sign_on",
        tags=["auth"],
        opt={PUBLIC: True},
        responses={303: _ELSEWHERE, **problems(403, 502)},
    )
    async def finish_single_sign_on(
        request: AnyRequest,
        origin: From,
        answered: Annotated[str | None, QueryParameter(name="state")] = None,
        code: FromQuery[str | None] = None,
        error: FromQuery[str | None] = None,
        error_description: FromQuery[str | None] = None,
        issuer: Annotated[str | None, QueryParameter(name="iss")] = None,
    ) -> Response[SsoFinished]:
        """Take the browser back from an identity provider; each round ends once.

        A sign-in sets the cookies of a session and goes on to where it began (303), as a link does;
        with `Accept: application/json` it answers instead. A test always answers. The `type` of a
        problem names the reason: 403 for somebody who may not sign in, 502 for a provider that
        does not answer as it should.
        """
        edge = identity.edge
        https, now_ms = edge.is_https(request.scope), identity.clock.now_ms()
        finished = await sso.finish(
            await actor_if_any(identity.access, edge, request, origin),
            Callback(
                state=None if answered is None else Secret(answered),
                code=None if code is None else Secret(code),
                error=error,
                error_description=error_description,
                issuer=issuer,
            ),
            binding=read_binding(request.cookies, https=https),
            origin=origin,
        )
        cookies = [no_binding(https=https)]
        if isinstance(finished, SessionBegun):
            cookies += session_cookies(finished.grant, https=https, now_ms=now_ms)
        view = _finished(finished)
        if view.test is None and not _wants_json(request):
            return _go_to(view.return_to, cookies)
        reply = answer(view)
        reply.cookies = cookies
        return reply

    return [list_sign_in_providers, begin_single_sign_on, finish_single_sign_on]


def own_link_routes(identity: IdentityServices, links: OwnSsoLinks) -> list[HTTPRouteHandler]:
    """Return the route handlers of one's own links."""

    @get("/api/me/sso", operation_id="list_my_sso_links", tags=["me"])
    async def list_my_sso_links(by: By) -> Response[OwnSsoLinkList]:
        """List the identity providers that one's own account is linked to."""
        return answer(OwnSsoLinkList(await links.all(by)))

    @post(
        "/api/me/sso/{name:str}/link",
        operation_id="begin_sso_link",
        tags=["me"],
        status_code=200,
        opt={NEVER_KEPT: True},
    )
    async def begin_sso_link(
        request: AnyRequest, by: By, name: FromPath[str], return_to: FromQuery[str] = "/"
    ) -> Response[RoundBegun]:
        """Begin to link one's own account to an identity provider; go to `url` in this browser."""
        redirect_uri = identity.edge.own_url(request.scope, CALLBACK)
        begun = await links.begin(by, name, redirect_uri=redirect_uri, return_path=return_to)
        return begun_round(request, identity, begun)

    @delete(
        "/api/me/sso/{name:str}", operation_id="remove_my_sso_link", tags=["me"], status_code=200
    )
    async def remove_my_sso_link(by: By, name: FromPath[str]) -> Response[SsoLinkView]:
        """Take one's own link to an identity provider away; 409 when it is the last way in."""
        return answer(await links.remove(by, name))

    return [list_my_sso_links, begin_sso_link, remove_my_sso_link]


def _go_to(url: str, cookies: Sequence[Cookie]) -> Redirect:
    return Redirect(url, status_code=303, cookies=cookies)


def _wants_json(request: AnyRequest) -> bool:
    accepted = request.headers.get("accept", "").lower()
    return "application/json" in accepted and "text/html" not in accepted


def _finished(finished: SessionBegun | Proven | Linked) -> SsoFinished:
    if isinstance(finished, SessionBegun):
        return SsoFinished(
            purpose="login",
            provider=finished.signed_in.provider.name,
            return_to=finished.signed_in.return_path,
            session=tokens_view(finished.grant),
        )
    return SsoFinished(
        purpose="test" if isinstance(finished, Proven) else "link",
        provider=finished.provider.name,
        return_to=finished.return_path,
        test=_test(finished) if isinstance(finished, Proven) else None,
    )


def _test(proven: Proven) -> SsoTestView:
    claims, decision = proven.claims, proven.decision
    outcome = "sign_in"
    if isinstance(decision, Refused):
        outcome = "refused"
    elif isinstance(decision, Provision):
        outcome = "provision"
    elif isinstance(decision, LinkTo):
        outcome = "link"
    standing = None if isinstance(decision, Refused) else decision.standing
    return SsoTestView(
        subject=claims.subject,
        email=claims.email,
        email_verified=claims.email_verified,
        name=claims.name,
        groups=tuple(sorted(claims.groups)),
        outcome=outcome,
        reason=decision.reason.value if isinstance(decision, Refused) else None,
        role=None if standing is None else standing.role,
        joins=() if standing is None else tuple(sorted(standing.join)),
        leaves=() if standing is None else tuple(sorted(standing.leave)),
    )
