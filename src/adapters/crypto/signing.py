"""Ed25519 signatures (RFC 8032) by keys that are derived from the key ring."""

import hashlib
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from application.ports.audit_log import Signer
from domain.errors import InvalidRequest


class Ed25519Signer(Signer):
    """Signs with the first key of the ring and verifies by any, so that keys can be rotated."""

    def __init__(self, keys: Sequence[bytes], *, purpose: str) -> None:
        """`keys` are the installation's encryption keys; each purpose gets keys of its own."""
        if not keys:
            raise InvalidRequest("the encryption key ring is empty")
        derived = [_derived(key, purpose) for key in keys]
        self._ring = {_key_id(key): key for key in derived}
        self._key_id = _key_id(derived[0])

    @property
    def key_id(self) -> str:
        """The first 16 hex digits of SHA-256 over the public key."""
        return self._key_id

    def sign(self, content: bytes) -> bytes:
        """Return the 64 bytes of the signature."""
        return self._ring[self._key_id].sign(content)

    def verify(self, content: bytes, signature: bytes, key_id: str) -> bool | None:
        """Tell whether the signature is right; None when the key is not in the ring."""
        key = self._ring.get(key_id)
        if key is None:
            return None
        try:
            key.public_key().verify(signature, content)
        except InvalidSignature:
            return False
        return True


def _derived(key: bytes, purpose: str) -> Ed25519PrivateKey:
    # HKDF (RFC 5869): the signing key says nothing about the encryption key it comes from.
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"thinkwatch {purpose}".encode())
    return Ed25519PrivateKey.from_private_bytes(hkdf.derive(key))


def _key_id(key: Ed25519PrivateKey) -> str:
    return hashlib.sha256(key.public_key().public_bytes_raw()).hexdigest()[:16]
