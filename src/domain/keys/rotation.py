"""Replacing the secret of a key while its identity lives on."""

from msgspec import Struct
from msgspec.structs import replace

from domain.durations import format_duration
from domain.errors import Conflict, InvalidRequest
from domain.identifiers import ApiKeyId
from domain.keys.api_key import KeyState
from domain.keys.policy import ApiKey
from domain.keys.secret import display_prefix, key_hash
from domain.secret import Secret

LONGEST_GRACE_MS = 30 * 86_400_000
DEFAULT_GRACE_MS = 86_400_000
AUTOMATIC_GRACE_MS = 7 * 86_400_000
"""The most that the old secret works after an automatic rotation: time to collect the new one."""


def rotation_due_at_ms(created_at_ms: int, period_ms: int) -> int:
    """Return when a key is rotated by itself, in Unix milliseconds.

    So early that the grace period has ended when the secret is as old as `period_ms`; a period
    shorter than twice the grace is cut in half.
    """
    return created_at_ms + period_ms - automatic_grace_ms(period_ms)


def automatic_grace_ms(period_ms: int) -> int:
    """Return how long the old secret works after an automatic rotation, by the key's period."""
    return min(AUTOMATIC_GRACE_MS, period_ms // 2)


class Rotation(Struct, frozen=True, kw_only=True):
    """The two keys after a rotation: `retired` works until its grace ends, `successor` from now."""

    retired: ApiKey
    successor: ApiKey


def rotate(
    key: ApiKey,
    *,
    successor_id: ApiKeyId,
    secret: Secret,
    now_ms: int,
    grace_ms: int,
) -> Rotation:
    """Give the lineage of `key` a new secret; policy, owner and lineage stay.

    `grace_ms` may be zero: then the old secret stops at once. Grace never outlives the key's own
    expiry, because authentication checks both.

    Raises:
        Conflict: `key` is not the active key of its lineage, or it has expired.
        InvalidRequest: `grace_ms` is negative or over 30 days.
    """
    if key.state is not KeyState.ACTIVE:
        raise Conflict(f"The key '{key.policy.name}' is {key.state.value}; it cannot be rotated.")
    if key.policy.expires_at_ms is not None and now_ms >= key.policy.expires_at_ms:
        raise Conflict(f"The key '{key.policy.name}' has expired; create a new one.")
    if not 0 <= grace_ms <= LONGEST_GRACE_MS:
        longest = format_duration(LONGEST_GRACE_MS)
        raise InvalidRequest(f"The grace period must be between 0 and {longest}.", param="grace")
    retired = replace(key, state=KeyState.ROTATED, grace_ends_at_ms=now_ms + grace_ms)
    plaintext = secret.reveal()
    successor = ApiKey(
        id=successor_id,
        lineage_id=key.lineage_id,
        parent_id=key.id,
        owner_id=key.owner_id,
        policy=key.policy,
        secret_hash=key_hash(plaintext),
        prefix=display_prefix(plaintext),
        created_at_ms=now_ms,
    )
    return Rotation(retired=retired, successor=successor)
