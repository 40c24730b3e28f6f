"""Rotation: a new secret for the same key."""

import pytest
from msgspec.structs import replace

from domain.errors import Conflict, InvalidRequest
from domain.identifiers import ApiKeyId
from domain.keys.api_key import KeyState
from domain.keys.policy import ApiKey
from domain.keys.rotation import (
    AUTOMATIC_GRACE_MS,
    LONGEST_GRACE_MS,
    Rotation,
    rotate,
    rotation_due_at_ms,
)
from domain.keys.secret import display_prefix, key_hash
from tests.support.configuration import NOW_MS, a_key, a_secret, a_user

KEY = a_key(a_user(), expires_at_ms=NOW_MS + 1000)


def rotated(key: ApiKey = KEY, *, now_ms: int = NOW_MS, grace_ms: int = 500) -> Rotation:
    return rotate(
        key,
        successor_id=ApiKeyId("new"),
        secret=a_secret(2),
        now_ms=now_ms,
        grace_ms=grace_ms,
    )


def test_the_successor_keeps_everything_but_the_secret() -> None:
    successor = rotated().successor
    secret = a_secret(2).reveal()
    assert (successor.lineage_id, successor.parent_id) == (KEY.lineage_id, KEY.id)
    assert (successor.owner_id, successor.policy) == (KEY.owner_id, KEY.policy)
    assert successor.secret_hash == key_hash(secret)
    assert successor.prefix == display_prefix(secret)
    assert successor.state is KeyState.ACTIVE
    assert successor.last_used_at_ms is None


def test_the_old_secret_works_until_the_grace_period_ends() -> None:
    retired = rotated().retired
    assert retired == replace(KEY, state=KeyState.ROTATED, grace_ends_at_ms=NOW_MS + 500)


@pytest.mark.parametrize("grace_ms", [0, LONGEST_GRACE_MS])
def test_the_bounds_of_the_grace_period_are_allowed(grace_ms: int) -> None:
    assert rotated(grace_ms=grace_ms).retired.grace_ends_at_ms == NOW_MS + grace_ms


@pytest.mark.parametrize("grace_ms", [-1, LONGEST_GRACE_MS + 1])
def test_a_grace_period_beyond_the_bounds_is_refused(grace_ms: int) -> None:
    with pytest.raises(InvalidRequest, match="grace"):
        rotated(grace_ms=grace_ms)


@pytest.mark.parametrize("state", [KeyState.ROTATED, KeyState.REVOKED])
def test_only_an_active_key_can_be_rotated(state: KeyState) -> None:
    with pytest.raises(Conflict, match=state.value):
        rotated(replace(KEY, state=state))


def test_an_expired_key_cannot_be_rotated_back_to_life() -> None:
    with pytest.raises(Conflict, match="expired"):
        rotated(now_ms=NOW_MS + 1000)


@pytest.mark.parametrize(("days", "due"), [(90, 83), (14, 7), (10, 5), (1, 0.5)])
def test_a_key_rotates_so_early_that_its_grace_ends_with_its_period(days: int, due: float) -> None:
    day_ms = AUTOMATIC_GRACE_MS // 7
    assert rotation_due_at_ms(NOW_MS, days * day_ms) == NOW_MS + due * day_ms
