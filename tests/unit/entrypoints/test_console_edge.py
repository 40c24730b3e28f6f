"""The console's own address, as it tells it to others."""

from typing import Any, cast

import pytest
from litestar.types import HTTPScope

from domain.errors import InvalidRequest
from entrypoints.console.edge import ConsoleEdge


def scope(*hosts: str, scheme: str = "http") -> HTTPScope:
    """Return a request with these `Host` headers."""
    made: dict[str, Any] = {
        "type": "http",
        "scheme": scheme,
        "client": ("192.0.2.7", 1),
        "headers": [(b"host", host.encode("latin-1")) for host in hosts],
    }
    return cast("HTTPScope", made)


def test_the_configured_address_counts_whatever_a_request_says() -> None:
    edge = ConsoleEdge(public_url="https://gateway.example.com/")
    assert edge.own_url(scope("evil.example.com"), "/x") == "https://gateway.example.com/x"


@pytest.mark.parametrize(
    ("host", "scheme"), [("localhost:3001", "http"), ("[::1]:3001", "http"), ("a-b.test", "https")]
)
def test_without_one_it_is_where_the_request_went(host: str, scheme: str) -> None:
    assert ConsoleEdge().own_url(scope(host, scheme=scheme), "/x") == f"{scheme}://{host}/x"


@pytest.mark.parametrize("host", ["", "a@b", "a/b", "a b", "a?b", "a#b", "a:b", "a\r\nb", "[a"])
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(InvalidRequest, match="Host"):
        ConsoleEdge().own_url(scope(host), "/x")


def test_a_request_without_a_host_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="Host"):
        ConsoleEdge().own_url(scope(), "/x")
