"""The edge of the console: set-up, cookies, CSRF, cross-origin calls, headers, keys."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from msgspec.structs import replace

from adapters.memory.change_feed import MemoryChangeFeed
from adapters.memory.request_log import MemoryRequestLog
from adapters.memory.store import MemoryStore, MemoryUnitOfWork
from adapters.system.identifiers import UuidGenerator
from application.console.request_records import RequestRecords
from application.ports.directory import KeyDirectory
from domain.access.accounts import Role, User, UserState
from domain.identifiers import ApiKeyId, LineageId
from domain.inference.dialect import Surface
from domain.keys.api_key import Caller, KeyState
from domain.keys.secret import key_hash
from domain.records.events import RequestRecord
from entrypoints.console.app import create_console_app
from entrypoints.console.headers import CONSOLE_HEADERS
from tests.support.configuration import NOW_MS, a_secret
from tests.support.console import console_over
from tests.support.console_replicas import LISTED, Replicas, console_replicas
from tests.support.identity_services import SETUP_TOKEN
from tests.support.manual_clock import ManualClock
from tests.support.signing_in import PASSWORD

FIRST = {"token": SETUP_TOKEN, "email": "chief@example.com", "password": PASSWORD}
KEY = a_secret(7).reveal()


class OneKey(KeyDirectory):
    """Knows one console key."""

    def __init__(self) -> None:
        self.caller: Caller | None = None

    async def find(self, key_hash: bytes) -> Caller | None:
        return self.caller if key_hash == _DIGEST else None

    async def touch(self, last_used_ms: dict[str, int]) -> None:
        assert self.caller is not None


_DIGEST = key_hash(KEY)


def a_console_key(owner: User) -> Caller:
    return Caller(
        key_id=ApiKeyId("k1"),
        lineage_id=LineageId("k1"),
        key_name="robot",
        state=KeyState.ACTIVE,
        surfaces=frozenset({Surface.CONSOLE}),
        user_id=owner.id,
        ip_allow=("203.0.113.0/24",),
        created_at_ms=NOW_MS,
        permissions=frozenset({"sessions:read", "config:apply", "no:such"}),
    )


@pytest.fixture
def keys() -> OneKey:
    return OneKey()


@pytest.fixture
async def office(postgres_url: str, keys: OneKey) -> AsyncIterator[Replicas]:
    async with console_replicas(postgres_url, keys) as replicas:
        yield replicas


def cookies_of(reply: httpx.Response) -> Iterator[tuple[str, set[str]]]:
    for header in reply.headers.get_list("set-cookie"):
        name, *attributes = (part.strip().lower() for part in header.split(";"))
        yield name.partition("=")[0], {part.partition("=")[0] for part in attributes}


async def test_set_up_makes_one_administrator_however_many_try(office: Replicas) -> None:
    browsers = [office.browser(number % 2) for number in range(4)]
    assert await browsers[0].call("GET", "/api/setup", 200) == {"open": True}
    await browsers[0].call("POST", "/api/setup", 401, {**FIRST, "token": "wrong"})
    await browsers[0].call("POST", "/api/setup", 400, {**FIRST, "password": "Password1"})
    replies = await asyncio.gather(
        *(
            each.http.post("/api/setup", json={**FIRST, "email": f"chief{number}@example.com"})
            for number, each in enumerate(browsers)
        )
    )
    assert sorted(reply.status_code for reply in replies) == [201, *[409] * 3]
    assert await browsers[0].call("GET", "/api/setup", 200) == {"open": False}
    winner = next(reply.json()["email"] for reply in replies if reply.status_code == 201)
    await browsers[1].sign_in(winner)
    assert "users:delete" in (await browsers[1].call("GET", "/api/me", 200))["permissions"]
    bearer = {"authorization": f"Bearer {SETUP_TOKEN}"}
    await office.browser().call("GET", "/api/me", 401, **bearer)


async def test_set_up_stays_closed_when_who_got_in_is_something_else_now(
    office: Replicas,
) -> None:
    chief = await office.user("chief@example.com", Role.SUPER_ADMIN)
    await office.user("heir@example.com", Role.SUPER_ADMIN)
    browser = office.browser()
    await browser.sign_in(chief)
    await browser.call("PATCH", f"/api/users/{chief.id}", 200, {"role": "developer"})
    assert await browser.refused("POST", "/api/setup", 409, body=FIRST) == "setup_closed"


async def test_set_up_stays_closed_when_who_got_in_has_gone(office: Replicas) -> None:
    chief = await office.user("chief@example.com", Role.SUPER_ADMIN)
    await office.user("heir@example.com", Role.SUPER_ADMIN)
    browser = office.browser()
    assert await browser.call("GET", "/api/setup", 200) == {"open": True}
    await browser.sign_in(chief)
    await browser.call("DELETE", f"/api/users/{chief.id}", 200)
    assert await browser.call("GET", "/api/setup", 200) == {"open": False}
    assert await browser.refused("POST", "/api/setup", 409, body=FIRST) == "setup_closed"


async def test_cookies_over_tls_can_be_set_by_no_other_host(office: Replicas) -> None:
    user = await office.user("dev@example.com")
    browser = office.browser(url="https://console")
    form = {"email": user.email, "password": PASSWORD}
    reply = await browser.http.post("/api/auth/login", json=form)
    always = {"path", "max-age", "samesite", "secure"}
    assert dict(cookies_of(reply)) == {
        "__host-tw_access": always | {"httponly"},
        "__host-tw_refresh": always | {"httponly"},
        "__host-tw_csrf": always,
    }
    assert all("samesite=lax" in each.lower() for each in reply.headers.get_list("set-cookie"))
    assert "strict-transport-security" in reply.headers
    await browser.call("GET", "/api/me", 200)
    planted = office.browser(url="https://console")
    planted.http.cookies.set("tw_access", str(browser.cookie("tw_access")))
    assert await planted.refused("GET", "/api/me", 401) == "token_required"


async def test_cookies_over_plain_http_have_names_that_browsers_take(office: Replicas) -> None:
    user = await office.user("dev@example.com")
    form = {"email": user.email, "password": PASSWORD}
    reply = await office.browser().http.post("/api/auth/login", json=form)
    assert {name for name, _ in cookies_of(reply)} == {"tw_access", "tw_refresh", "tw_csrf"}
    assert all("secure" not in attributes for _, attributes in cookies_of(reply))
    assert "strict-transport-security" not in reply.headers
    proxied = {"x-forwarded-proto": "https"}
    reply = await office.browser().http.post("/api/auth/login", json=form, headers=proxied)
    assert all(name.startswith("__host-") for name, _ in cookies_of(reply))


async def test_a_change_by_cookie_needs_the_token_of_the_page(office: Replicas) -> None:
    user = await office.user("dev@example.com")
    browser = office.browser()
    granted = await browser.sign_in(user)
    other = office.browser()
    foreign = (await other.sign_in(user))["csrf_token"]
    for token in ("", "forged", foreign):
        refused = await browser.refused("DELETE", "/api/me/sessions", 403, x_csrf_token=token)
        assert refused == "csrf_refused"
    for origin in ("http://evil.example.com", "null", "http://console.evil.example.com"):
        refused = await browser.refused("DELETE", "/api/me/sessions", 403, origin=origin)
        assert refused == "csrf_refused"
    await browser.call("DELETE", "/api/me/sessions", 200, origin="http://console")
    bearer = {"authorization": f"Bearer {granted['access_token']}"}
    reply = await office.browser().http.delete("/api/me/sessions", headers=bearer)
    assert reply.status_code == 200, "no browser sends this header by itself"


async def test_a_form_of_another_site_is_no_request(office: Replicas) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        reply = await office.browser().http.post(
            "/api/auth/login", content=b'{"email": "a"}', headers={"content-type": kind}
        )
        assert reply.status_code == 415
    reply = await office.browser().http.post(
        "/api/auth/login",
        content=b" " * (9 * 1024 * 1024),
        headers={"content-type": "application/json"},
    )
    assert reply.status_code == 413


async def test_only_listed_origins_may_call_and_with_cookies(office: Replicas) -> None:
    asked = {"access-control-request-method": "PATCH", "access-control-request-headers": "if-match"}
    http = office.browser().http
    granted = await http.options("/api/limits", headers={"origin": LISTED, **asked})
    assert granted.status_code == 204
    assert granted.headers["access-control-allow-origin"] == LISTED
    assert granted.headers["access-control-allow-credentials"] == "true"
    assert "If-Match" in granted.headers["access-control-allow-headers"]
    failed = await http.get("/api/me", headers={"origin": LISTED})
    assert (failed.status_code, failed.headers["access-control-allow-origin"]) == (401, LISTED)
    for origin in ("https://evil.example.com", "null"):
        refused = await http.options("/api/limits", headers={"origin": origin, **asked})
        assert not any(name.startswith("access-control-allow") for name in refused.headers)
        assert refused.headers["vary"] == "Origin"


class BrokenLog(MemoryRequestLog):
    """Fails in a way that nobody has thought of."""

    async def find(self, event_id: str) -> RequestRecord | None:
        raise RuntimeError(event_id)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/setup", 200),
        ("GET", "/api/nowhere/at/all", 404),
        ("GET", "/api/requests", 401),
        ("PUT", "/api/setup", 405),
        ("GET", "/api/requests/019a0000-0000-7000-8000-000000000009", 500),
    ],
)
async def test_every_answer_has_the_security_headers(method: str, path: str, status: int) -> None:
    clock = ManualClock()
    uow = MemoryUnitOfWork(MemoryStore(), MemoryChangeFeed(), clock, UuidGenerator())
    console = console_over(
        uow, clock, request_records=RequestRecords(BrokenLog(clock=clock), clock=clock)
    )
    transport = httpx.ASGITransport(app=create_console_app(console))  # pyright: ignore[reportArgumentType]
    headers = {"authorization": "Bearer token"} if status == 500 else {}
    async with httpx.AsyncClient(transport=transport, base_url="http://console") as http:
        reply = await http.request(method, path, headers=headers)
    assert reply.status_code == status, reply.text
    for name, value in CONSOLE_HEADERS:
        assert reply.headers[name.decode()] == value.decode()


async def test_the_operator_token_counts_on_this_machine_only(office: Replicas) -> None:
    bearer = {"authorization": "Bearer token"}
    own = office.browser()
    del own.http.headers["x-forwarded-for"]
    here = await own.call("GET", "/api/me", 200, **bearer)
    assert (here["kind"], here["name"]) == ("system", "operator")
    assert await own.refused("GET", "/api/me/sessions", 403, **bearer) == "session_required"
    assert await office.browser().refused("GET", "/api/me", 401, **bearer) == "session_ended"
    for name in ("x_forwarded_for", "x_real_ip", "forwarded", "via"):
        passed_on = {**bearer, name: "127.0.0.1"}
        assert await own.refused("GET", "/api/me", 401, **passed_on) == "session_ended"


async def test_a_key_opens_what_it_names_and_its_owner_may(office: Replicas, keys: OneKey) -> None:
    owner = await office.user("boss@example.com", Role.ADMIN)
    keys.caller = a_console_key(owner)
    robot = office.browser()
    bearer = {"authorization": f"Bearer {KEY}"}
    me = await robot.call("GET", "/api/me", 200, **bearer)
    assert (me["kind"], me["name"], me["permissions"]) == ("api_key", "robot", ["sessions:read"])
    await robot.call("GET", "/api/sessions", 200, **bearer)
    await robot.refused("POST", f"/api/users/{owner.id}/totp-reset", 404, **bearer)
    no_body = await robot.refused("PUT", "/api/me/password", 415, **bearer)
    assert no_body == "unsupported_media_type"
    assert await robot.refused("GET", "/api/me/sessions", 403, **bearer) == "session_required"
    away = office.browser(ip="198.51.100.1")
    assert await away.refused("GET", "/api/me", 403, **bearer) == "address_not_allowed"
    present = keys.caller
    for changed, code in (
        (replace(present, permissions=None), "permission_denied"),
        (replace(present, surfaces=frozenset({Surface.AI_GATEWAY})), "surface_not_allowed"),
    ):
        keys.caller = changed
        assert await robot.refused("GET", "/api/sessions", 403, **bearer) == code
    for changed in (
        replace(present, state=KeyState.REVOKED),
        replace(present, expires_at_ms=office.clock.now_ms()),
        None,
    ):
        keys.caller = changed
        await robot.refused("GET", "/api/sessions", 401, **bearer)


async def test_a_key_of_somebody_deactivated_is_refused_though_the_directory_is_behind(
    office: Replicas, keys: OneKey
) -> None:
    owner = await office.user("chief@example.com", Role.SUPER_ADMIN)
    keys.caller = a_console_key(owner)
    bearer = {"authorization": f"Bearer {KEY}"}
    await office.browser().call("GET", "/api/me", 200, **bearer)
    async with office.stored.uow.begin() as tx:
        await tx.users.update(replace(owner, state=UserState.DEACTIVATED))
        await tx.commit()
    refused = await office.browser(1).refused("GET", "/api/me", 401, **bearer)
    assert refused == "owner_inactive"
