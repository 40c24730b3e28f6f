"""Sessions: where and how long they count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.access.refusals import SessionElsewhere, SessionEnded
from domain.access.session import REFRESH_OVERLAP_MS, IpBinding, device_of, network_of
from tests.support.configuration import NOW_MS, a_user
from tests.support.signing_in import BROWSER, a_session


@pytest.mark.parametrize(
    ("ip", "exact", "network"),
    [
        ("203.0.113.7", "203.0.113.7/32", "203.0.113.0/24"),
        ("::ffff:203.0.113.7", "203.0.113.7/32", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6/128", "2001:db8:1:2::/64"),
        ("", "none", "none"),
        (None, "none", "none"),
        ("unix:", "none", "none"),
    ],
)
def test_the_network_of_an_address(ip: str | None, exact: str, network: str) -> None:
    assert network_of(ip, IpBinding.EXACT) == exact
    assert network_of(ip, IpBinding.NETWORK) == network


@pytest.mark.parametrize(
    ("began", "used", "mode", "counts"),
    [
        ("203.0.113.7", "203.0.113.7", IpBinding.EXACT, True),
        ("203.0.113.7", "203.0.113.8", IpBinding.EXACT, False),
        ("203.0.113.7", "203.0.113.8", IpBinding.NETWORK, True),
        ("203.0.113.7", "203.0.114.7", IpBinding.NETWORK, False),
        ("2001:db8::1", "2001:db8::2", IpBinding.NETWORK, True),
        ("2001:db8::1", "2001:db8:0:1::1", IpBinding.NETWORK, False),
        ("203.0.113.7", "2001:db8::1", IpBinding.NETWORK, False),
        ("203.0.113.7", "", IpBinding.NETWORK, False),
        ("", "203.0.113.7", IpBinding.NETWORK, False),
        ("", "", IpBinding.NETWORK, True),
    ],
)
def test_where_a_session_counts(began: str, used: str, mode: IpBinding, counts: bool) -> None:
    session = a_session(a_user(), ip=began, binding=network_of(began, mode))
    if counts:
        session.check(ip=used, user_agent=BROWSER, now_ms=NOW_MS)
        return
    with pytest.raises(SessionElsewhere):
        session.check(ip=used, user_agent=BROWSER, now_ms=NOW_MS)


def test_an_update_of_the_browser_changes_nothing_and_another_browser_does() -> None:
    session = a_session(a_user())
    session.check(ip=session.ip, user_agent=BROWSER.replace("140.0", "141.2"), now_ms=NOW_MS)
    for other in (BROWSER.replace("Linux", "Windows"), "curl/8.0", "", None):
        with pytest.raises(SessionElsewhere):
            session.check(ip=session.ip, user_agent=other, now_ms=NOW_MS)


def test_a_session_ends_by_idleness_and_by_age() -> None:
    session = a_session(a_user(), idle_ms=1000, expires_at_ms=NOW_MS + 5000, last_seen_at_ms=NOW_MS)
    assert not session.is_over(NOW_MS + 999)
    assert session.is_over(NOW_MS + 1000)
    used = a_session(a_user(), expires_at_ms=NOW_MS + 5000, last_seen_at_ms=NOW_MS + 4999)
    assert not used.is_over(NOW_MS + 4999)
    with pytest.raises(SessionEnded):
        used.check(ip=used.ip, user_agent=BROWSER, now_ms=NOW_MS + 5000)


def test_only_the_generation_before_overlaps_and_only_for_a_moment() -> None:
    session = a_session(a_user()).refreshed(b"x" * 32, NOW_MS).refreshed(b"y" * 32, NOW_MS)
    assert session.generation == 3
    assert session.is_overlap(2, NOW_MS + REFRESH_OVERLAP_MS - 1)
    assert not session.is_overlap(2, NOW_MS + REFRESH_OVERLAP_MS)
    assert not session.is_overlap(1, NOW_MS)
    assert not session.is_overlap(3, NOW_MS)


@given(st.text(max_size=600))
def test_any_name_of_a_browser_is_taken(name: str) -> None:
    assert device_of(name) == device_of(name)
    assert len(device_of(name)) <= 400
