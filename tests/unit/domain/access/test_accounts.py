"""Addresses and passwords of people."""

import pytest

from domain.access.accounts import normal_email
from domain.access.password import password_faults


def test_an_address_is_compared_without_case_and_spaces() -> None:
    assert normal_email(" Dev.One@Example.COM ") == "dev.one@example.com"


@pytest.mark.parametrize("text", ["", "dev", "@x", "a@", "a b@x", "a@b@c", "x" * 65 + "@y"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        normal_email(text)


@pytest.mark.parametrize(
    ("password", "faults"),
    [
        ("Abcdefg1", 0),
        ("Abcdef1", 1),
        ("abcdefg1", 1),
        ("ABCDEFG1", 1),
        ("Abcdefgh", 1),
        ("", 4),
        ("Aa1" + "x" * 126, 1),
    ],
)
def test_every_broken_rule_is_told(password: str, faults: int) -> None:
    assert len(password_faults(password)) == faults


def test_another_address_does_not_become_one_of_plain_letters() -> None:
    with pytest.raises(ValueError, match="e-mail"):
        normal_email("mi\u212ae@example.com")
    assert normal_email("J\u00c4nE@Example.com") == "j\u00e4ne@example.com"
