"""Credential -> caller, from memory; the directory is asked only for keys not seen lately.

Staleness: an entry is dropped by the change feed, and otherwise trusted only while the revision
poll confirms that no key has changed, or for `FRESH_S` seconds after it was read. While the
directory is down nobody can change a key either, so known callers are served for a configured while.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence

from msgspec import structs

from application.ports.clock import Clock
from application.ports.directory import KeyDirectory
from domain.errors import (
    CredentialConflict,
    CredentialInvalid,
    CredentialMissing,
    ServiceUnavailable,
)
from domain.inference.dialect import Surface
from domain.keys.api_key import Caller
from domain.keys.secret import is_well_formed, key_hash

FRESH_S = 5.0
MAX_ENTRIES = 50_000
MAX_LOOKUPS = 16
LOOKUP_TIMEOUT_S = 3.0


class _Entry:
    __slots__ = ("caller", "generation", "read_at")

    def __init__(self, caller: Caller | None, generation: int, read_at: float) -> None:
        self.caller = caller
        self.generation = generation
        self.read_at = read_at


class Authenticator:
    """Checks keys against an in-process cache of the key directory."""

    def __init__(
        self, directory: KeyDirectory, clock: Clock, outage_grace_s: Callable[[], float]
    ) -> None:
        """`directory` is the source of truth; `clock` judges expiry and staleness.

        `outage_grace_s()` is how long known callers are served while the directory is down.
        """
        self._outage_grace_s = outage_grace_s
        self._directory = directory
        self._clock = clock
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._generation = 0
        self._confirmed_at = float("-inf")
        self._lookups: dict[tuple[bytes, int], asyncio.Future[_Entry]] = {}
        self._lookup_slots = asyncio.Semaphore(MAX_LOOKUPS)
        self._last_used_ms: dict[str, int] = {}

    async def authenticate(
        self, credentials: Sequence[str], surface: Surface, client_ip: str
    ) -> Caller:
        """Return the caller behind the credentials of one request.

        Args:
            credentials: the values of all credential headers that were sent.
            surface: the surface the request came in by.
            client_ip: the caller's address as the edge resolved it.

        Raises:
            CredentialMissing, CredentialConflict, CredentialInvalid, KeyRevoked, KeyExpired,
            OwnerInactive, SurfaceNotAllowed, AddressNotAllowed, ServiceUnavailable
        """
        if not credentials:
            raise CredentialMissing
        key = credentials[0]
        if any(other != key for other in credentials[1:]):
            raise CredentialConflict
        if not is_well_formed(key):
            raise CredentialInvalid
        digest = key_hash(key)
        now_ms = self._clock.now_ms()
        caller = await self._find(digest)
        if caller is not None and caller.inactivity_ms is not None:
            caller = await self._with_recent_use(digest, caller, now_ms)
        if caller is None:
            raise CredentialInvalid
        caller.check(surface, now_ms)
        caller.check_address(client_ip)
        self._last_used_ms[caller.key_id] = now_ms
        return caller

    def invalidate(self) -> None:
        """Distrust everything read so far, look-ups under way included."""
        self._generation += 1

    def confirm(self) -> None:
        """Note that the key revision was just read and no key has changed unnoticed."""
        self._confirmed_at = self._clock.monotonic()

    async def flush_last_used(self) -> None:
        """Write the collected last-use times to the directory.

        Raises:
            ServiceUnavailable: the directory is down; the times are kept for the next flush.
        """
        pending, self._last_used_ms = self._last_used_ms, {}
        if not pending:
            return
        try:
            await self._directory.touch(pending)
        except ServiceUnavailable:
            self._last_used_ms = pending | self._last_used_ms
            raise

    async def _find(self, digest: bytes) -> Caller | None:
        entry = self._entries.get(digest)
        if entry is not None and entry.generation == self._generation:
            now = self._clock.monotonic()
            # An unknown key is not covered by the poll's confirmation for ever: the cache of
            # refusals must not outlive the freshness bound by much, nor fill the table.
            confirmed = self._confirmed_at if entry.caller is not None else entry.read_at
            if now - max(entry.read_at, confirmed) < FRESH_S:
                self._entries.move_to_end(digest)
                return entry.caller
        try:
            return (await self._look_up(digest)).caller
        except ServiceUnavailable:
            if entry is not None and entry.caller is not None and self._tolerable(entry):
                return entry.caller
            raise

    async def _with_recent_use(self, digest: bytes, caller: Caller, now_ms: int) -> Caller | None:
        """Read a key again that looks abandoned: the copy held here does not see its uses."""
        if not caller.is_inactive(now_ms):
            return caller
        if (used_ms := self._last_used_ms.get(caller.key_id)) is not None:
            caller = structs.replace(caller, last_used_at_ms=used_ms)
            if not caller.is_inactive(now_ms):
                return caller
        return (await self._look_up(digest)).caller

    def _tolerable(self, entry: _Entry) -> bool:
        if entry.generation != self._generation:
            return False
        known = max(entry.read_at, self._confirmed_at)
        return self._clock.monotonic() - known < self._outage_grace_s()

    async def _look_up(self, digest: bytes) -> _Entry:
        """Ask the directory, one question per key at a time, however many requests wait."""
        # Keyed by generation too: a look-up begun before a change must not answer after it.
        question = (digest, self._generation)
        pending = self._lookups.get(question)
        if pending is None:
            pending = asyncio.ensure_future(self._ask(digest))
            self._lookups[question] = pending
            pending.add_done_callback(lambda done: self._answered(question, done))
        # Shielded: one caller hanging up must not cancel the look-up of the others.
        return await asyncio.shield(pending)

    def _answered(self, question: tuple[bytes, int], done: asyncio.Future[_Entry]) -> None:
        self._lookups.pop(question, None)
        if not done.cancelled():
            done.exception()  # seen here, in case every waiting request has gone meanwhile

    async def _ask(self, digest: bytes) -> _Entry:
        generation = self._generation
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_S), self._lookup_slots:
                caller = await self._directory.find(digest)
        except TimeoutError:
            raise ServiceUnavailable(
                "The key directory did not answer in time.", retry_after_ms=1000
            ) from None
        entry = _Entry(caller, generation, self._clock.monotonic())
        self._entries[digest] = entry
        self._entries.move_to_end(digest)
        if len(self._entries) > MAX_ENTRIES:
            self._entries.popitem(last=False)
        return entry
