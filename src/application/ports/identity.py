"""Proof of identity."""

from abc import abstractmethod
from typing import Protocol

from domain.secret import Secret


class PasswordHasher(Protocol):
    """Slow, salted hashing of passwords, off the event loop."""

    @abstractmethod
    async def hash(self, password: Secret) -> str:
        """Return a PHC string with a fresh salt.

        Raises:
            ServiceUnavailable: too many wait already.
        """
        ...

    @abstractmethod
    async def verify(self, password: Secret, password_hash: str | None) -> bool:
        """Tell whether `password` belongs to the PHC string; False for a string that is none.

        None, for an account that has no password or is not there, takes as long as a real one.

        Raises:
            ServiceUnavailable: too many wait already.
        """
        ...

    @abstractmethod
    def is_dated(self, password_hash: str) -> bool:
        """Tell whether a PHC string was made at other costs than those of now."""
        ...


class CommonPasswords(Protocol):
    """The passwords that are tried first."""

    @abstractmethod
    def has(self, password: Secret) -> bool:
        """Tell whether it is one of them, or one with the usual ornaments."""
        ...


class OneTimeCodes(Protocol):
    """Codes of authenticators (RFC 6238: SHA-1, 6 digits, 30 s, as all of them can)."""

    @abstractmethod
    def secret(self, randomness: bytes) -> Secret:
        """Return 20 random bytes in base32, as authenticators take them."""
        ...

    @abstractmethod
    def uri(self, secret: Secret, *, account: str, issuer: str) -> Secret:
        """Return the `otpauth:` address that sets an authenticator up."""
        ...

    @abstractmethod
    def picture(self, uri: Secret) -> Secret:
        """Return the address as a QR code: an SVG in a `data:` URI."""
        ...

    @abstractmethod
    def step_of(self, code: Secret, secret: Secret, now_ms: int) -> int | None:
        """Return the time step whose code this is: now, the one before or after; else None."""
        ...
