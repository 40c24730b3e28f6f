"""The edge of the gateway: headers of every answer, and pages that may call it."""

import httpx
import pytest

from tests.support.gateway_harness import GatewayHarness

LISTED = "https://chat.example.com"
WANTED = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type",
}


@pytest.mark.parametrize("path", ["/health/live", "/nowhere", "/v1/models"])
async def test_every_answer_has_the_security_headers(path: str) -> None:
    async with (
        GatewayHarness().running() as gateway,
        httpx.AsyncClient(base_url=gateway.url, headers={"origin": LISTED}) as client,
    ):
        reply = await client.get(path)
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-security-policy"].startswith("default-src 'none'")
    assert "access-control-allow-origin" not in reply.headers, "nobody is listed"


async def test_listed_pages_may_call_without_cookies() -> None:
    harness = GatewayHarness(cors_origins=(LISTED,))
    async with (
        harness.running() as gateway,
        httpx.AsyncClient(base_url=gateway.url) as client,
    ):
        path = "/v1/chat/completions"
        asked = await client.options(path, headers={"origin": LISTED, **WANTED})
        assert asked.status_code == 204
        assert asked.headers["access-control-allow-origin"] == LISTED
        assert "Authorization" in asked.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in asked.headers
        failed = await client.get("/v1/models", headers={"origin": LISTED})
        assert (failed.status_code, failed.headers["access-control-allow-origin"]) == (401, LISTED)
        for origin in ("https://evil.example.com", "null"):
            refused = await client.options(path, headers={"origin": origin, **WANTED})
            assert "access-control-allow-origin" not in refused.headers
