"""HttpxTransport through an HTTP proxy."""

import asyncio
import base64
import contextlib

import pytest
import trustme

from adapters.upstream.httpx_transport import HttpxTransport
from adapters.upstream.options import TransportOptions
from domain.errors import UpstreamTimeout, UpstreamUnavailable
from domain.routing.address_policy import AddressPolicy
from tests.support.authority import pem, server_context
from tests.support.exchanges import LOOPBACK, fetch, post, within
from tests.support.raw_server import Peer, RawServer, Received, answer, sending


class Proxy:
    """A forward proxy in a few lines: absolute URLs, and CONNECT tunnels."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.seen: list[Received] = []
        self.refuses = refuses

    async def __call__(self, peer: Peer) -> None:
        request = await peer.request()
        self.seen.append(request)
        method, target, _ = request.line.decode().split(" ")
        if self.refuses:
            await peer.send(answer(status=407))
        elif method == "CONNECT":
            host, _, port = target.rpartition(":")
            await self.tunnel(peer, host, int(port))
        else:
            await peer.send(answer(b"through the proxy"))

    async def tunnel(self, peer: Peer, host: str, port: int) -> None:
        reader, writer = await asyncio.open_connection(host, port)
        await peer.send(b"HTTP/1.1 200 Connected\r\n\r\n")

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                while data := await source.read(65536):
                    sink.write(data)
            sink.close()

        await asyncio.gather(pump(peer.reader, writer), pump(reader, peer.writer))


def through(server: RawServer, credentials: str = "", **options: object) -> HttpxTransport:
    proxy = f"http://{credentials}127.0.0.1:{server.port}"
    everything: dict[str, object] = {"address_policy": LOOPBACK, "proxy": proxy} | options
    return HttpxTransport(TransportOptions(**everything))  # pyright: ignore[reportArgumentType]


async def test_plain_http_asks_the_proxy_for_the_whole_url():
    proxy = Proxy()
    async with RawServer(proxy) as server:
        transport = through(server, "user:p%40ss@")
        reply = await fetch(transport, "http://provider.example/v1/a%2Fb?x=1")
        assert reply == (200, b"through the proxy")
        [request] = proxy.seen
        assert request.line == b"POST http://provider.example/v1/a%2Fb?x=1 HTTP/1.1"
        expected = b"Basic " + base64.b64encode(b"user:p@ss")
        assert request.header(b"proxy-authorization") == expected
        await transport.aclose()


async def test_https_goes_through_a_tunnel_and_is_verified_at_its_end():
    authority, proxy = trustme.CA(), Proxy()
    context = server_context(authority, "127.0.0.1")
    async with RawServer(sending(answer(b"secret")), context=context) as provider:
        async with RawServer(proxy) as server:
            transport = through(server, ca_pem=pem(authority))
            for _ in range(2):
                assert await fetch(transport, provider.url()) == (200, b"secret")
            await transport.aclose()
            distrusting = through(server, ca_pem=pem(trustme.CA()))
            with pytest.raises(UpstreamUnavailable, match="certificate"):
                await distrusting.send(post(provider.url()))
            await distrusting.aclose()
        assert [request.line for request in proxy.seen] == [
            b"CONNECT 127.0.0.1:%d HTTP/1.1" % provider.port
        ] * 2
        assert all(request.header(b"authorization") is None for request in proxy.seen)


async def test_a_proxy_that_refuses_is_a_connect_error():
    async with RawServer(Proxy(refuses=True)) as server:
        transport = through(server)
        with pytest.raises(UpstreamUnavailable) as caught:
            await transport.send(post("https://provider.example/"))
        assert caught.value.error_class == "connect"
        await transport.aclose()


async def test_a_silent_proxy_runs_into_the_connect_bound():
    async def script(peer: Peer) -> None:
        await peer.gone()

    async with RawServer(script) as server:
        transport = through(server)
        with pytest.raises(UpstreamTimeout) as caught:
            await transport.send(
                post("https://provider.example/", timeouts=within(connect=0.1, first_byte=5))
            )
        assert caught.value.phase == "connect"
        await transport.aclose()


async def test_the_policy_holds_for_the_proxy_and_for_literal_targets():
    proxy = Proxy()
    async with RawServer(proxy) as server:
        careful = through(server, address_policy=AddressPolicy())
        with pytest.raises(UpstreamUnavailable, match="network policy"):
            await careful.send(post("http://provider.example/"))
        transport = through(server)
        for url in (
            "http://169.254.169.254/latest",
            "https://[fd00:ec2::254]/",
            "http://10.0.0.1/",
        ):
            with pytest.raises(UpstreamUnavailable, match="network policy"):
                await transport.send(post(url))
        assert proxy.seen == []
        assert server.accepted == 0


@pytest.mark.parametrize(
    "proxy", ["socks5://127.0.0.1:1", "https://127.0.0.1:1", "proxy", "http://"]
)
def test_other_proxies_are_refused_at_once(proxy: str):
    with pytest.raises(ValueError, match="proxy"):
        HttpxTransport(TransportOptions(proxy=proxy))
