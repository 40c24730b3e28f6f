"""Addresses of our own ports."""

import pytest

from entrypoints.readiness import local_url, unhealthy


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:1"),
        ("::", "http://[::1]:1"),
        ("::1", "http://[::1]:1"),
        ("gateway.internal", "http://gateway.internal:1"),
    ],
)
def test_a_listening_address_becomes_one_that_can_be_reached(host: str, url: str) -> None:
    assert local_url(host, 1) == url


def test_nobody_listening_is_told_and_not_raised() -> None:
    assert str(unhealthy("127.0.0.1", 9)).startswith("/health/ready: ")
