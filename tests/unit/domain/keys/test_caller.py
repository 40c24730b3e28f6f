"""Caller: what a key opens, when, and from where."""

import pytest
from msgspec.structs import replace

from domain.access.roles import GatewayAccess
from domain.errors import (
    AddressNotAllowed,
    DomainError,
    KeyExpired,
    KeyRevoked,
    OwnerInactive,
    SurfaceNotAllowed,
)
from domain.identifiers import ApiKeyId, LineageId
from domain.inference.dialect import Surface
from domain.keys.api_key import Caller, KeyState

CREATED = 1_000_000
CALLER = Caller(
    key_id=ApiKeyId("k"),
    lineage_id=LineageId("k"),
    key_name="ci",
    state=KeyState.ACTIVE,
    surfaces=frozenset({Surface.AI_GATEWAY}),
    created_at_ms=CREATED,
)


def test_an_active_key_opens_its_surface_and_no_other() -> None:
    CALLER.check(Surface.AI_GATEWAY, CREATED)
    with pytest.raises(SurfaceNotAllowed):
        CALLER.check(Surface.CONSOLE, CREATED)


@pytest.mark.parametrize(
    ("caller", "error"),
    [
        (replace(CALLER, state=KeyState.REVOKED), KeyRevoked),
        (replace(CALLER, state=KeyState.ROTATED, grace_ends_at_ms=CREATED), KeyExpired),
        (replace(CALLER, state=KeyState.ROTATED), KeyExpired),
        (replace(CALLER, expires_at_ms=CREATED), KeyExpired),
        (replace(CALLER, owner_active=False), OwnerInactive),
    ],
)
def test_a_key_that_ended_opens_nothing(caller: Caller, error: type[DomainError]) -> None:
    with pytest.raises(error):
        caller.check(Surface.AI_GATEWAY, CREATED)


def test_a_rotated_key_works_until_its_grace_ends() -> None:
    caller = replace(CALLER, state=KeyState.ROTATED, grace_ends_at_ms=CREATED + 10)
    caller.check(Surface.AI_GATEWAY, CREATED + 9)
    with pytest.raises(KeyExpired):
        caller.check(Surface.AI_GATEWAY, CREATED + 10)


def test_an_unused_key_is_closed_counting_from_its_creation() -> None:
    caller = replace(CALLER, inactivity_ms=100)
    caller.check(Surface.AI_GATEWAY, CREATED + 99)
    with pytest.raises(KeyExpired, match="not used"):
        caller.check(Surface.AI_GATEWAY, CREATED + 100)


def test_every_use_starts_the_inactivity_anew() -> None:
    caller = replace(CALLER, inactivity_ms=100, last_used_at_ms=CREATED + 90)
    caller.check(Surface.AI_GATEWAY, CREATED + 189)
    with pytest.raises(KeyExpired):
        caller.check(Surface.AI_GATEWAY, CREATED + 190)


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::7", "192.0.2.1"])
def test_an_address_inside_the_networks_is_allowed(address: str) -> None:
    allowed = ("10.0.0.0/8", "2001:db8::/32", "192.0.2.1/32")
    replace(CALLER, ip_allow=allowed).check_address(address)


@pytest.mark.parametrize("address", ["11.1.2.3", "::ffff:11.1.2.3", "2001:db9::7", "", "localhost"])
def test_an_address_outside_or_unknown_is_not(address: str) -> None:
    with pytest.raises(AddressNotAllowed):
        replace(CALLER, ip_allow=("10.0.0.0/8", "2001:db8::/32")).check_address(address)


def test_without_a_list_every_address_is_allowed() -> None:
    CALLER.check_address("whatever the edge could not tell")


def test_tools_are_those_that_the_key_and_the_roles_of_the_owner_cover() -> None:
    caller = replace(
        CALLER, tools=("files/*",), access=GatewayAccess(denied_tools=("files/delete",))
    )
    assert caller.may_call("files/read")
    assert not caller.may_call("files/delete")
    assert not caller.may_call("mail/send")
    assert CALLER.may_call("mail/send")
    assert not replace(CALLER, tools=()).may_call("mail/send")
