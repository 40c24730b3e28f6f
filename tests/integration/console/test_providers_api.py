"""The console's API of providers, against scripted servers on real sockets."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from msgspec import structs

from adapters.memory.change_feed import MemoryChangeFeed
from adapters.memory.request_log import MemoryRequestLog
from adapters.memory.store import MemoryStore, MemoryUnitOfWork
from adapters.system.clock import SystemClock
from adapters.system.identifiers import UuidGenerator
from application.console.request_records import RequestRecords
from domain.routing.catalog import ProviderKind, ProviderSpec
from domain.secret import Secret
from entrypoints.cli import cli
from entrypoints.console.app import create_console_app
from entrypoints.console.services import Console
from entrypoints.health import HealthChecks
from tests.support.answers import Drop, answer, raw
from tests.support.configuration import a_model, a_route
from tests.support.key_services import key_services
from tests.support.limit_services import limit_services
from tests.support.live_server import live_server
from tests.support.openai_bodies import openai_completion, openai_error
from tests.support.provider_calls import provider_spec
from tests.support.provider_inspection import provider_inspection
from tests.support.routing_services import routing_services
from tests.support.scripted_upstream import ScriptedUpstream

KEY = "sk-of-this-test-0123456789"
LISTING = {"object": "list", "data": [{"id": "gpt-4o"}, {"id": "gpt-4o"}, {"id": "o3"}]}


@dataclass
class Office:
    """A console, an upstream, and what is stored."""

    http: httpx.AsyncClient
    upstream: ScriptedUpstream
    uow: MemoryUnitOfWork

    async def add(self, *, routes: int = 0, **spec: Any) -> ProviderSpec:
        """Store a provider at the scripted upstream, and models that lead to it."""
        given: dict[str, Any] = {
            "base_url": self.upstream.base_url,
            "credentials": {"api_key": KEY},
        } | spec
        provider = provider_spec(given.pop("kind", ProviderKind.OPENAI), **given)
        provider = structs.replace(provider, name="vendor")
        async with self.uow.begin() as tx:
            await tx.providers.add(provider)
            for number in range(routes):
                name = f"model-{number}"
                await tx.models.add(a_model(name, a_route(provider, name)))
            await tx.commit()
        return provider

    async def test(self) -> dict[str, Any]:
        """Return what the test of the provider says."""
        found = await self.http.post("/api/providers/vendor/test")
        assert found.status_code == 200, found.text
        assert KEY not in found.text
        assert "127.0.0.1" not in found.text
        return found.json()


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    clock = SystemClock()
    uow = MemoryUnitOfWork(
        MemoryStore(), MemoryChangeFeed(), SystemClock(), UuidGenerator(), allow_unaudited=True
    )
    console = Console(
        request_records=RequestRecords(MemoryRequestLog(clock=clock), clock=clock),
        limits=limit_services(uow, clock),
        providers=provider_inspection(uow, clock),
        routing=routing_services(uow, clock),
        keys=key_services(uow, clock),
        token=Secret("token-of-this-test"),
        ids=UuidGenerator(),
        health=HealthChecks({}),
    )
    headers = {"authorization": "Bearer token-of-this-test"}
    async with (
        ScriptedUpstream() as upstream,
        live_server(create_console_app(console)) as url,
        httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as http,
    ):
        yield Office(http, upstream, uow)
        assert upstream.errors == []


async def test_a_provider_that_lists_its_models_is_well(office: Office) -> None:
    await office.add()
    office.upstream.enqueue(answer(200, body=LISTING))
    found = await office.test()
    latency = found.pop("latency_ms")
    assert 0 < latency < 30_000
    assert found == {
        "provider": "vendor",
        "ok": True,
        "asked": "models",
        "models": [{"id": "gpt-4o", "name": ""}, {"id": "o3", "name": ""}],
        "error": None,
    }
    request = await office.upstream.next_request()
    assert (request.method, request.target) == ("GET", "/v1/models")
    assert request.header("authorization") == f"Bearer {KEY}"


async def test_a_key_that_is_refused_is_told_with_its_mend(office: Office) -> None:
    await office.add()
    office.upstream.always(openai_error(401, f"Incorrect API key provided: {KEY}"))
    found = await office.test()
    assert not found["ok"]
    assert found["error"]["code"] == "upstream_credential_rejected"
    assert found["error"]["status"] == 401
    assert "credentials" in found["error"]["mend"]


@pytest.mark.parametrize("status", [403, 404, 501])
async def test_without_a_list_a_model_with_a_route_is_asked(office: Office, status: int) -> None:
    await office.add(routes=1)
    office.upstream.enqueue(openai_error(status, "No."), openai_completion())
    found = await office.test()
    assert found["ok"], found
    assert found["models"] == []
    await office.upstream.next_request()
    called = await office.upstream.next_request()
    assert called.path == "/v1/chat/completions"
    assert called.json()["model"] == found["asked"]
    assert called.json()["max_completion_tokens"] == 16


async def test_a_model_that_is_not_open_to_the_account_is_not_the_last_that_is_asked(
    office: Office,
) -> None:
    await office.add(routes=5)
    gone, ok = openai_error(404, "no such model"), openai_completion()
    office.upstream.enqueue(answer(403), gone, openai_error(403, "not yours"), ok)
    found = await office.test()
    assert (found["ok"], found["asked"]) == (True, "model-2")

    office.upstream.enqueue(answer(403), gone, gone, gone)
    found = await office.test()
    assert (found["ok"], found["asked"]) == (False, "model-2")
    assert found["error"]["message"] == "no such model"


async def test_without_a_list_and_without_a_model_the_test_says_what_is_missing(
    office: Office,
) -> None:
    await office.add()
    office.upstream.enqueue(answer(404, body="<html>not here</html>"))
    found = await office.test()
    assert (found["ok"], found["error"]["code"]) == (False, "unsupported")
    assert "route" in found["error"]["mend"]


async def test_a_model_that_does_not_answer_well_is_a_failure(office: Office) -> None:
    await office.add(routes=1)
    office.upstream.enqueue(answer(404), answer(200, body={"choices": "none"}))
    assert not (await office.test())["ok"]


async def test_a_server_that_is_away_or_talks_nonsense_is_a_result(office: Office) -> None:
    await office.add()
    office.upstream.enqueue(raw(Drop()), answer(200, body="<html>Sign in</html>"), answer(503))
    codes = [(await office.test())["error"]["code"] for _ in range(3)]
    assert codes == ["upstream_unavailable", "upstream_protocol_error", "upstream_unavailable"]


async def test_a_metadata_address_is_refused(office: Office) -> None:
    await office.add(base_url="http://169.254.169.254/v1")
    found = await office.http.post("/api/providers/vendor/test")
    error = found.json()["error"]
    assert error["code"] == "upstream_unavailable"
    assert "network policy" in error["message"]
    assert "169.254" not in found.text


async def test_a_provider_that_cannot_work_says_why(office: Office) -> None:
    await office.add(credentials=None)
    found = await office.test()
    assert found["error"]["code"] == "invalid_request"
    assert "API key" in found["error"]["message"]


async def test_the_demo_provider_is_well(office: Office) -> None:
    await office.add(kind=ProviderKind.DEMO, base_url=None, credentials=None)
    found = await office.test()
    assert found["ok"]
    assert found["models"] == [{"id": "demo", "name": "Demo"}]


async def test_the_models_of_a_provider_are_listed_for_routes(office: Office) -> None:
    await office.add()
    office.upstream.enqueue(answer(200, body=LISTING))
    found = await office.http.get("/api/providers/vendor/models")
    assert found.status_code == 200
    assert [model["id"] for model in found.json()["models"]] == ["gpt-4o", "o3"]


@pytest.mark.parametrize(("upstream_status", "status"), [(404, 400), (401, 502), (500, 502)])
async def test_a_list_that_is_not_to_be_had_is_a_problem(
    office: Office, upstream_status: int, status: int
) -> None:
    await office.add()
    office.upstream.enqueue(openai_error(upstream_status, f"internal detail {KEY}"))
    found = await office.http.get("/api/providers/vendor/models")
    assert found.status_code == status
    assert found.headers["content-type"] == "application/problem+json"
    assert "internal detail" not in found.text


@pytest.mark.parametrize(("method", "path"), [("POST", "test"), ("GET", "models")])
async def test_an_unknown_provider_is_not_found(office: Office, method: str, path: str) -> None:
    found = await office.http.request(method, f"/api/providers/nobody/{path}")
    assert found.status_code == 404


async def command(office: Office, *arguments: str) -> Result:
    url = str(office.http.base_url)
    return await asyncio.to_thread(
        CliRunner().invoke,
        cli,
        ["providers", *arguments, "--url", url],
        env={"THINKWATCH_TOKEN": "token-of-this-test"},
        standalone_mode=False,
    )


async def test_the_command_line_tells_the_outcome_and_lists_models(office: Office) -> None:
    await office.add()
    office.upstream.enqueue(answer(200, body=LISTING), answer(200, body=LISTING))
    tested = await command(office, "test", "vendor")
    assert (tested.return_value, tested.exception) == (0, None)
    assert tested.output.startswith("ok  vendor answered in ")
    listed = await command(office, "models", "vendor")
    assert listed.output == "gpt-4o\no3\n"


async def test_the_command_line_ends_with_1_and_the_mend_when_a_test_fails(office: Office) -> None:
    await office.add()
    office.upstream.enqueue(openai_error(401, "no"))
    tested = await command(office, "test", "vendor")
    assert tested.return_value == 1
    assert "refused the gateway's credential" in tested.output
    assert "apply new credentials" in tested.output
