"""Back-off: free at first, then longer and longer, and never for good."""

from hypothesis import given
from hypothesis import strategies as st

from domain.access.throttle import (
    FORGOTTEN_AFTER_MS,
    LONGEST_WAIT_MS,
    Attempts,
    account_throttle,
    network_throttle,
)

T = 1_000_000_000


def failed(times: int) -> Attempts:
    attempts = Attempts()
    for _ in range(times):
        attempts = attempts.one_more(T)
    return attempts


def test_the_waits_double_up_to_a_quarter_of_an_hour() -> None:
    waits = [failed(times).wait_ms(5, T) for times in range(4, 10)]
    assert waits == [0, 1_000, 2_000, 4_000, 8_000, 16_000]
    assert failed(15).wait_ms(5, T) == LONGEST_WAIT_MS
    assert failed(5).wait_ms(5, T + 999) == 1
    assert failed(5).wait_ms(5, T + 1_000) == 0


def test_silence_is_forgiven() -> None:
    assert failed(100).wait_ms(5, T + FORGOTTEN_AFTER_MS) == 0
    assert failed(100).one_more(T + FORGOTTEN_AFTER_MS).failures == 1


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**10))
def test_nobody_waits_longer_than_a_quarter_of_an_hour(count: int, free: int, later: int) -> None:
    wait = Attempts(failures=count, last_at_ms=T).wait_ms(free, T + later)
    assert 0 <= wait <= LONGEST_WAIT_MS


def test_throttles_are_of_account_and_network_and_name_nobody() -> None:
    one = account_throttle("a@example.com", "203.0.113.7")
    assert one == account_throttle("a@example.com", "203.0.113.99")
    assert one != account_throttle("a@example.com", "203.0.114.7")
    assert one != account_throttle("b@example.com", "203.0.113.7")
    assert network_throttle("203.0.113.7") == network_throttle("203.0.113.99")
    assert "example" not in one.key
