"""argon2id (RFC 9106), in worker threads that everything else goes before."""

import asyncio
import base64
import contextlib
import os
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher as Argon2
from argon2.exceptions import InvalidHashError, VerificationError

from application.ports.identity import PasswordHasher
from domain.errors import Overloaded
from domain.secret import Secret

T = TypeVar("T")

# Each hash holds 64 MiB while it runs: more at once would let a burst of sign-ins eat the memory.
_MOST_AT_ONCE = 2
_MOST_WAITING = 64
_RETRY_AFTER_MS = 2_000
_NICENESS = 19


class Argon2Passwords(PasswordHasher):
    """The low-memory profile of RFC 9106 section 4: 3 passes over 64 MiB with 4 lanes."""

    def __init__(
        self,
        *,
        time_cost: int = 3,
        memory_kib: int = 65_536,
        lanes: int = 4,
        most_waiting: int = _MOST_WAITING,
    ) -> None:
        """Weaker costs are for tests only."""
        self._argon2 = Argon2(time_cost=time_cost, memory_cost=memory_kib, parallelism=lanes)
        self._slots = asyncio.Semaphore(_MOST_AT_ONCE)
        self._threads = ThreadPoolExecutor(
            _MOST_AT_ONCE, thread_name_prefix="argon2", initializer=_give_way
        )
        self._most_waiting = most_waiting
        self._waiting = 0
        # Salt and hash of nobody: no password is known to match, at the same costs as of everybody.
        salt, nothing = (_unpadded(bytes(length)) for length in (16, 32))
        self.of_nobody = f"$argon2id$v=19$m={memory_kib},t={time_cost},p={lanes}${salt}${nothing}"

    async def hash(self, password: Secret) -> str:
        """Return a PHC string with a fresh salt."""
        async with self._turn():
            return await self._run(lambda: self._argon2.hash(password.reveal()))

    async def verify(self, password: Secret, password_hash: str | None) -> bool:
        """Tell whether `password` belongs to the PHC string."""
        known = self.of_nobody if password_hash is None else password_hash
        async with self._turn():
            try:
                matches = await self._run(lambda: self._argon2.verify(known, password.reveal()))
            except (VerificationError, InvalidHashError):
                return False
        return matches and password_hash is not None

    def is_dated(self, password_hash: str) -> bool:
        """Compare the costs that the PHC string names."""
        try:
            return self._argon2.check_needs_rehash(password_hash)
        except InvalidHashError:
            return True

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        if self._slots.locked() and self._waiting >= self._most_waiting:
            raise Overloaded(
                "Too many people sign in at this moment.", retry_after_ms=_RETRY_AFTER_MS
            )
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._slots.release()


def _give_way() -> None:
    """Let this thread, and the lanes it starts, run on what nobody else wants.

    A storm of sign-ins would otherwise take most of the processors from the gateway's requests. In
    Linux niceness is a thread's own, and threads inherit it (sched(7)); elsewhere it is the whole
    process's, so it is left alone.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a sandbox may not allow it; sign-ins go on
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _unpadded(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")
