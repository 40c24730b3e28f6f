"""Listening sockets: shared by our own processes, never with another program."""

import asyncio
import socket
import sys
from collections import Counter
from contextlib import ExitStack, closing

import pytest

from entrypoints.failures import StartFailed
from entrypoints.listeners import listen, port_failure


def test_all_sockets_of_a_role_listen_on_the_one_port_that_was_picked() -> None:
    with ExitStack() as stack:
        listeners = [
            stack.enter_context(closing(found)) for found in listen("x", "127.0.0.1", 0, count=3)
        ]
        (port,) = {listener.getsockname()[1] for listener in listeners}
        for _ in range(60):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
        accepted: Counter[int] = Counter()
        for number, listener in enumerate(listeners):
            listener.settimeout(0)
            while True:
                try:
                    stack.enter_context(listener.accept()[0])
                except BlockingIOError:
                    break
                accepted[number] += 1
        assert accepted.total() == 60
        assert set(accepted) == {0, 1, 2}


@pytest.mark.skipif(sys.platform != "linux", reason="an option of Linux")
async def test_a_client_that_reads_nothing_is_disconnected_with_all_that_waits_for_it() -> None:
    lost = asyncio.get_running_loop().create_future()

    class Answer(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            transport.write(bytes(16 * 1024 * 1024))
            transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            lost.set_result(exc)

    (listener,) = listen("x", "127.0.0.1", 0, count=1, unread_ms=500)
    server = await asyncio.get_running_loop().create_server(Answer, sock=listener)
    async with server:
        with socket.create_connection(listener.getsockname(), timeout=5):
            async with asyncio.timeout(20):
                assert isinstance(await lost, TimeoutError)


def test_a_port_that_is_in_use_is_one_line_with_the_mend() -> None:
    with closing(listen("gateway", "127.0.0.1", 0, count=1)[0]) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartFailed) as caught:
            listen("gateway", "127.0.0.1", port, count=2)
        assert caught.value.exit_code == 78
        assert str(caught.value) == (
            f"gateway port {port} is already in use - stop what listens there, or set GATEWAY_PORT"
        )
        everywhere = port_failure("gateway", "0.0.0.0", port)
        assert everywhere is not None
    assert port_failure("gateway", "127.0.0.1", port) is None


def test_an_address_of_another_machine_is_one_line() -> None:
    failure = port_failure("console", "192.0.2.1", 0)
    assert failure is not None
    assert "console cannot listen on 192.0.2.1 port 0: " in str(failure)
    assert failure.mend == "set CONSOLE_HOST and CONSOLE_PORT to what this user may use"


def test_the_unspecified_ipv6_address_takes_ipv4_clients_too() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with closing(listen("gateway", "::", 0, count=1)[0]) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            assert client.getpeername()[1] == port
