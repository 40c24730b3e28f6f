"""The use cases of single sign-on over a store, and a browser that goes to the provider and back."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx
from msgspec import Struct

from adapters.crypto.cipher import AesGcmCipher
from adapters.identity.openid_connect import AuthlibOpenIdConnect
from adapters.memory.change_feed import MemoryChangeFeed
from adapters.memory.store import MemoryStore, MemoryUnitOfWork
from adapters.system.identifiers import UuidGenerator
from adapters.system.randomness import SystemRandomness
from adapters.upstream.httpx_transport import HttpxTransport
from adapters.upstream.options import TransportOptions
from application.identity.single_sign_on import Begun, Callback, Finished, SingleSignOn
from application.identity.sso_providers import ManageSsoProviders, SsoDraft
from application.ports.clock import Clock
from application.ports.unit_of_work import UnitOfWork
from domain.access.accounts import Role, User
from domain.access.actor import Actor, ActorKind, Origin
from domain.access.rights import Rights
from domain.access.single_sign_on import SsoProvider
from domain.access.sso_presets import SsoPreset
from domain.records.audit import AuditTarget
from domain.routing.address_policy import AddressPolicy
from domain.secret import Secret
from tests.support.configuration import a_user
from tests.support.identity_provider import CLIENT_ID, CLIENT_SECRET, REDIRECT

ORIGIN = Origin(ip="192.0.2.7", user_agent="Browser", request_id="r-1")
_MOST_STEPS = 20


class Services(Struct):
    """The use cases, and an administrator who is signed in."""

    uow: UnitOfWork
    manage: ManageSsoProviders
    sso: SingleSignOn
    admin_user: User
    admin: Actor

    async def draft(self, issuer: str, **more: Any) -> SsoProvider:
        """Store a draft of a provider."""
        fields: dict[str, Any] = {
            "name": "corporate",
            "preset": SsoPreset.CUSTOM,
            "issuer": issuer,
            "client_id": CLIENT_ID,
            "client_secret": Secret(CLIENT_SECRET),
        }
        return await self.manage.create(self.admin, SsoDraft(**{**fields, **more}))

    async def finish(
        self, begun: Begun, back: dict[str, str], *, by: Actor | None = None
    ) -> Finished:
        """Come back in the browser that went."""
        return await self.sso.finish(by, callback(back), binding=begun.binding, origin=ORIGIN)


def callback(back: dict[str, str]) -> Callback:
    """Return the parameters of a callback as the REST handler reads them."""
    code, state = back.get("code"), back.get("state")
    return Callback(
        state=None if state is None else Secret(state),
        code=None if code is None else Secret(code),
        error=back.get("error"),
        error_description=back.get("error_description"),
        issuer=back.get("iss"),
    )


def acting(user: User) -> Actor:
    """Return a super admin who is signed in."""
    rights = Rights(user_id=user.id, unlimited=True, roles=("super_admin",))
    return Actor(kind=ActorKind.USER, id=user.id, name=user.email, rights=rights, origin=ORIGIN)


def memory_store(clock: Clock) -> tuple[MemoryStore, UnitOfWork]:
    """Return an empty store in which every change has to be recorded."""
    store = MemoryStore()
    return store, MemoryUnitOfWork(store, MemoryChangeFeed(), clock, UuidGenerator())


@asynccontextmanager
async def services(uow: UnitOfWork, clock: Clock) -> AsyncGenerator[Services]:
    """Build everything over a store, with an administrator in it."""
    policy = AddressPolicy.allowing(["127.0.0.0/8"])
    transport = HttpxTransport(TransportOptions(address_policy=policy))
    oidc = AuthlibOpenIdConnect(transport, clock)
    randomness, ids = SystemRandomness(), UuidGenerator()
    cipher = AesGcmCipher([b"k" * 32], randomness)
    admin = a_user("root@example.com", role=Role.SUPER_ADMIN)
    actor = acting(admin)
    async with uow.begin() as tx:
        await tx.users.add(admin)
        tx.audit.record(actor, "user.create", AuditTarget(kind="user", id=admin.id))
        await tx.commit()
    try:
        yield Services(
            uow,
            ManageSsoProviders(uow, oidc, cipher, clock, ids),
            SingleSignOn(uow, oidc, cipher, clock, ids, randomness),
            admin,
            actor,
        )
    finally:
        await transport.aclose()


class _Form(HTMLParser):
    """The last form of a page: where it goes and what is in it already; and the way out."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.way_out = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action, self.fields = named.get("action", ""), {}
        if tag == "a" and named.get("href", "").endswith("/abort"):
            self.way_out = named["href"]
        if tag == "input" and named.get("type") == "hidden":
            self.fields[named["name"]] = named.get("value", "")


async def visit(
    url: str, answers: dict[str, str] | None, *, until: str = REDIRECT
) -> dict[str, str]:
    """Go to the provider, send its forms off with `answers`, return what comes back to us.

    Without answers the person declines.
    """
    async with httpx.AsyncClient(trust_env=False, timeout=20) as browser:
        page = await browser.get(url)
        for _ in range(_MOST_STEPS):
            if page.is_redirect:
                target = urljoin(str(page.url), page.headers["location"])
                if target.startswith(until):
                    return dict(parse_qsl(urlsplit(target).query))
                page = await browser.get(target)
                continue
            assert page.status_code == 200, page.text
            form = _Form()
            form.feed(page.text)
            if answers is None:
                page = await browser.get(urljoin(str(page.url), form.way_out))
                continue
            target = urljoin(str(page.url), form.action)
            page = await browser.post(target, data={**form.fields, **answers})
    raise AssertionError("the provider did not send the browser back")
