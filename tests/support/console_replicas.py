"""Two replicas of the console over one database, and browsers that use them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

import httpx
from litestar.types import ASGIApp
from msgspec import Struct

from adapters.sql.engine import create_engine
from adapters.sql.sign_in_attempts import SqlSignInAttempts
from application.ports.audit_log import AuditFilter
from application.ports.directory import KeyDirectory
from domain.access.accounts import Role, User
from domain.records.audit import AuditEntry
from domain.secret import Secret
from entrypoints.console.app import create_console_app
from entrypoints.console.edge import ConsoleEdge
from tests.support.configuration import Configuration, a_user, sql_configuration
from tests.support.console import console_over
from tests.support.identity_services import identity_services
from tests.support.manual_clock import ManualClock
from tests.support.signing_in import BROWSER, IP, PASSWORD, cheap_passwords

LISTED = "https://pages.example.com"


class Browser(Struct):
    """A client with cookies, at an address, with a name."""

    http: httpx.AsyncClient

    async def call(
        self, method: str, path: str, status: int, body: Any = None, **headers: str
    ) -> Any:
        """Return the parsed answer, which must have this status; changes carry the CSRF token."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        token = self.cookie("tw_csrf")
        if method != "GET" and token is not None:
            sent.setdefault("x-csrf-token", token)
        reply = await self.http.request(method, path, json=body, headers=sent)
        assert reply.status_code == status, reply.text
        if status >= 400:
            assert reply.headers["content-type"] == "application/problem+json"
        return reply.json()

    async def refused(self, method: str, path: str, status: int, **more: Any) -> str:
        """Return the code of a refusal."""
        problem = await self.call(method, path, status, **more)
        return problem["type"].rpartition(":")[2]

    def cookie(self, name: str) -> str | None:
        """Return a cookie under either of its names."""
        return self.http.cookies.get(name) or self.http.cookies.get(f"__Host-{name}")

    async def sign_in(self, user: User | str, status: int = 200, **more: str) -> Any:
        """Sign in with the password of all tests, unless `more` has another."""
        email = user if isinstance(user, str) else user.email
        return await self.call(
            "POST", "/api/auth/login", status, {"email": email, "password": PASSWORD, **more}
        )


class Replicas(Struct):
    """Two apps that share nothing but the database."""

    stored: Configuration
    clock: ManualClock
    apps: tuple[ASGIApp, ASGIApp]
    browsers: list[httpx.AsyncClient]

    def browser(
        self, replica: int = 0, *, ip: str = IP, name: str = BROWSER, url: str = "http://console"
    ) -> Browser:
        """Return a new browser that uses one of the replicas."""
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.apps[replica]),  # pyright: ignore[reportArgumentType]
            base_url=url,
            headers={"x-forwarded-for": ip, "user-agent": name},
        )
        self.browsers.append(client)
        return Browser(client)

    def same(self, browser: Browser, replica: int = 1, **other: str) -> Browser:
        """Return what has the cookies of a browser: itself at another replica, or a thief."""
        twin = self.browser(replica, **other)
        for each in browser.http.cookies.jar:
            twin.http.cookies.jar.set_cookie(each)
        return twin

    async def user(self, email: str, role: Role = Role.DEVELOPER, **more: object) -> User:
        """Store a user with the password of all tests."""
        made = a_user(email, role=role, **more)
        async with self.stored.uow.begin() as tx:
            await tx.users.add(made)
            await tx.users.set_password(made.id, await cheap_passwords().hash(Secret(PASSWORD)))
            await tx.commit()
        return made

    async def setting(self, key: str, value: str) -> None:
        """Set a setting."""
        async with self.stored.uow.begin() as tx:
            await tx.settings.put(key, value)
            await tx.commit()

    async def trail(self, action: str) -> list[AuditEntry]:
        """Return the audit events of an action, newest first."""
        rows = await self.stored.archive.search(AuditFilter(action=action), before=None, limit=50)
        return [row.entry() for row in rows]


@asynccontextmanager
async def console_replicas(
    postgres_url: str, keys: KeyDirectory | None = None
) -> AsyncGenerator[Replicas]:
    """Yield two replicas whose clock stands still until a test moves it."""
    clock, engine = ManualClock(), create_engine(postgres_url)
    proxies = (ip_network("127.0.0.0/8"),)
    async with sql_configuration(postgres_url) as stored:

        def app() -> ASGIApp:
            identity = identity_services(
                stored.audited,
                clock,
                edge=ConsoleEdge(trusted_proxies=proxies, cors_origins=(LISTED,)),
                keys=keys or stored.directory,
                attempts=SqlSignInAttempts(engine),
            )
            return create_console_app(console_over(stored.audited, clock, identity=identity))

        replicas = Replicas(stored, clock, (app(), app()), [])
        try:
            yield replicas
        finally:
            for each in replicas.browsers:
                await each.aclose()
            await engine.dispose()
