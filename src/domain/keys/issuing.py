"""Making a key out of a secret."""

from domain.identifiers import ApiKeyId, LineageId, UserId
from domain.keys.policy import ApiKey, KeyPolicy
from domain.keys.secret import display_prefix, key_hash
from domain.secret import Secret


def issue(
    policy: KeyPolicy, *, key_id: ApiKeyId, owner_id: UserId, secret: Secret, now_ms: int
) -> ApiKey:
    """Return the first key of a new lineage. `secret` must be well-formed (see `mint`)."""
    plaintext = secret.reveal()
    return ApiKey(
        id=key_id,
        lineage_id=LineageId(key_id),
        owner_id=owner_id,
        policy=policy,
        secret_hash=key_hash(plaintext),
        prefix=display_prefix(plaintext),
        created_at_ms=now_ms,
    )
