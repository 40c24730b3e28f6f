"""Listening sockets, opened once by the parent and inherited by its gateway processes.

Every gateway process has a socket of its own on the same port (`SO_REUSEPORT` spreads connections
evenly, a shared one does not). The parent keeps them open, so the accept queue of a process that
died is not lost: its successor inherits it.
"""

import contextlib
import errno
import socket

from entrypoints.failures import Failure, StartFailed

BACKLOG = 4096
UNREAD_MS = 300_000
"""Longest time a client may take nothing of what is sent to it; it is disconnected then.

Without it, who asks for a large answer and reads none of it keeps it in memory for as long as he
likes: closing a connection waits for what is unsent.
"""
# Linux only; connections inherit it from the socket that listens.
_USER_TIMEOUT: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)


def _address(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    return family, (str(address[0]), int(address[1]))


def _bind(host: str, port: int, *, share: bool, unread_ms: int = UNREAD_MS) -> socket.socket:
    family, address = _address(host, port)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if _USER_TIMEOUT is not None:
            listener.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, unread_ms)
        if family == socket.AF_INET6 and address[0] == "::":
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
    except BaseException:
        listener.close()
        raise
    return listener


def port_failure(name: str, host: str, port: int) -> Failure | None:
    """Return why `host:port` cannot be listened on, or None. `name` is e.g. `gateway`.

    It is asked without `SO_REUSEPORT`, which would happily share the port with another instance of
    the same user and lose every second request to it.
    """
    setting = name.upper()
    try:
        _bind(host, port, share=False).close()
    except socket.gaierror as error:
        return Failure(f"{setting}_HOST {host}: {error.strerror}", "set it to an address", 78)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return Failure(
                f"{name} port {port} is already in use",
                f"stop what listens there, or set {setting}_PORT",
                78,
            )
        return Failure(
            f"{name} cannot listen on {host} port {port}: {error.strerror}",
            f"set {setting}_HOST and {setting}_PORT to what this user may use",
            78,
        )
    return None


def listen(
    name: str, host: str, port: int, *, count: int, unread_ms: int = UNREAD_MS
) -> list[socket.socket]:
    """Open `count` listening sockets on one port; port 0 picks a free one for all of them.

    Raises:
        StartFailed: the port is taken or may not be used (exit code 78).
    """
    failure = port_failure(name, host, port)
    if failure is not None:
        raise StartFailed(failure)
    with contextlib.ExitStack() as opened:
        sockets: list[socket.socket] = []
        for _ in range(count):
            listener = opened.enter_context(_bind(host, port, share=True, unread_ms=unread_ms))
            listener.listen(BACKLOG)
            port = listener.getsockname()[1]
            sockets.append(listener)
        opened.pop_all()
    return sockets
