"""No secret of an installation is found where it has no business, whatever went wrong with it.

Every secret is a canary: a value that is searched for afterwards in all that the program wrote and
answered. Some answers tell a secret once, on purpose; those are looked at and not searched.
"""

import asyncio
import base64
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from pyotp.totp import TOTP

from adapters.embedded.postgres import EmbeddedPostgres
from adapters.embedded.sockets import run_directory
from domain.keys.secret import mint
from entrypoints.datadir import OPERATOR_TOKEN, SETUP_TOKEN, DataDir
from tests.support.answers import Answer, answer
from tests.support.command_line import Program, run, running
from tests.support.described_api import operations
from tests.support.known_things import known_things
from tests.support.openai_bodies import completion
from tests.support.processes import command_line, processes_below
from tests.support.program import free_port
from tests.support.scripted_upstream import ReceivedRequest, ScriptedUpstream

ADMINISTRATOR, PERSON = "admin@example.com", "person@example.com"
PROXIED = "proxied"
CONTROL = "what is no secret"
"""A value that must be found where it belongs: the search itself works."""
LARGEST_FILE = 64 * 1024 * 1024


@dataclass
class Canaries:
    """The secrets by what they are, and where they were found."""

    values: dict[str, str] = field(default_factory=dict[str, str])
    found: set[str] = field(default_factory=set[str])
    looked: set[str] = field(default_factory=set[str])

    def plant(self, name: str, value: str) -> str:
        """Remember a secret."""
        assert len(value) >= 8
        self.values[name] = value
        return value

    def look(self, place: str, content: str | bytes, *, but: tuple[str, ...] = ()) -> None:
        """Search in `content`, for all that are not in `but`."""
        self.looked.add(place)
        raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        for name, value in self.values.items():
            if name not in but and value.encode() in raw:
                self.found.add(f"{name} in {place}")

    def look_encoded(self, place: str, content: str) -> None:
        """Search for them as they are, and as PostgreSQL shows bytes that are no text."""
        self.look(place, content)
        for name, value in self.values.items():
            for form in (value.encode().hex(), base64.b64encode(value.encode()).decode()[:-4]):
                if form in content:
                    self.found.add(f"{name}, encoded, in {place}")


@dataclass
class Installed:
    """The running program, its canaries, and all that was answered."""

    directory: Path
    environ: dict[str, str]
    program: Program
    gateway: httpx.AsyncClient
    console: httpx.AsyncClient
    canaries: Canaries
    answers: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    @property
    def data_dir(self) -> Path:
        return Path(self.environ["THINKWATCH_DATA_DIR"])

    async def call(
        self, method: str, path: str, *, telling: bool = False, to: str = "console", **more: Any
    ) -> httpx.Response:
        """Make a call; what it answers is searched later, unless it tells a secret on purpose."""
        client = self.console if to == "console" else self.gateway
        reply = await client.request(method, path, **more)
        if not telling:
            text = "\n".join(f"{name}: {value}" for name, value in reply.headers.items())
            self.answers.append(
                (f"answer of {method} {path} ({reply.status_code})", text + reply.text)
            )
        return reply

    async def told(self, method: str, path: str, **more: Any) -> Any:
        """Make a call that must succeed and tells a secret."""
        reply = await self.call(method, path, telling=True, **more)
        assert reply.is_success, reply.text
        return reply.json()

    async def done(self, method: str, path: str, **more: Any) -> Any:
        """Make a call that must succeed and tells none."""
        reply = await self.call(method, path, **more)
        assert reply.is_success, reply.text
        return reply.json()


def planted() -> tuple[Canaries, dict[str, str]]:
    canaries = Canaries()
    unique = os.urandom(6).hex()
    environ = {
        "JWT_SECRET": canaries.plant("jwt secret", f"jwt-canary-{unique}-of-at-least-32-letters"),
        "ENCRYPTION_KEY": canaries.plant("encryption key", os.urandom(32).hex()),
        "METRICS_BEARER_TOKEN": canaries.plant("metrics token", f"metrics-canary-{unique}"),
        "LOG_LEVEL": "debug",
        "LOG_FORMAT": "json",
    }
    canaries.plant(CONTROL, PERSON)
    canaries.plant("administrator's password", f"Admin-Canary-{unique}-9")
    canaries.plant("mistyped password", f"Wrong-Canary-{unique}-9")
    canaries.plant("person's password", f"Person-Canary-{unique}-9")
    canaries.plant("new password", f"Newer-Canary-{unique}-9")
    canaries.plant("provider key", f"sk-canary-{unique}-provider")
    canaries.plant("second provider key", f"sk-canary-{unique}-second")
    canaries.plant("provider header", f"header-canary-{unique}")
    canaries.plant("proxy password", f"proxy-canary-{unique}")
    canaries.plant("unaccepted provider key", f"sk-canary-{unique}-refused")
    canaries.plant("imported key", mint(os.urandom(48)).reveal())
    canaries.plant("unknown key", mint(os.urandom(48)).reveal())
    return canaries, environ


@pytest.fixture
async def installed() -> AsyncIterator[Installed]:
    canaries, secrets = planted()
    directory = Path(tempfile.mkdtemp(prefix="twl-"))
    environ = {**secrets, "THINKWATCH_DATA_DIR": str(directory / "data")}
    ports = ("--gateway-port", "0", "--console-port", "0")
    try:
        with running("serve", "--json", *ports, directory=directory, environ=environ) as program:
            announced = program.announcement()
            for name in (SETUP_TOKEN, OPERATOR_TOKEN):
                canaries.plant(name, (directory / "data" / name).read_text().strip())
            async with (
                httpx.AsyncClient(base_url=announced["gateway_url"], timeout=30) as gateway,
                httpx.AsyncClient(base_url=announced["console_url"], timeout=30) as console,
            ):
                yield Installed(directory, environ, program, gateway, console, canaries)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def echo(request: ReceivedRequest) -> Answer:
    """Answer as the worst of providers: an error that repeats what it was sent."""
    if b"works" in request.body:
        return answer(200, body=completion("Hello!"))
    sent = " ".join(f"{name}: {value}" for name, value in request.headers)
    status = next(
        (code for code in (401, 429, 500, 400) if str(code).encode() in request.body), 400
    )
    body = {"error": {"message": f"Incorrect: {sent}", "type": "x", "code": sent, "param": sent}}
    return answer(status, headers=[("x-request-id", sent), ("x-echo", sent)], body=body)


async def test_no_secret_leaks(installed: Installed) -> None:
    async with ScriptedUpstream() as upstream:
        upstream.always(echo)
        await sign_in(installed)
        await configure(installed, upstream.base_url)
        await infer(installed)
        await make_mistakes(installed)
        await read_everything(installed)
        run_commands(installed)
        sent = [" ".join(text for _, text in each.headers) for each in upstream.requests]
        for name in ("provider key", "second provider key", "provider header"):
            assert any(installed.canaries.values[name] in each for each in sent)
    look_at_processes(installed)
    await look_into_postgres(installed)
    assert installed.program.stop() == 0
    look_at_files(installed)
    for place, content in installed.answers:
        installed.canaries.look(place, content)
    found = installed.canaries.found
    control = {each for each in found if each.startswith(CONTROL)}
    assert found - control == set()
    assert len(installed.canaries.values) > 30
    seen = {each.removeprefix(f"{CONTROL} in ") for each in control}
    assert {
        "table public.audit_events",
        "output of export --json",
        "output of audit export -o -",
    } <= seen
    assert any(each.startswith("answer of GET /api/audit") for each in seen)
    assert any(each.startswith("data/postgres") for each in seen)


async def sign_in(installed: Installed) -> None:
    """Set up, sign in wrong and right, turn on a second factor, refresh, invite a person."""
    value = installed.canaries.values
    plant = installed.canaries.plant
    password, mistyped = value["administrator's password"], value["mistyped password"]
    first = {"token": value[SETUP_TOKEN], "email": ADMINISTRATOR, "password": password}
    for wrong in ({**first, "token": mistyped}, {**first, "password": "weak"}, {**first, "x": 1}):
        assert (await installed.call("POST", "/api/setup", json=wrong)).status_code in {400, 401}
    await installed.done("POST", "/api/setup", json=first)
    await installed.call("POST", "/api/setup", json=first)

    form = {"email": ADMINISTRATOR, "password": password}
    for wrong in (
        {**form, "password": mistyped},
        {"email": mistyped, "password": mistyped},
        {**form, "totp_code": 7},
    ):
        assert (await installed.call("POST", "/api/auth/login", json=wrong)).status_code >= 400
    begun = await installed.told("POST", "/api/auth/login", json=form)
    bearer(installed, begun, "first")
    enrolment = await installed.told("POST", "/api/me/totp")
    secret = plant("second factor's secret", enrolment["secret"])
    await installed.call("POST", "/api/me/totp/confirm", json={"code": "not-a-code"})
    code = TOTP(secret).now()
    made = await installed.told("POST", "/api/me/totp/confirm", json={"code": code})
    for number, each in enumerate(made["recovery_codes"]):
        plant(f"recovery code {number}", each)

    installed.console.headers.pop("authorization")
    await installed.call("POST", "/api/auth/login", json=form)  # a code is needed
    wrong = {**form, "recovery_code": value["recovery code 0"] + "x"}
    await installed.call("POST", "/api/auth/login", json=wrong)
    right = {**form, "recovery_code": value["recovery code 0"]}
    await installed.told("POST", "/api/auth/login", json=right)
    plant("refresh token", str(installed.console.cookies["tw_refresh"]))
    csrf = {"x-csrf-token": plant("csrf token", str(installed.console.cookies["tw_csrf"]))}
    again = await installed.told("POST", "/api/auth/refresh", headers=csrf)
    plant("next refresh token", str(installed.console.cookies["tw_refresh"]))
    installed.console.cookies.clear()
    bearer(installed, again, "second")
    change = {"current_password": mistyped, "new_password": value["new password"]}
    assert (await installed.call("PUT", "/api/me/password", json=change)).status_code == 403
    await installed.done("PUT", "/api/me/password", json={**change, "current_password": password})
    await invite(installed)


def bearer(installed: Installed, begun: dict[str, Any], which: str) -> None:
    """Go on with the access token of this session."""
    access = installed.canaries.plant(f"{which} access token", begun["access_token"])
    installed.canaries.plant(f"{which} csrf token", begun["csrf_token"])
    installed.console.headers["authorization"] = f"Bearer {access}"
    installed.console.cookies.clear()


async def invite(installed: Installed) -> None:
    """Invite somebody, who takes it up with a password; make a user, and reset its password."""
    value, plant = installed.canaries.values, installed.canaries.plant
    invited = await installed.told("POST", "/api/invites", json={"email": PERSON})
    token = plant("invitation", invited["token"])
    wanted = {"token": token, "password": "weak"}
    assert (await installed.call("POST", "/api/invites/accept", json=wanted)).status_code == 400
    wanted["password"] = value["person's password"]
    await installed.done("POST", "/api/invites/accept", json=wanted)
    await installed.call("POST", "/api/invites/accept", json=wanted)
    made = await installed.told("POST", "/api/users", json={"email": "made@example.com"})
    plant("made-up password", made["password"])
    reset = await installed.told("POST", f"/api/users/{made['user']['id']}/password-reset")
    plant("password after a reset", reset["password"])


async def configure(installed: Installed, upstream: str) -> None:
    """Providers with credentials of every kind, models, keys made and imported."""
    value, plant = installed.canaries.values, installed.canaries.plant
    password = value["proxy password"]
    shared = {"kind": "openai_compatible", "base_url": upstream}
    keys = [{"api_key": value["provider key"]}, {"api_key": value["second provider key"]}]
    header = {"headers": {"x-credential": value["provider header"]}}
    proxy = f"http://user:{password}@127.0.0.1:{free_port()}"
    providers = [
        {"name": "echoing", **shared, "credentials": {"any_of": keys}},
        {"name": "with-header", **shared, "credentials": header},
        {"name": PROXIED, **shared, "credentials": {**keys[0], "proxy": proxy}},
    ]
    for provider in providers:
        made = await installed.done("POST", "/api/providers", json=provider)
        for path in ("test", "models"):
            method = "POST" if path == "test" else "GET"
            await installed.call(method, f"/api/providers/{made['id']}/{path}")
        refused = {"credentials": {"api_key": value["unaccepted provider key"], "unknown": "x"}}
        await installed.call("PATCH", f"/api/providers/{made['id']}", json=refused)
        model = await installed.done("POST", "/api/models", json={"name": provider["name"]})
        await installed.done(
            "POST",
            f"/api/models/{model['id']}/routes",
            json={"provider": provider["name"], "upstream_model": "upstream-model"},
        )
    again = {"idempotency-key": "once"}
    minted = await installed.told("POST", "/api/keys", json={"name": "minted"}, headers=again)
    plant("minted key", minted["secret"])
    await installed.done("POST", "/api/keys", json={"name": "minted"}, headers=again)
    rotated = await installed.told("POST", f"/api/keys/{minted['id']}/rotate", json={})
    plant("rotated key", rotated["secret"])
    document: dict[str, Any] = {
        "version": 1,
        "providers": providers,
        "keys": [
            {
                "name": "imported",
                "owner": PERSON,
                "surfaces": ["ai_gateway"],
                "secret": value["imported key"],
            }
        ],
    }
    wrong = {**document, "keys": [{**document["keys"][0], "surfaces": ["nowhere"]}]}
    for path in ("plan", "apply"):
        assert (await installed.call("POST", f"/api/config/{path}", json=wrong)).status_code == 400
        await installed.done("POST", f"/api/config/{path}", json=document)


async def infer(installed: Installed) -> None:
    """Completions that work, and every way of failing."""
    value = installed.canaries.values
    statuses: set[int] = set()
    for name in ("imported key", "rotated key"):
        key = {"authorization": f"Bearer {value[name]}"}
        async with asyncio.timeout(20):
            while PROXIED not in (await installed.gateway.get("/v1/models", headers=key)).text:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.1)
        for model in ("echoing", "with-header", PROXIED):
            for word in ("works", "400", "401", "429", "500"):
                asked = {"model": model, "messages": [{"role": "user", "content": word}]}
                reply = await installed.call(
                    "POST", "/v1/chat/completions", to="gateway", headers=key, json=asked
                )
                statuses.add(reply.status_code)
    assert {200, 400, 429, 502} <= statuses
    imported, unknown = value["imported key"], value["unknown key"]
    works = {"model": "echoing", "messages": [{"role": "user", "content": "works"}]}
    for headers in (
        {"authorization": f"Bearer {unknown}"},
        {"authorization": f"Bearer {unknown[:-1]}"},
        {"authorization": f"Basic {imported}"},
        {"x-api-key": unknown},
        {"x-goog-api-key": unknown},
    ):
        for path in ("/v1/chat/completions", "/v1/messages", "/v1/responses"):
            await installed.call("POST", path, to="gateway", headers=headers, json=works)
    key = {"authorization": f"Bearer {imported}"}
    for content in (f'{{"model": "{imported}', f'{{"model": ["{imported}"]}}', imported):
        await installed.call(
            "POST",
            "/v1/chat/completions",
            to="gateway",
            headers={**key, "content-type": "application/json"},
            content=content,
        )
    await installed.call("GET", f"/v1/models?key={unknown}", to="gateway")
    await installed.call("GET", f"/v1/models/{unknown}", to="gateway")


async def make_mistakes(installed: Installed) -> None:
    """Secrets in bodies that are no JSON or have another form, in paths, queries and headers."""
    value = installed.canaries.values
    secrets = [
        value[name]
        for name in ("administrator's password", "provider key", "imported key", OPERATOR_TOKEN)
    ]
    headers = {"content-type": "application/json"}
    for operation in operations():
        if operation.body is None or operation.method == "patch":
            continue
        path = operation.path.replace("{", "").replace("}", "")
        for content in (
            '{"password": "' + '", "secret": "'.join(secrets),
            msgspec.json.encode({"credentials": secrets, "password": secrets, "secret": secrets}),
            msgspec.json.encode(secrets),
        ):
            reply = await installed.call(
                operation.method.upper(), path, content=content, headers=headers
            )
            assert reply.status_code < 500, reply.text
    for secret in secrets:
        unknown = {"authorization": f"Bearer {secret}x"}
        assert (await installed.call("GET", "/api/users", headers=unknown)).status_code == 401
        assert await installed.call("GET", "/api/users", headers={"cookie": f"tw_access={secret}"})
    for path in ("/api/keys/{}", "/api/keys?cursor={}", "/api/keys/handovers/{}", "/nowhere/{}"):
        for secret in secrets:
            reply = await installed.call("GET", path.format(secret))
            assert reply.status_code in {400, 404, 405}, reply.text
    for client in ("console", "gateway"):
        wrong = {"authorization": f"Bearer {value['metrics token']}x"}
        await installed.call("GET", "/metrics", to=client, headers=wrong)


async def read_everything(installed: Installed) -> None:
    """Everything that can be read, as the administrator and as the operator."""
    value = installed.canaries.values
    url, operator = str(installed.console.base_url), value[OPERATOR_TOKEN]
    known = await asyncio.to_thread(known_things, url, operator)
    read = 0
    for operation in operations():
        named = {each["name"] for each in operation.parameters("path")}
        if operation.method == "get" and named <= known.get(operation.path, {}).keys():
            path = operation.path.format(**known.get(operation.path, {}))
            read += (await installed.call("GET", path)).is_success
    assert read > 40
    for path in ("/api/audit?limit=200", "/api/requests?limit=200", "/api/keys?limit=200"):
        await installed.done("GET", path)
    exported = await installed.done("GET", "/api/config/export")
    await installed.done("POST", "/api/config/plan", json=exported)
    for path in ("/openapi.json", "/api-docs", "/", "/setup", "/login"):
        await installed.call("GET", path)
    metrics = {"authorization": f"Bearer {value['metrics token']}"}
    for client in ("console", "gateway"):
        await installed.call("GET", "/metrics", to=client, headers=metrics)
        await installed.call("GET", "/health/ready", to=client)


def run_commands(installed: Installed) -> None:
    """What people run on the machine."""
    for arguments in (
        ("doctor", "--json"),
        ("export", "--json"),
        ("requests", "--json", "--limit", "1000"),
        ("audit", "export", "-o", "-"),
    ):
        done = run(*arguments, directory=installed.directory, environ=installed.environ)
        assert done.returncode == 0, done.stderr
        installed.canaries.look(f"output of {' '.join(arguments)}", done.stdout + done.stderr)


def look_at_processes(installed: Installed) -> None:
    """Command lines are open to everybody on the machine."""
    pids = {*processes_below(installed.directory), installed.program.pid}
    assert len(pids) >= 4
    for pid in pids:
        installed.canaries.look(f"arguments of {pid}", command_line(pid).encode())


async def look_into_postgres(installed: Installed) -> None:
    """Every row of every table, as text."""
    data_dir = DataDir(installed.data_dir)
    server = EmbeddedPostgres(data_dir.postgres, run_directory(data_dir.path))
    connection = await asyncpg.connect(server.url, timeout=20)
    try:
        tables = await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        rows = 0
        for (table,) in tables:
            for (row,) in await connection.fetch(f"SELECT t::text FROM {table} t"):
                installed.canaries.look_encoded(f"table {table}", row)
                rows += 1
    finally:
        await connection.close(timeout=20)
    assert rows > 60


def look_at_files(installed: Installed) -> None:
    """Logs, journal, stores: all but the files that keep a secret, which are their owner's alone."""
    kept = {installed.data_dir / name for name in (SETUP_TOKEN, OPERATOR_TOKEN)}
    for path in kept:
        assert path.stat().st_mode & 0o077 == 0
    for path in sorted(installed.directory.rglob("*")):
        if path.is_file() and path not in kept and path.stat().st_size <= LARGEST_FILE:
            installed.canaries.look(str(path.relative_to(installed.directory)), path.read_bytes())
    said = installed.program.process.stdout
    assert said is not None
    installed.canaries.look("standard output", said.read())
    installed.canaries.look("standard error", installed.program.errors())
