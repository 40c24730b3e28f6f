"""Whose address a request comes from."""

from ipaddress import ip_network
from typing import Any, cast

import pytest
from litestar.types import HTTPScope

from entrypoints.client_address import client_address

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def address(peer: str, *forwarded: str) -> str:
    scope: dict[str, Any] = {
        "client": (peer, 1234),
        "headers": [(b"x-forwarded-for", value.encode()) for value in forwarded],
    }
    return client_address(cast("HTTPScope", scope), TRUSTED)


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("192.0.2.1", ("198.51.100.1",), "192.0.2.1"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("198.51.100.1",), "198.51.100.1"),
        ("10.0.0.1", ("1.1.1.1, 198.51.100.1, 10.0.0.2",), "198.51.100.1"),
        ("10.0.0.1", ("1.1.1.1", "198.51.100.1"), "198.51.100.1"),
        ("10.0.0.1", ("198.51.100.1, unknown",), "10.0.0.1"),
        ("fd00::1", ("2001:db8::7",), "2001:db8::7"),
    ],
)
def test_a_header_counts_only_as_far_as_its_writers_are_trusted(
    peer: str, forwarded: tuple[str, ...], found: str
) -> None:
    assert address(peer, *forwarded) == found


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("::ffff:10.0.0.1", ("198.51.100.1",), "198.51.100.1"),
        ("::ffff:192.0.2.1", ("198.51.100.1",), "192.0.2.1"),
        ("10.0.0.1", ("198.51.100.1, ::ffff:10.0.0.2",), "198.51.100.1"),
        ("10.0.0.1", ("::ffff:198.51.100.1",), "198.51.100.1"),
    ],
)
def test_an_ipv4_address_is_the_same_behind_a_dual_stack_listener(
    peer: str, forwarded: tuple[str, ...], found: str
) -> None:
    assert address(peer, *forwarded) == found
