"""KeyPolicy: every fault is named, and one form is stored."""

from typing import Any

import pytest

from domain.errors import InvalidRequest
from domain.inference.dialect import Surface
from domain.keys.policy import KeyPolicy
from tests.support.configuration import NOW_MS, a_key, a_user

SURFACES = frozenset({Surface.AI_GATEWAY})


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
        ({"surfaces": frozenset({Surface.CONSOLE})}, "expires_at"),
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
