"""Where providers may be: judged when connecting, for every kind, each transport, and every look-up."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
import trustme

from adapters.providers.factory import ProvidersByKind
from adapters.upstream.http11 import Http11Transport
from adapters.upstream.httpx_transport import HttpxTransport
from adapters.upstream.options import TransportOptions
from application.ports.provider import Provider
from application.ports.upstream import UpstreamTransport
from domain.errors import UpstreamUnavailable
from domain.routing.address_policy import AddressPolicy
from domain.routing.catalog import ProviderKind, ProviderSpec
from tests.support.answers import answer
from tests.support.authority import pem, server_context
from tests.support.openai_bodies import completion, openai_completion
from tests.support.provider_calls import (
    TIMEOUTS,
    StoppedClock,
    cipher,
    provider_call,
    provider_spec,
    relayed,
)
from tests.support.scripted_upstream import ScriptedUpstream

# As far as an operator can go.
EVERYTHING = AddressPolicy.allowing(["0.0.0.0/0", "::/0"])
TRANSPORTS: dict[str, Callable[[TransportOptions], UpstreamTransport]] = {
    "http11": Http11Transport,
    "httpx": HttpxTransport,
}
NEVER = [
    "169.254.169.254",
    "[::ffff:169.254.169.254]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "168.63.129.16",
    "100.100.100.200",
    "0.0.0.0",
]
KEY = {"api_key": "k-1234"}
KINDS: dict[ProviderKind, dict[str, Any]] = {
    ProviderKind.OPENAI: {"credentials": KEY},
    ProviderKind.OPENAI_COMPATIBLE: {},
    ProviderKind.AZURE_OPENAI: {"credentials": KEY},
    ProviderKind.ANTHROPIC: {"credentials": KEY},
    ProviderKind.GEMINI: {"credentials": KEY},
    ProviderKind.BEDROCK: {"credentials": KEY, "options": {"region": "us-east-1"}},
}


def test_every_kind_that_connects_is_here() -> None:
    assert set(KINDS) == set(ProviderKind) - {ProviderKind.DEMO}


def build(kind: ProviderKind, base_url: str, transport: str = "http11", **spec: Any) -> Provider:
    def made_for(spec: ProviderSpec, _: str | None) -> UpstreamTransport:
        ca_pem = spec.options.get("ca_pem")
        return TRANSPORTS[transport](
            TransportOptions(
                address_policy=EVERYTHING, ca_pem=ca_pem if isinstance(ca_pem, str) else None
            )
        )

    given: dict[str, Any] = KINDS[kind] | {"base_url": base_url} | spec
    if kind is ProviderKind.BEDROCK:
        given["options"] = {**given["options"], "control_url": base_url}
    factory = ProvidersByKind(cipher(), made_for, StoppedClock())
    return factory.build(provider_spec(kind, **given))


async def assert_refused(provider: Provider) -> None:
    for ask in (provider.open(provider_call()), provider.models(TIMEOUTS)):
        with pytest.raises(UpstreamUnavailable) as caught:
            await ask
        assert caught.value.error_class == "connect"
        assert "network policy" in caught.value.message


class Names:
    """The system's resolver, saying what a test wants."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **addresses: str) -> None:
        self.addresses = addresses
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self.resolve)

    async def resolve(self, host: str, port: int, **_: Any) -> list[Any]:
        address = self.addresses[host.partition(".")[0]]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("kind", KINDS)
async def test_metadata_and_link_local_addresses_are_refused_whatever_is_allowed(
    kind: ProviderKind, transport: str
) -> None:
    for host in NEVER:
        provider = build(kind, f"http://{host}", transport)
        await assert_refused(provider)
        await provider.aclose()


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_name_that_comes_to_mean_such_an_address_is_refused_from_then_on(
    kind: ProviderKind, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names(monkeypatch, vendor="127.0.0.1")
    async with ScriptedUpstream() as upstream:
        # Each answer closes its connection, so that each request looks the name up again.
        upstream.always(answer(503, body={}, keep_alive=False))
        provider = build(kind, f"http://vendor.example:{upstream.port}", transport)
        with pytest.raises(UpstreamUnavailable) as caught:
            await provider.open(provider_call())
        assert caught.value.status == 503
        for address in ("169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254"):
            names.addresses["vendor"] = address
            await assert_refused(provider)
        names.addresses["vendor"] = "127.0.0.1"
        with pytest.raises(UpstreamUnavailable) as caught:
            await provider.open(provider_call())
        assert caught.value.status == 503
        assert len(upstream.requests) == 2
        await provider.aclose()


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("address", ["169.254.169.254", "127.0.0.1"])
async def test_the_identity_service_is_connected_to_under_the_same_policy(
    address: str, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Names(monkeypatch, login=address, vendor="127.0.0.1")
    client = {"tenant_id": "t", "client_id": "c", "client_secret": "s"}
    async with ScriptedUpstream() as identity, ScriptedUpstream() as upstream:
        identity.always(answer(200, body={"access_token": "tok", "expires_in": 3600}))
        upstream.always(answer(200, body=completion()))
        provider = build(
            ProviderKind.AZURE_OPENAI,
            f"http://vendor.example:{upstream.port}",
            transport,
            credentials=client | {"authority": f"http://login.example:{identity.port}"},
        )
        if address == "127.0.0.1":
            await relayed(await provider.open(provider_call()))
            assert (await upstream.next_request()).header("authorization") == "Bearer tok"
        else:
            await assert_refused(provider)
            assert identity.connections == upstream.connections == 0
        await provider.aclose()


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_server_with_the_operators_own_authority_is_trusted_by_its_provider_only(
    transport: str,
) -> None:
    authority = trustme.CA()
    async with ScriptedUpstream(tls=server_context(authority, "127.0.0.1")) as upstream:
        upstream.always(openai_completion())
        kind = ProviderKind.OPENAI_COMPATIBLE
        trusting = build(kind, upstream.url, transport, options={"ca_pem": pem(authority)})
        await relayed(await trusting.open(provider_call()))
        await trusting.aclose()
        strict = build(kind, upstream.url, transport)
        with pytest.raises(UpstreamUnavailable) as caught:
            await strict.open(provider_call())
        assert "certificate" in caught.value.message
        await strict.aclose()
