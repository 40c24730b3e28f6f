"""Every test of this suite runs over both transports, on both event loops."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
import trustme
import uvloop

from adapters.upstream.http11 import Http11Transport
from adapters.upstream.httpx_transport import HttpxTransport
from adapters.upstream.options import TransportOptions
from application.ports.upstream import UpstreamTransport
from tests.support.exchanges import LOOPBACK, OpenTransport


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """uvloop is what the gateway runs on; asyncio is what a debugger gets."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=[Http11Transport, HttpxTransport], ids=["http11", "httpx"])
async def open_transport(request: pytest.FixtureRequest) -> AsyncIterator[OpenTransport]:
    """Build transports that may connect to this machine, from keyword options."""
    opened: list[UpstreamTransport] = []

    def build(**options: object) -> UpstreamTransport:
        everything: dict[str, Any] = {"address_policy": LOOPBACK} | options
        transport = request.param(TransportOptions(**everything))
        opened.append(transport)
        return transport

    yield build
    for transport in opened:
        await transport.aclose()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority of this test run."""
    return trustme.CA()
