"""UpstreamTransport: TLS, connecting, and the addresses that may be connected to."""

import socket
from typing import TypeVar

import pytest
import trustme

from domain.errors import UpstreamTimeout, UpstreamUnavailable
from domain.routing.address_policy import AddressPolicy
from tests.support.authority import pem, server_context
from tests.support.exchanges import OpenTransport, fetch, post, within
from tests.support.raw_server import Peer, RawServer, answer, full_backlog, sending, sending_once

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNK = b"5\r\nhello\r\n"
END = b"0\r\n\r\n"

T = TypeVar("T")


# -- TLS


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_tls_with_the_operators_own_authority(
    open_transport: OpenTransport, authority: trustme.CA, name: str
):
    chosen: list[object] = []

    async def script(peer: Peer) -> None:
        chosen.append(peer.writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await sending(answer(b"secret"))(peer)

    async with RawServer(script, context=server_context(authority, name)) as server:
        transport = open_transport(ca_pem=pem(authority))
        for _ in range(3):
            assert await fetch(transport, server.url(host=name)) == (200, b"secret")
        assert server.accepted == 1
        assert chosen == ["http/1.1"]
        await transport.aclose()


async def test_large_bodies_over_tls(open_transport: OpenTransport, authority: trustme.CA):
    async def script(peer: Peer) -> None:
        request = await peer.request()
        await peer.send(answer(request.body))

    body = bytes(range(256)) * 8192
    async with RawServer(script, context=server_context(authority, "127.0.0.1")) as server:
        transport = open_transport(ca_pem=pem(authority))
        assert await fetch(transport, server.url(), body) == (200, body)


@pytest.mark.parametrize(
    ("trusted", "name"),
    [("another authority", "127.0.0.1"), ("the system", "127.0.0.1"), ("its own", "other.example")],
)
async def test_a_certificate_that_does_not_verify_ends_the_request(
    open_transport: OpenTransport, authority: trustme.CA, trusted: str, name: str
):
    ca_pem = {"its own": pem(authority), "another authority": pem(trustme.CA())}.get(trusted)

    async def script(peer: Peer) -> None:
        raise AssertionError("no request may be sent over an unverified connection")

    async with RawServer(script, context=server_context(authority, name)) as server:
        with pytest.raises(UpstreamUnavailable) as caught:
            await open_transport(ca_pem=ca_pem).send(post(server.url()))
        assert caught.value.error_class == "connect"
        assert "certificate" in caught.value.message


async def test_a_server_without_tls_is_a_connect_error(
    open_transport: OpenTransport, authority: trustme.CA
):
    async def script(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with RawServer(script) as server:
        transport = open_transport(ca_pem=pem(authority))
        with pytest.raises(UpstreamUnavailable) as caught:
            await transport.send(post(f"https://127.0.0.1:{server.port}/"))
        assert caught.value.error_class == "connect"


# -- connecting


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_a_refused_connection(open_transport: OpenTransport):
    with pytest.raises(UpstreamUnavailable) as caught:
        await open_transport().send(post(f"http://127.0.0.1:{unused_port()}/"))
    assert caught.value.error_class == "connect"


async def test_a_name_that_does_not_exist(open_transport: OpenTransport):
    with pytest.raises(UpstreamUnavailable) as caught:
        await open_transport().send(post("http://provider.invalid/"))
    assert caught.value.error_class == "connect"
    assert "provider.invalid" not in caught.value.message


async def test_connecting_takes_no_longer_than_its_bound(open_transport: OpenTransport):
    with full_backlog() as port, pytest.raises(UpstreamTimeout) as caught:
        await open_transport().send(
            post(f"http://127.0.0.1:{port}/", timeouts=within(connect=0.05))
        )
    assert caught.value.phase == "connect"


async def test_the_tls_handshake_counts_as_connecting(open_transport: OpenTransport):
    async def script(peer: Peer) -> None:
        await peer.gone()

    async with RawServer(script) as server:
        with pytest.raises(UpstreamTimeout) as caught:
            await open_transport().send(
                post(f"https://127.0.0.1:{server.port}/", timeouts=within(connect=0.05))
            )
        assert caught.value.phase == "connect"


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/",
        "http://[::ffff:169.254.169.254]/",
        "http://0.0.0.0/",
    ],
)
async def test_metadata_addresses_are_refused_whatever_is_allowed(
    open_transport: OpenTransport, url: str
):
    transport = open_transport(address_policy=AddressPolicy.allowing(["0.0.0.0/0", "::/0"]))
    with pytest.raises(UpstreamUnavailable, match="network policy"):
        await transport.send(post(url, timeouts=within(connect=1)))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0x7f.1", "2130706433"])
async def test_loopback_is_refused_unless_it_is_allowed_however_it_is_written(
    open_transport: OpenTransport, host: str
):
    async with RawServer(sending_once(answer())) as server:
        transport = open_transport(address_policy=AddressPolicy())
        with pytest.raises(UpstreamUnavailable, match="network policy"):
            await transport.send(post(server.url(host=host)))
        assert server.accepted == 0
