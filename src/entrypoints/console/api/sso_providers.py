"""`/api/sso-providers`: identity providers, from the draft into use."""

from datetime import datetime

from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response
from msgspec import Struct

from application.console.sso_collection import (
    SsoPresetView,
    SsoProviderEntry,
    SsoProviderPatch,
    SsoProviderView,
    sso_presets,
)
from application.identity.single_sign_on import Begun
from application.instants import instant
from application.resources import Page
from entrypoints.asgi import AnyRequest
from entrypoints.console.answers import IfMatch, answer, expected, versioned
from entrypoints.console.cookies import binding_cookie
from entrypoints.console.idempotency import NEVER_KEPT
from entrypoints.console.openapi import problems
from entrypoints.console.security import By
from entrypoints.console.services import IdentityServices, SsoServices

CALLBACK = "/api/auth/sso/callback"
"""What is registered at the provider as the redirect address."""


class SsoProviderPage(Page[SsoProviderView], frozen=True):
    """Some identity providers, oldest first; `next_cursor` is null on the last page."""


class SsoPresets(Struct, frozen=True, kw_only=True):
    """What is known about widespread providers; `redirect_uri` is to be registered there."""

    redirect_uri: str
    items: tuple[SsoPresetView, ...]


class RoundBegun(Struct, frozen=True, kw_only=True):
    """Where this browser, which has got a cookie, goes to sign in."""

    url: str
    expires_at: datetime


class SsoProviderRemoval(Struct, frozen=True, kw_only=True):
    """The provider is gone, with every link to it."""

    id: str
    deleted: bool = True


class SsoLinkRemoval(Struct, frozen=True, kw_only=True):
    """The user is not linked to the provider any more."""

    provider_id: str
    user_id: str
    deleted: bool = True


def begun_round(
    request: AnyRequest, identity: IdentityServices, begun: Begun
) -> Response[RoundBegun]:
    """Return where to go, with the cookie that ties the round to this browser."""
    https, now_ms = identity.edge.is_https(request.scope), identity.clock.now_ms()
    reply = answer(RoundBegun(url=begun.url, expires_at=instant(begun.expires_at_ms)))
    reply.cookies = [binding_cookie(begun, https=https, now_ms=now_ms)]
    return reply


def sso_provider_routes(identity: IdentityServices, sso: SsoServices) -> list[HTTPRouteHandler]:
    """Return the route handlers of the collection."""
    providers = sso.providers

    @get("/api/sso-providers", operation_id="list_sso_providers", tags=["sso"])
    async def list_sso_providers(
        by: By, limit: FromQuery[int] = 50, cursor: FromQuery[str | None] = None
    ) -> Response[SsoProviderPage]:
        """List identity providers, oldest first."""
        page = await providers.page(by, limit=limit, cursor=cursor)
        return answer(SsoProviderPage(page.items, page.next_cursor, page.total))

    @get("/api/sso-providers/presets", operation_id="list_sso_presets", tags=["sso"])
    async def list_sso_presets(request: AnyRequest) -> Response[SsoPresets]:
        """List what is known about widespread providers, and the redirect address to register."""
        redirect_uri = identity.edge.own_url(request.scope, CALLBACK)
        return answer(SsoPresets(redirect_uri=redirect_uri, items=sso_presets()))

    @post("/api/sso-providers", operation_id="create_sso_provider", tags=["sso"])
    async def create_sso_provider(
        by: By, data: JSONBody[SsoProviderEntry]
    ) -> Response[SsoProviderView]:
        """Store a draft; 409 when the name is taken.

        It signs nobody in until it was discovered, tested and activated.
        """
        made = await providers.create(by, data)
        return versioned(made, status=201, location=f"/api/sso-providers/{made.view.id}")

    @get("/api/sso-providers/{provider_id:str}", operation_id="get_sso_provider", tags=["sso"])
    async def get_sso_provider(by: By, provider_id: FromPath[str]) -> Response[SsoProviderView]:
        """Return one identity provider with its ETag."""
        return versioned(await providers.find(by, provider_id))

    @patch("/api/sso-providers/{provider_id:str}", operation_id="update_sso_provider", tags=["sso"])
    async def update_sso_provider(
        by: By,
        provider_id: FromPath[str],
        data: JSONBody[SsoProviderPatch],
        if_match: IfMatch = None,
    ) -> Response[SsoProviderView]:
        """Merge into a provider (RFC 7396).

        With another issuer, client id or secret it is a draft again, to be discovered and tested.
        """
        changed = await providers.update(by, provider_id, data, if_match=expected(if_match))
        return versioned(changed)

    @delete(
        "/api/sso-providers/{provider_id:str}",
        operation_id="delete_sso_provider",
        tags=["sso"],
        status_code=200,
    )
    async def delete_sso_provider(
        by: By, provider_id: FromPath[str], if_match: IfMatch = None
    ) -> Response[SsoProviderRemoval]:
        """Delete a provider and every link to it; accounts stay."""
        await providers.delete(by, provider_id, if_match=expected(if_match))
        return answer(SsoProviderRemoval(id=provider_id))

    return [
        list_sso_providers,
        list_sso_presets,
        create_sso_provider,
        get_sso_provider,
        update_sso_provider,
        delete_sso_provider,
    ]


def sso_lifecycle_routes(identity: IdentityServices, sso: SsoServices) -> list[HTTPRouteHandler]:
    """Return the route handlers that bring a provider into use and out of it."""
    providers = sso.providers

    @post(
        "/api/sso-providers/{provider_id:str}/discover",
        operation_id="discover_sso_provider",
        tags=["sso"],
        status_code=200,
        responses=problems(502),
    )
    async def discover_sso_provider(
        by: By, provider_id: FromPath[str]
    ) -> Response[SsoProviderView]:
        """Ask the provider about itself and store what it says; 502 says what is wrong with it."""
        return versioned(await providers.discover(by, provider_id))

    @post(
        "/api/sso-providers/{provider_id:str}/test",
        operation_id="test_sso_provider",
        tags=["sso"],
        status_code=200,
        opt={NEVER_KEPT: True},
    )
    async def test_sso_provider(
        request: AnyRequest,
        by: By,
        provider_id: FromPath[str],
        return_to: FromQuery[str] = "/",
    ) -> Response[RoundBegun]:
        """Begin a sign-in that only shows whether the provider works.

        It ends at `/api/auth/sso/callback`, in the browser and session that began it, with what a
        real sign-in would have led to. 409 before the provider was discovered.
        """
        redirect_uri = identity.edge.own_url(request.scope, CALLBACK)
        begun = await providers.begin_test(
            by, provider_id, redirect_uri=redirect_uri, return_path=return_to
        )
        return begun_round(request, identity, begun)

    @post(
        "/api/sso-providers/{provider_id:str}/activate",
        operation_id="activate_sso_provider",
        tags=["sso"],
        status_code=200,
    )
    async def activate_sso_provider(
        by: By, provider_id: FromPath[str], if_match: IfMatch = None
    ) -> Response[SsoProviderView]:
        """Let people sign in through the provider; 409 before it was discovered and tested."""
        done = await providers.activate(by, provider_id, if_match=expected(if_match))
        return versioned(done)

    @post(
        "/api/sso-providers/{provider_id:str}/disable",
        operation_id="disable_sso_provider",
        tags=["sso"],
        status_code=200,
    )
    async def disable_sso_provider(
        by: By, provider_id: FromPath[str], if_match: IfMatch = None
    ) -> Response[SsoProviderView]:
        """Let nobody sign in through the provider any more; sessions that have begun go on."""
        return versioned(await providers.disable(by, provider_id, if_match=expected(if_match)))

    @delete(
        "/api/sso-providers/{provider_id:str}/identities/{user_id:str}",
        operation_id="unlink_sso_user",
        tags=["sso"],
        status_code=200,
    )
    async def unlink_sso_user(
        by: By, provider_id: FromPath[str], user_id: FromPath[str]
    ) -> Response[SsoLinkRemoval]:
        """Take a user's link to the provider away."""
        await providers.unlink(by, provider_id, user_id)
        return answer(SsoLinkRemoval(provider_id=provider_id, user_id=user_id))

    return [
        discover_sso_provider,
        test_sso_provider,
        activate_sso_provider,
        disable_sso_provider,
        unlink_sso_user,
    ]
