"""Single sign-on through the console's routes, with browsers and a certified provider."""

import time
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from msgspec import Struct
from msgspec.structs import replace

from adapters.identity.openid_connect import AuthlibOpenIdConnect
from adapters.upstream.httpx_transport import HttpxTransport
from adapters.upstream.options import TransportOptions
from domain.access.accounts import Role, UserState
from domain.access.session import SignInMethod
from domain.records.audit import AuditOutcome
from domain.routing.address_policy import AddressPolicy
from entrypoints.console.app import create_console_app
from entrypoints.console.edge import ConsoleEdge
from tests.support.clients.oidc_providers import HOME, SECRET, certified_provider
from tests.support.configuration import sql_configuration
from tests.support.console import console_over
from tests.support.console_replicas import Browser, Replicas
from tests.support.console_sso import console_sso
from tests.support.identity_provider import CLIENT_ID, REDIRECT
from tests.support.identity_services import identity_services
from tests.support.manual_clock import ManualClock
from tests.support.sso_services import visit

CALLBACK = urlsplit(REDIRECT).path
URL = HOME.rstrip("/")
JSON = {"accept": "application/json"}


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with certified_provider(tmp_path_factory.mktemp("certified")) as issuer:
        yield issuer


class Door(Struct):
    """A console behind `HOME`, an administrator's browser, and the provider there."""

    replicas: Replicas
    issuer: str
    admin: Browser
    provider_id: str = ""

    def browser(self) -> Browser:
        return self.replicas.browser(url=URL)

    @property
    def path(self) -> str:
        return f"/api/sso-providers/{self.provider_id}"

    async def draft(self, **more: Any) -> None:
        """Store a draft and discover it."""
        entry = {
            "name": "corporate",
            "issuer": self.issuer,
            "client_id": CLIENT_ID,
            "client_secret": SECRET,
            "scopes": ["openid", "email", "profile", "groups"],
            "group_roles": {"developers": "developer"},
            "provisions": True,
            "ends_session": True,
        }
        made = await self.admin.call("POST", "/api/sso-providers", 201, {**entry, **more})
        self.provider_id = made["id"]
        await self.admin.call("POST", f"{self.path}/discover", 200)

    async def active(self, **more: Any) -> None:
        """Go the administrator's way into use."""
        await self.draft(**more)
        begun = await self.admin.call("POST", f"{self.path}/test", 200)
        back = await visit(begun["url"], answers("jane"))
        await self.admin.call("GET", f"{CALLBACK}?{httpx.QueryParams(back)}", 200)
        await self.admin.call("POST", f"{self.path}/activate", 200)


def answers(person: str) -> dict[str, str]:
    return {"login": person, "password": "anything"}


async def begun_by(browser: Browser, person: str, return_to: str = "/keys?a=1") -> str:
    """Begin a sign-in and be at the provider; return the address that leads back."""
    params = {"return_to": return_to}
    reply = await browser.http.get("/api/auth/sso/corporate/begin", params=params)
    assert reply.status_code == 303, reply.text
    back = await visit(reply.headers["location"], answers(person))
    return f"{CALLBACK}?{httpx.QueryParams(back)}"


async def signed_in(browser: Browser, person: str = "jane") -> Any:
    """Sign in and return what `/api/me` says."""
    reply = await browser.http.get(await begun_by(browser, person))
    assert reply.status_code == 303, reply.text
    return await browser.call("GET", "/api/me", 200)


@pytest.fixture
async def door(postgres_url: str, issuer: str) -> AsyncIterator[Door]:
    clock = ManualClock(time.time_ns() // 1_000_000)
    policy = AddressPolicy.allowing(["127.0.0.0/8"])
    transport = HttpxTransport(TransportOptions(address_policy=policy))
    async with sql_configuration(postgres_url) as stored:
        uow = stored.audited
        oidc = AuthlibOpenIdConnect(transport, clock)
        edge = ConsoleEdge(public_url=URL, trusted_proxies=(ip_network("127.0.0.0/8"),))
        console = console_over(
            uow,
            clock,
            identity=identity_services(uow, clock, edge=edge),
            single_sign_on=console_sso(uow, clock, oidc),
        )
        app = create_console_app(console)
        replicas = Replicas(stored, clock, (app, app), [])
        await replicas.user("root@example.com", Role.SUPER_ADMIN)
        there = Door(replicas, issuer, replicas.browser(url=URL))
        await there.admin.sign_in("root@example.com")
        try:
            yield there
        finally:
            for each in replicas.browsers:
                await each.aclose()
            await transport.aclose()


async def test_from_a_draft_to_a_session_and_out_on_both_sides(door: Door) -> None:
    admin, jane = door.admin, door.browser()
    await door.draft()
    view = await admin.call("GET", door.path, 200)
    assert view["has_client_secret"]
    assert SECRET not in str(view)
    assert (await jane.call("GET", "/api/auth/sso/providers", 200)) == {"items": []}
    refused = await jane.refused("GET", "/api/auth/sso/corporate/begin", 403)
    assert refused == "provider_inactive", "a draft signs nobody in"
    assert await admin.refused("POST", f"{door.path}/activate", 409) == "conflict"

    begun = await admin.call("POST", f"{door.path}/test", 200)
    back = await visit(begun["url"], answers("jane"))
    tested = await admin.call("GET", f"{CALLBACK}?{httpx.QueryParams(back)}", 200)
    assert tested["purpose"] == "test"
    assert (tested["test"]["outcome"], tested["test"]["role"]) == ("provision", "developer")
    assert tested["session"] is None
    await admin.call("POST", f"{door.path}/activate", 200)
    offered = await jane.call("GET", "/api/auth/sso/providers", 200)
    assert [each["display_name"] for each in offered["items"]] == ["OpenID Connect"]

    begin = await jane.http.get("/api/auth/sso/corporate/begin?return_to=/keys")
    cookie = begin.headers["set-cookie"]
    assert begin.status_code == 303
    assert cookie.startswith("__Host-tw_sso=")
    for attribute in ("HttpOnly", "Secure", "SameSite=lax", "Max-Age=600", "Path=/"):
        assert attribute in cookie
    back = await visit(begin.headers["location"], answers("jane"))
    reply = await jane.http.get(f"{CALLBACK}?{httpx.QueryParams(back)}")
    assert (reply.status_code, reply.headers["location"]) == (303, "/keys")
    assert jane.cookie("tw_sso") is None

    me = await jane.call("GET", "/api/me", 200)
    assert (me["email"], me["roles"], me["restriction"]) == (
        "jane@example.com",
        ["developer"],
        None,
    )
    async with door.replicas.stored.uow.begin() as tx:
        (session,) = await tx.sessions.of_user(me["user_id"])
        user = await tx.users.find(me["user_id"])
    assert (session.method, session.second_factor) == (SignInMethod.SSO, True)
    assert user is not None
    assert user.last_sign_in_at_ms == door.replicas.clock.now_ms()

    out = await jane.call("POST", "/api/auth/logout", 200)
    asked = parse_qs(urlsplit(str(out["logout_url"])).query)
    assert asked["post_logout_redirect_uri"] == [HOME]
    assert asked["id_token_hint"][0].count(".") == 2
    assert await visit(out["logout_url"], {"logout": "yes"}, until=HOME) == {}
    assert (await admin.call("POST", "/api/auth/logout", 200))["logout_url"] is None


async def test_another_browser_and_a_second_time_get_nothing(door: Door) -> None:
    await door.active()
    jane, thief = door.browser(), door.browser()
    await begun_by(thief, "root")
    back = await begun_by(jane, "jane")
    assert await thief.refused("GET", back, 403) == "other_browser"
    assert await jane.refused("GET", back, 403) == "unknown_attempt", "it was used up"
    assert thief.cookie("tw_access") is None

    back = await begun_by(jane, "jane")
    cookies = door.replicas.same(jane, 0, url=URL)
    assert (await jane.http.get(back)).status_code == 303
    assert await cookies.refused("GET", back, 403) == "unknown_attempt"
    noted = await door.replicas.trail("sso.login")
    assert [(each.reason, each.outcome) for each in noted] == [
        ("other_browser", AuditOutcome.DENIED)
    ]
    refused = await door.replicas.trail("request.refuse")
    assert len(refused) == 2, "what the use case has recorded is not recorded twice"


async def test_whoever_may_not_sign_in_is_told_why(door: Door) -> None:
    await door.active()
    assert await door.browser().refused("GET", CALLBACK, 403) == "unknown_attempt"
    browser = door.browser()
    assert await browser.refused("GET", await begun_by(browser, "joe"), 403) == "email_not_verified"
    patch = {"group_roles": {"developers": None, "owners": "admin"}}
    changed = await door.admin.call("PATCH", door.path, 200, patch)
    assert changed["group_roles"] == {"owners": "admin"}
    assert await browser.refused("GET", await begun_by(browser, "jane"), 403) == "no_role"
    assert browser.cookie("tw_access") is None

    await door.admin.call("PATCH", door.path, 200, {"default_role": "viewer"})
    me = await signed_in(browser)
    async with door.replicas.stored.uow.begin() as tx:
        user = await tx.users.find(me["user_id"])
        assert user is not None
        await tx.users.update(replace(user, state=UserState.DEACTIVATED))
        await tx.commit()
    again = door.browser()
    assert await again.refused("GET", await begun_by(again, "jane"), 403) == "user_inactive"


async def test_a_disabled_provider_signs_nobody_in_not_even_who_is_on_the_way(door: Door) -> None:
    await door.active()
    jane = door.browser()
    back = await begun_by(jane, "jane")
    before = await door.admin.http.get(door.path)
    await door.admin.call("POST", f"{door.path}/disable", 200)
    etag = before.headers["etag"]
    refused = await door.admin.refused("POST", f"{door.path}/activate", 412, if_match=etag)
    assert refused == "precondition_failed"
    assert await jane.refused("GET", back, 403) == "provider_inactive"
    assert await jane.refused("GET", "/api/auth/sso/corporate/begin", 403) == "provider_inactive"
    await door.admin.call("POST", f"{door.path}/activate", 200)
    assert (await signed_in(jane))["email"] == "jane@example.com"


async def test_the_way_back_never_leads_to_another_server(door: Door) -> None:
    await door.active()
    for elsewhere in ("https://evil.example.com/", "//evil.example.com", "/\\evil.example.com"):
        browser = door.browser()
        reply = await browser.http.get(await begun_by(browser, "jane", elsewhere))
        assert (reply.status_code, reply.headers["location"]) == (303, "/")
    program = door.browser()
    told = await program.call("GET", "/api/auth/sso/corporate/begin", 200, **JSON)
    assert told["url"].startswith(door.issuer)
    answered = await program.call("GET", await begun_by(program, "jane", "/ключи"), 200, **JSON)
    assert (answered["purpose"], answered["return_to"]) == ("login", "/ключи")
    bearer = f"Bearer {answered['session']['access_token']}"
    me = await door.browser().call("GET", "/api/me", 200, authorization=bearer)
    assert me["email"] == "jane@example.com"


async def test_links_are_made_by_their_user_and_the_last_way_in_stays(door: Door) -> None:
    await door.active(default_role="viewer")
    begun = await door.admin.call("POST", "/api/me/sso/corporate/link", 200)
    back = await visit(begun["url"], answers("root"))
    reply = await door.admin.http.get(f"{CALLBACK}?{httpx.QueryParams(back)}")
    assert (reply.status_code, reply.headers["location"]) == (303, "/")
    (link,) = (await door.admin.call("GET", "/api/me/sso", 200))["items"]
    assert (link["name"], link["subject"], link["usable"]) == ("corporate", "root", True)
    assert (await signed_in(door.browser(), "root"))["email"] == "root@example.com"
    await door.admin.call("DELETE", "/api/me/sso/corporate", 200)
    assert (await door.admin.call("GET", "/api/me/sso", 200))["items"] == []
    assert await door.admin.refused("DELETE", "/api/me/sso/corporate", 404) == "not_found"

    jane = door.browser()
    await signed_in(jane)
    assert await jane.refused("DELETE", "/api/me/sso/corporate", 409) == "last_way_in"
    assert len((await jane.call("GET", "/api/me/sso", 200))["items"]) == 1
    begun = await jane.call("POST", "/api/me/sso/corporate/link", 200)
    back = await visit(begun["url"], answers("root"))
    jane.http.cookies.delete("__Host-tw_access")
    refused = await jane.refused("GET", f"{CALLBACK}?{httpx.QueryParams(back)}", 403)
    assert refused == "other_user", "whoever signed out meanwhile links nothing"


async def test_a_provider_that_does_not_answer_is_a_bad_gateway(door: Door) -> None:
    await door.active()
    entry = {"name": "gone", "issuer": "http://127.0.0.1:1", "client_id": "x"}
    made = await door.admin.call("POST", "/api/sso-providers", 201, entry)
    path = f"/api/sso-providers/{made['id']}"
    assert await door.admin.refused("POST", f"{path}/discover", 502) == "provider_unreachable"
    assert await door.admin.refused("POST", f"{path}/test", 409) == "not_discovered"
    assert (await door.admin.call("DELETE", path, 200))["deleted"]
    assert await door.admin.refused("GET", path, 404) == "not_found"


async def test_a_network_that_finishes_no_sign_in_has_to_wait_and_others_do_not(door: Door) -> None:
    await door.active()
    browser = door.browser()
    for _ in range(49):
        begun = await browser.http.get("/api/auth/sso/corporate/begin")
        assert begun.status_code == 303
    await signed_in(browser)  # a round that ends well does not count
    begun = await browser.http.get("/api/auth/sso/corporate/begin")
    assert begun.status_code == 303
    waiting = await browser.http.get("/api/auth/sso/corporate/begin")
    assert waiting.status_code == 429
    assert int(waiting.headers["retry-after"]) >= 1
    elsewhere = door.replicas.browser(url=URL, ip="198.51.100.9")
    assert (await signed_in(elsewhere))["email"] == "jane@example.com"
    stolen = door.replicas.same(elsewhere, 0, url=URL)
    assert await stolen.refused("GET", "/api/me", 401) == "session_ended"
    await elsewhere.call("GET", "/api/me", 200)
