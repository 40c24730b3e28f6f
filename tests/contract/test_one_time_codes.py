"""OneTimeCodes: the codes of RFC 6238, one step of clock drift, and what authenticators scan."""

import base64
from urllib.parse import unquote

import pytest

from adapters.identity.one_time_codes import TotpCodes
from application.ports.identity import OneTimeCodes
from domain.secret import Secret

# RFC 6238 appendix B, the last six of its eight digits.
RFC_SECRET = b"12345678901234567890"
RFC_VALUES = [(1_111_111_109, "081804"), (20_000_000_000, "353130")]


@pytest.fixture
def codes() -> OneTimeCodes:
    return TotpCodes()


@pytest.mark.parametrize(("at_s", "code"), RFC_VALUES)
def test_the_values_of_the_standard(codes: OneTimeCodes, at_s: int, code: str) -> None:
    secret = codes.secret(RFC_SECRET)
    for drift_s in (-30, 0, 30):
        assert codes.step_of(Secret(code), secret, (at_s + drift_s) * 1000) == at_s // 30
    for drift_s in (-61, 61):
        assert codes.step_of(Secret(code), secret, (at_s + drift_s) * 1000) is None
    assert codes.step_of(Secret(f"{code[:3]} {code[3:]}"), secret, at_s * 1000) == at_s // 30


@pytest.mark.parametrize(
    "code", ["", "28708", "2870822", "28708x", "\uff12\uff18\uff17\uff10\uff18\uff12", "\0"]
)
def test_what_is_no_code_matches_nothing(codes: OneTimeCodes, code: str) -> None:
    assert codes.step_of(Secret(code), codes.secret(RFC_SECRET), 59_000) is None


def test_an_authenticator_can_be_set_up(codes: OneTimeCodes) -> None:
    secret = codes.secret(RFC_SECRET)
    assert base64.b32decode(secret.reveal()) == RFC_SECRET
    uri = codes.uri(secret, account="a b@example.com", issuer="ThinkWatch")
    assert uri.reveal().startswith("otpauth://totp/ThinkWatch:a%20b%40example.com?")
    assert f"secret={secret.reveal()}" in uri.reveal()
    picture = unquote(codes.picture(uri).reveal())
    assert picture.startswith("data:image/svg+xml")
    assert "style=" not in picture
