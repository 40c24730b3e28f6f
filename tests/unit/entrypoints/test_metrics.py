"""`/metrics`: for whoever knows the token, and nowhere without one."""

from typing import Any, cast

import httpx
import pytest
from litestar import Litestar

from adapters.telemetry.metrics import PrometheusTelemetry
from domain.secret import Secret
from entrypoints.metrics import metrics_routes

TOKEN = "a-token-of-some-length"


def client(token: str | None) -> httpx.AsyncClient:
    metrics = PrometheusTelemetry()
    metrics.rules_failed_open()
    routes = metrics_routes(metrics, None if token is None else Secret(token))
    app = Litestar(routes, openapi_config=None, logging_config=None)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(cast("Any", app)), base_url="http://gateway"
    )


async def test_the_token_opens_it() -> None:
    async with client(TOKEN) as http:
        answer = await http.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert "gateway_rate_limiter_fail_open_total 1.0" in answer.text


@pytest.mark.parametrize(
    "given",
    [
        "",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer ",
        "Bearer ü",
    ],
)
async def test_anything_else_is_refused_without_a_word(given: str) -> None:
    async with client(TOKEN) as http:
        headers = {b"authorization": given.encode()} if given else {}
        answer = await http.get("/metrics", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.content == b""


async def test_without_a_token_there_is_no_such_path() -> None:
    async with client(None) as http:
        assert (await http.get("/metrics")).status_code == 404
