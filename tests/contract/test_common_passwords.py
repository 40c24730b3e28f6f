"""CommonPasswords: the first ones that are tried, ornaments or not."""

import pytest

from adapters.identity.common_passwords import FrequentPasswords
from application.ports.identity import CommonPasswords
from domain.secret import Secret


@pytest.fixture
def common() -> CommonPasswords:
    return FrequentPasswords()


@pytest.mark.parametrize(
    "password", ["Password1", "password", "Qwerty123", "Summer2024!", "1Welcome1", "Trustno1"]
)
def test_frequent_ones_are_known(common: CommonPasswords, password: str) -> None:
    assert common.has(Secret(password))


@pytest.mark.parametrize("password", ["Correct-Horse-7-Battery", "vK7tRw2mZx", "", "Tn4Qz9bW-xV"])
def test_others_are_not(common: CommonPasswords, password: str) -> None:
    assert not common.has(Secret(password))
