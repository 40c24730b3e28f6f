"""The form of a key: `tw-`, 48 random bytes in base62, and a checksum.

The checksum (CRC-32 of everything before it, six base62 digits) lets secret scanners and this
program tell a real key from a typing error without a look-up. Only the SHA-256 of the whole key is
stored; 384 random bits need no slow hash.
"""

import hashlib
import zlib

from domain.secret import Secret

PREFIX = "tw-"
RANDOM_BYTES = 48
DISPLAY_LENGTH = 11
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BODY_LENGTH = 65  # 62**65 > 256**48: every 48-byte value fits
_CHECKSUM_LENGTH = 6  # 62**6 > 2**32
KEY_LENGTH = len(PREFIX) + _BODY_LENGTH + _CHECKSUM_LENGTH
_ALPHABET = frozenset(_BASE62)


def _base62(number: int, length: int) -> str:
    digits: list[str] = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return "".join(reversed(digits))


def mint(random_bytes: bytes) -> Secret:
    """Return the key made of exactly 48 random bytes."""
    if len(random_bytes) != RANDOM_BYTES:
        raise ValueError(f"a key needs exactly {RANDOM_BYTES} random bytes")
    head = PREFIX + _base62(int.from_bytes(random_bytes, "big"), _BODY_LENGTH)
    return Secret(head + _checksum(head))


def _checksum(head: str) -> str:
    return _base62(zlib.crc32(head.encode("ascii")), _CHECKSUM_LENGTH)


def is_well_formed(key: str) -> bool:
    """Tell whether `key` has the form of a key and a right checksum."""
    if len(key) != KEY_LENGTH or not key.startswith(PREFIX):
        return False
    if not _ALPHABET.issuperset(key[len(PREFIX) :]):
        return False
    return _checksum(key[:-_CHECKSUM_LENGTH]) == key[-_CHECKSUM_LENGTH:]


def key_hash(key: str) -> bytes:
    """Return the SHA-256 under which a key is stored and looked up (32 bytes)."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def display_prefix(key: str) -> str:
    """Return the 11 characters that listings show."""
    return key[:DISPLAY_LENGTH]
