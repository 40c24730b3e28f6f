"""Faults of every provider in front of every client: right status, right shape, right record."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from domain.records.events import Outcome
from tests.support.answers import Answer, Drop, answer, stream
from tests.support.gateway_harness import GatewayHarness, RunningGateway
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.vendor_faults import CLIENTS, UPSTREAMS, Client, Upstream

JSON = [("content-type", "application/json")]
SECRET = "internal-host.corp.example"
# What clients see of each status of a provider (data-plane.md sections 6 and 7).
STATUSES = {
    400: 400,
    401: 502,
    403: 502,
    404: 404,
    413: 413,
    422: 422,
    429: 429,
    500: 502,
    503: 502,
    529: 503,
}
PAIRS = [
    pytest.param(client, upstream, id=f"{client}-{upstream}")
    for client in CLIENTS
    for upstream in UPSTREAMS
]


@pytest.fixture
def vendor(request: pytest.FixtureRequest) -> Upstream:
    return UPSTREAMS[request.node.callspec.params["upstream_name"]]


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Client:
    return CLIENTS[request.node.callspec.params["client_name"]]


@pytest.fixture
async def gateway(
    upstream: ScriptedUpstream, vendor: Upstream
) -> AsyncIterator[tuple[RunningGateway, httpx.AsyncClient]]:
    harness = GatewayHarness()
    harness.judge_every_answer_alone()
    base_url = upstream.base_url.removesuffix("/v1") + vendor.path
    provider = harness.add_openai(base_url, kind=vendor.kind, options=dict(vendor.options))
    harness.add_model("m", provider)
    headers = {"x-api-key": harness.add_key()}
    async with (
        harness.running() as running,
        httpx.AsyncClient(base_url=running.url, headers=headers, timeout=20) as http,
    ):
        yield running, http


def faulty(status: int, vendor: Upstream) -> Answer:
    body = vendor.error(status, f"No such thing on {SECRET}.")
    return answer(status, body=body, headers=JSON)


@pytest.mark.parametrize(("client_name", "upstream_name"), PAIRS)
async def test_a_status_of_the_provider_becomes_a_status_and_body_of_the_dialect(
    gateway: tuple[RunningGateway, httpx.AsyncClient],
    client: Client,
    vendor: Upstream,
    upstream: ScriptedUpstream,
    client_name: str,
    upstream_name: str,
) -> None:
    running, http = gateway
    statuses = STATUSES | ({529: 529} if client_name == "anthropic" else {})
    for status, shown in statuses.items():
        for streamed in (False, True):
            upstream.enqueue(faulty(status, vendor))
            reply = await _ask(http, client, streamed=streamed)
            assert reply.status_code == shown, (status, reply.text)
            assert client.failed(reply.json())
            assert SECRET not in reply.text
            assert reply.headers["x-request-id"]
    records = await running.journal.wait_for(2 * len(STATUSES))
    assert [r.status for r in records] == [s for s in statuses.values() for _ in range(2)]
    assert all(r.attempts[0].status for r in records)


def _garbage(vendor: Upstream) -> list[Answer]:
    html = [("content-type", "text/html")]
    return [
        answer(200, body=b"<html>Bad gateway</html>", headers=html),
        answer(200, body=b"<html>Bad gateway</html>", headers=JSON),
        answer(200, body=b'{"id": "x", "choi', headers=JSON),
        answer(200, body=b"[]", headers=JSON),
        answer(200, body=b"", headers=JSON),
        answer(200, body=b"\xff\xfe", headers=JSON),
        answer(200, body=json.dumps({"never": "heard"}).encode(), headers=JSON),
        answer(500, body=b"<html>" + SECRET.encode(), headers=html),
        answer(302, body=b"", headers=[("location", f"http://{SECRET}/")]),
        stream([Drop()], headers=JSON),
    ]


@pytest.mark.parametrize(("client_name", "upstream_name"), PAIRS)
async def test_an_answer_that_is_none_is_a_bad_gateway(
    gateway: tuple[RunningGateway, httpx.AsyncClient],
    client: Client,
    vendor: Upstream,
    upstream: ScriptedUpstream,
    client_name: str,
    upstream_name: str,
) -> None:
    running, http = gateway
    answers = _garbage(vendor)
    for broken in answers:
        upstream.enqueue(broken)
        reply = await _ask(http, client, streamed=False)
        assert reply.status_code == 502, (broken, reply.text)
        assert client.failed(reply.json())
        assert SECRET not in reply.text
    records = await running.journal.wait_for(len(answers))
    assert {r.outcome for r in records} == {Outcome.UPSTREAM_ERROR}


@pytest.mark.parametrize(("client_name", "upstream_name"), PAIRS)
async def test_a_stream_is_whole_or_ends_in_the_dialects_own_error(
    gateway: tuple[RunningGateway, httpx.AsyncClient],
    client: Client,
    vendor: Upstream,
    upstream: ScriptedUpstream,
    client_name: str,
    upstream_name: str,
) -> None:
    running, http = gateway
    headers = [("content-type", vendor.content_type)]
    events = vendor.events
    upstream.enqueue(stream([*events], headers=headers))
    whole = await _ask(http, client, streamed=True)
    assert whole.status_code == 200
    assert client.complete(whole.content), whole.text
    assert not client.broken(whole.content)
    cuts = range(len(events) // 2, len(events) - 2)
    for cut in cuts:
        upstream.enqueue(stream([*events[:cut], events[cut][:9], Drop()], headers=headers))
        reply = await _ask(http, client, streamed=True)
        assert client.broken(reply.content), (cut, reply.text)
        assert not client.complete(reply.content), (cut, reply.text)
    records = await running.journal.wait_for(1 + len(cuts))
    assert (records[0].tokens_input_uncached, records[0].tokens_output) == (7, 5)
    assert {r.outcome for r in records[1:]} == {Outcome.UPSTREAM_ERROR}


@pytest.mark.parametrize(("client_name", "upstream_name"), PAIRS)
async def test_bytes_may_arrive_one_by_one(
    gateway: tuple[RunningGateway, httpx.AsyncClient],
    client: Client,
    vendor: Upstream,
    upstream: ScriptedUpstream,
    client_name: str,
    upstream_name: str,
) -> None:
    _, http = gateway
    headers = [("content-type", vendor.content_type)]
    body = b"".join(vendor.events)
    upstream.enqueue(stream([body[i : i + 3] for i in range(0, len(body), 3)], headers=headers))
    reply = await _ask(http, client, streamed=True)
    assert client.complete(reply.content), reply.text


async def _ask(http: httpx.AsyncClient, client: Client, *, streamed: bool) -> httpx.Response:
    path = client.stream_path if streamed else client.path
    body: Any = client.stream_body if streamed else client.body
    return await http.post(path, json=body)
