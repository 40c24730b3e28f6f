"""A client that `openapi-python-client` generates from the document works against the console."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.support.answers import answer
from tests.support.generated_client import GeneratedClient, connect, generate_client
from tests.support.installation import MODEL, UPSTREAM_KEY, UPSTREAM_MODEL
from tests.support.openai_bodies import completion
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.signing_in import PASSWORD
from tests.support.stores import ClickHouseDatabase
from tests.support.whole_program import SETUP_TOKEN, WholeProgram, whole_program

ADDRESS = "admin@example.com"


@pytest.fixture
async def program(
    postgres_url: str, redis_url: str, clickhouse: ClickHouseDatabase, tmp_path: Path
) -> AsyncIterator[WholeProgram]:
    async with whole_program(postgres_url, redis_url, clickhouse, tmp_path) as running:
        yield running


@pytest.fixture
async def console(
    program: WholeProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[GeneratedClient]:
    """The client, generated from what the console serves."""
    async with httpx.AsyncClient(base_url=program.console_url) as anybody:
        served = await anybody.get("/openapi.json")
    package = generate_client(served.json(), tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    connected = connect(package, program.console_url, program.token)
    async with connected.client:
        yield connected


async def test_a_generated_client_lists_creates_reads_changes_and_deletes_a_limit(
    console: GeneratedClient, program: WholeProgram
) -> None:
    entry, view = console.model("RuleEntry"), console.model("RuleView")
    metric, window = console.model("RuleMetric"), console.model("Window")
    nothing = await console.call("limits", "list_limits")
    assert (nothing.status, nothing.parsed.items, nothing.parsed.total) == (200, [], 0)

    made = await console.call(
        "limits",
        "create_rule",
        body=entry(subject="platform", metric=metric.REQUESTS, limit=7, window=window("1m")),
    )
    assert made.status == 201
    assert isinstance(made.parsed, view)
    rule_id = made.parsed.id
    assert made.headers["location"] == f"/api/limits/{rule_id}"

    listed = await console.call("limits", "list_limits", limit=10)
    assert listed.parsed.items == [made.parsed]
    read = await console.call("limits", "get_rule", rule_id)
    assert read.parsed == made.parsed

    changes = console.model("RulePatch")(limit=8)
    changed = await console.call(
        "limits", "update_rule", rule_id, body=changes, if_match=read.headers["etag"]
    )
    assert (changed.status, changed.parsed.limit) == (200, 8)
    stale = await console.call(
        "limits", "update_rule", rule_id, body=changes, if_match=read.headers["etag"]
    )
    assert (stale.status, stale.parsed.title) == (412, "Precondition failed")

    gone = await console.call("limits", "delete_rule", rule_id)
    assert (gone.status, gone.parsed.deleted, gone.parsed.item) == (200, True, changed.parsed)
    missing = await console.call("limits", "get_rule", rule_id)
    assert missing.status == 404
    assert isinstance(missing.parsed, console.model("Problem"))


async def test_a_generated_client_leads_from_set_up_to_a_completion(
    console: GeneratedClient, program: WholeProgram, upstream: ScriptedUpstream
) -> None:
    """The way of a new installation; every call of the console is a generated function."""
    nobody = connect(console.package, program.console_url, "none")
    async with nobody.client:
        token = await _set_up_and_sign_in(nobody)
    administrator = connect(console.package, program.console_url, token)
    async with administrator.client:
        me = await administrator.call("me", "get_me")
        assert (me.status, me.parsed.email) == (200, ADDRESS)
        await _create_a_provider_and_a_model(administrator, upstream)
        made = await administrator.call(
            "keys", "create_key", body=administrator.model("KeyEntry")(name="first")
        )
        assert (made.status, made.parsed.owner) == (201, ADDRESS)
        assert await _chat(program, upstream, made.parsed.secret) == "Hello!"


async def _set_up_and_sign_in(nobody: GeneratedClient) -> str:
    """Make the first administrator and return the access token of a session."""
    state = await nobody.call("setup", "get_setup")
    assert (state.status, state.parsed.open_) == (200, True)
    wanted = nobody.model("FirstAdministrator")(token=SETUP_TOKEN, email=ADDRESS, password=PASSWORD)
    made = await nobody.call("setup", "set_up", body=wanted)
    assert (made.status, made.parsed.email, made.parsed.role) == (201, ADDRESS, "super_admin")
    again = await nobody.call("setup", "set_up", body=wanted)
    assert (again.status, again.parsed.type_) == (409, "urn:thinkwatch:problem:setup_closed")

    form = nobody.model("SignInForm")
    wrong = await nobody.call("auth", "sign_in", body=form(email=ADDRESS, password="wrong"))
    assert (wrong.status, wrong.parsed.type_) == (401, "urn:thinkwatch:problem:sign_in_failed")
    right = await nobody.call("auth", "sign_in", body=form(email=ADDRESS, password=PASSWORD))
    assert (right.status, right.parsed.token_type) == (200, "Bearer")
    return str(right.parsed.access_token)


async def _create_a_provider_and_a_model(
    administrator: GeneratedClient, upstream: ScriptedUpstream
) -> None:
    provider = await administrator.call(
        "providers",
        "create_provider",
        body=administrator.model("ProviderEntry").from_dict(
            {
                "name": "scripted",
                "kind": "openai_compatible",
                "base_url": upstream.base_url,
                "credentials": {"api_key": UPSTREAM_KEY},
            }
        ),
    )
    assert provider.status == 201
    upstream.enqueue(answer(200, body={"object": "list", "data": [{"id": UPSTREAM_MODEL}]}))
    tested = await administrator.call("providers", "test_provider", provider.parsed.id)
    assert (tested.status, tested.parsed.ok) == (200, True)
    model = await administrator.call(
        "models", "create_model", body=administrator.model("BareModelEntry")(name=MODEL)
    )
    assert model.status == 201
    entry = administrator.model("RouteEntry")(provider="scripted", upstream_model=UPSTREAM_MODEL)
    route = await administrator.call("models", "create_model_route", model.parsed.id, body=entry)
    assert (route.status, route.parsed.provider_id) == (201, provider.parsed.id)


async def _chat(program: WholeProgram, upstream: ScriptedUpstream, key: str) -> str:
    """Ask the gateway as soon as it has heard of the model."""
    headers = {"authorization": f"Bearer {key}"}
    upstream.enqueue(answer(200, body=completion("Hello!")))
    async with httpx.AsyncClient(base_url=program.gateway_url, headers=headers) as client:
        async with asyncio.timeout(10):
            while MODEL not in (await client.get("/v1/models")).text:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.05)
        asked = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}
        reply = await client.post("/v1/chat/completions", json=asked)
    assert reply.status_code == 200, reply.text
    received = (await upstream.next_request(), await upstream.next_request())[1]
    assert received.header("authorization") == f"Bearer {UPSTREAM_KEY}"
    return str(reply.json()["choices"][0]["message"]["content"])


async def test_a_generated_client_without_a_credential_reads_why_it_is_refused(
    console: GeneratedClient, program: WholeProgram
) -> None:
    stranger = connect(console.package, program.console_url, "wrong")
    async with stranger.client:
        refused = await stranger.call("limits", "list_limits")
    assert (refused.status, refused.parsed.type_) == (401, "urn:thinkwatch:problem:session_ended")
    assert refused.parsed.request_id == refused.headers["x-request-id"]
