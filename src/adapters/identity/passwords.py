"""argon2id (RFC 9106), in worker threads."""

import asyncio

from argon2 import PasswordHasher as Argon2
from argon2.exceptions import InvalidHashError, VerificationError

from application.ports.identity import PasswordHasher
from domain.secret import Secret

# Each hash holds 64 MiB while it runs: more at once would let a burst of sign-ins eat the memory.
_MOST_AT_ONCE = 4


class Argon2Passwords(PasswordHasher):
    """The low-memory profile of RFC 9106 section 4: 3 passes over 64 MiB with 4 lanes."""

    def __init__(self, *, time_cost: int = 3, memory_kib: int = 65_536, lanes: int = 4) -> None:
        """Weaker costs are for tests only."""
        self._argon2 = Argon2(time_cost=time_cost, memory_cost=memory_kib, parallelism=lanes)
        self._slots = asyncio.Semaphore(_MOST_AT_ONCE)

    async def hash(self, password: Secret) -> str:
        """Return a PHC string with a fresh salt."""
        async with self._slots:
            return await asyncio.to_thread(self._argon2.hash, password.reveal())

    async def verify(self, password: Secret, password_hash: str) -> bool:
        """Tell whether `password` belongs to the PHC string; False for a string that is none."""
        async with self._slots:
            try:
                return await asyncio.to_thread(
                    self._argon2.verify, password_hash, password.reveal()
                )
            except (VerificationError, InvalidHashError):
                return False
