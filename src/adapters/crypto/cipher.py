"""AES-256-GCM with a key ring.

Envelope: `v1.<key id>.<nonce>.<ciphertext and tag>`, each part base64url without padding. The key id
is the first eight bytes of SHA-256 over a label and the key, so it needs no bookkeeping and says
nothing about the key. The associated data is the version, the key id and the context; an envelope
moved to another row, or relabelled, does not open.
"""

import binascii
import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from application.ports.clock import Randomness
from application.ports.secrets import SecretCipher
from domain.errors import InvalidRequest
from domain.secret import Secret

KEY_BYTES = 32
_VERSION = "v1"
_NONCE_BYTES = 12  # NIST SP 800-38D: 96 bits; random ones are good for 2^32 seals per key


class AesGcmCipher(SecretCipher):
    """Seals with the first key of the ring and opens with any, so that keys can be rotated."""

    def __init__(self, keys: Sequence[bytes], randomness: Randomness) -> None:
        """`keys` has at least one key of 32 bytes. Raises `InvalidRequest` otherwise."""
        if not keys:
            raise InvalidRequest("the encryption key ring is empty")
        if any(len(key) != KEY_BYTES for key in keys):
            raise InvalidRequest(f"every encryption key must have exactly {KEY_BYTES} bytes")
        self._ring = {_key_id(key): AESGCM(key) for key in keys}
        self._sealing_id = _key_id(keys[0])
        self._randomness = randomness

    def seal(self, plaintext: Secret, *, context: str) -> str:
        """Return an envelope bound to `context`; two seals of one plaintext differ."""
        key_id = self._sealing_id
        nonce = self._randomness.token_bytes(_NONCE_BYTES)
        data = plaintext.reveal().encode()
        sealed = self._ring[key_id].encrypt(nonce, data, _associated(key_id, context))
        return ".".join((_VERSION, key_id, _encode(nonce), _encode(sealed)))

    def open(self, envelope: str, *, context: str) -> Secret:
        """Return the plaintext.

        Raises:
            InvalidRequest: not an envelope, an unknown key, another context, or altered.
        """
        parts = envelope.split(".")
        if len(parts) != 4 or parts[0] != _VERSION:
            raise InvalidRequest("the sealed value is not an envelope of this program")
        key_id = parts[1]
        cipher = self._ring.get(key_id)
        if cipher is None:
            raise InvalidRequest("the sealed value needs an encryption key that is not in the ring")
        try:
            plaintext = cipher.decrypt(
                _decode(parts[2]), _decode(parts[3]), _associated(key_id, context)
            )
            return Secret(plaintext.decode())
        except (InvalidTag, ValueError):
            raise InvalidRequest(
                "the sealed value was altered or belongs to something else"
            ) from None


def _key_id(key: bytes) -> str:
    return _encode(hashlib.sha256(b"thinkwatch key id" + key).digest()[:8])


def _associated(key_id: str, context: str) -> bytes:
    return f"{_VERSION}.{key_id}.{context}".encode()


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    """Return the bytes of exactly the text `_encode` makes of them.

    The last character of unpadded base64 has unused bits, and Python's decoder skips foreign
    characters; both would let an altered envelope pass as the original.
    """
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    if _encode(data) != text:
        raise ValueError("not canonical base64url")
    return data
