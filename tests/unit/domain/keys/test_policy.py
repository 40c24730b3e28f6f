"""KeyPolicy: every fault is named, and one form is stored."""

from typing import Any

import pytest
from msgspec.structs import replace

from domain.errors import InvalidRequest
from domain.inference.dialect import Surface
from domain.keys.policy import KeyPolicy
from tests.support.configuration import NOW_MS, a_key, a_user

SURFACES = frozenset({Surface.AI_GATEWAY})

CONSOLE: dict[str, Any] = {
    "surfaces": frozenset({Surface.CONSOLE}),
    "permissions": frozenset({"keys:read"}),
    "expires_at_ms": NOW_MS,
}


def policy(**fields: Any) -> KeyPolicy:
    chosen: dict[str, Any] = {"name": "ci", "surfaces": SURFACES, **fields}
    return KeyPolicy(**chosen)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"name": ""}, "name"),
        ({"name": " padded"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "line\nbreak"}, "name"),
        ({"surfaces": frozenset[Surface]()}, "surfaces"),
        ({**CONSOLE, "expires_at_ms": None}, "expires_at"),
        ({**CONSOLE, "permissions": None}, "permissions"),
        ({**CONSOLE, "permissions": frozenset[str]()}, "permissions"),
        (
            {**CONSOLE, "permissions": frozenset({"keys:read", "keys:steal"})},
            "permissions: 'keys:s",
        ),
        ({"permissions": frozenset({"keys:read"})}, "permissions"),
        ({"tools": ("a tool",)}, "tools"),
        ({"inactivity_ms": 0}, "inactivity_timeout"),
        ({"rotation_period_ms": -1}, "rotation_period"),
        ({"models": ("gpt 4",)}, "models"),
        ({"models": ("m",) * 501}, "models"),
        ({"ip_allow": ()}, "ip_allow"),
        ({"ip_allow": ("10.0.0.1/8",)}, "ip_allow"),
        ({"ip_allow": ("nonsense",)}, "ip_allow"),
        ({"tags": {"a": "\0"}}, "tags"),
        ({"tags": {str(n): "" for n in range(51)}}, "tags"),
        ({"cost_centre": ""}, "cost_centre"),
    ],
)
def test_a_fault_names_its_field(fields: dict[str, Any], fault: str) -> None:
    (found,) = policy(**fields).faults()
    assert found.startswith(fault)
    with pytest.raises(InvalidRequest, match=fault):
        policy(**fields).checked()


def test_all_faults_are_told_at_once() -> None:
    assert len(policy(name="", surfaces=frozenset[Surface](), models=("a b",)).faults()) == 3


def test_networks_are_stored_in_one_form() -> None:
    checked = policy(ip_allow=("192.0.2.1", "2001:DB8::/32")).checked()
    assert checked.ip_allow == ("192.0.2.1/32", "2001:db8::/32")


def test_a_key_is_expired_when_its_time_or_its_grace_is_over() -> None:
    key = a_key(a_user(), expires_at_ms=NOW_MS + 10)
    assert key.condition(NOW_MS + 9) == "active"
    assert key.condition(NOW_MS + 10) == "expired"


def test_a_console_key_lives_a_year_and_a_day_at_most() -> None:
    longest = 366 * 86_400_000
    assert policy(**{**CONSOLE, "expires_at_ms": NOW_MS + longest}).faults(NOW_MS) == []
    too_long = policy(**{**CONSOLE, "expires_at_ms": NOW_MS + longest + 1})
    assert too_long.faults() == []
    (fault,) = too_long.faults(NOW_MS)
    assert fault.startswith("expires_at")
    assert policy(expires_at_ms=NOW_MS + 2 * longest).faults(NOW_MS) == []


def test_a_key_that_nobody_uses_is_inactive_before_it_is_closed() -> None:
    key = a_key(a_user(), inactivity_ms=10)
    assert key.condition(NOW_MS + 9) == "active"
    assert key.condition(NOW_MS + 10) == "inactive"
    assert replace(key, last_used_at_ms=NOW_MS + 5).condition(NOW_MS + 14) == "active"
