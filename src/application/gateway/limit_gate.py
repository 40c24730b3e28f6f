"""The limit store behind a breaker, with the configured behaviour while it is down."""

import asyncio
from enum import StrEnum

import structlog
from msgspec import Struct, structs

from application.ports.limits import LimitStore
from domain.errors import LimitStoreUnavailable
from domain.limits.amounts import Spend
from domain.limits.book import LimitBook
from domain.limits.entries import share_of
from domain.limits.outage import OutageBreaker
from domain.limits.reservations import Admitted, Claim, Reading, Rejected, Reservation

PROBE_INTERVAL_S = 0.25
_PRUNE_EVERY = 4096

log = structlog.get_logger(__name__)


class FailureMode(StrEnum):
    """What happens to requests while the limit store is down."""

    OPEN = "false"  # admit, and count afterwards
    CLOSED = "true"  # refuse
    LOCAL = "local"  # enforce a share of every limit in this process


class Passed(Struct, frozen=True, kw_only=True):
    """A request that may go on.

    Attributes:
        reservation: what is to be settled with the store; unconfirmed when it was down.
        local: what is to be settled with the local book in the mode `local`.
        readings: the entries as the check saw them; empty when nothing was checked.
        failed_open: the store was down and the request was let through.
    """

    reservation: Reservation
    readings: tuple[Reading, ...]
    local: Reservation | None = None
    failed_open: bool = False


class Unavailable(Struct, frozen=True, kw_only=True):
    """The store is down and the request is refused.

    Attributes:
        reservation: to be settled with nothing; None when the store was not even asked.
        verdict: the local book's, in the mode `local`; None in the mode `closed`.
    """

    reservation: Reservation | None
    verdict: Rejected | None = None


class LimitGate:
    """Admission to the shared store, or to its stand-in while it is down."""

    def __init__(self, store: LimitStore, *, own_replicas: int = 1) -> None:
        """Start with the store taken to be up and an empty local book.

        `own_replicas` is how many gateway processes this server runs.
        """
        self._store = store
        self._own_replicas = max(1, own_replicas)
        self._local = _fresh_book()
        self._local_admissions = 0
        self._breaker = OutageBreaker()
        self._wake = asyncio.Event()

    @property
    def is_down(self) -> bool:
        """Whether the store is being left alone."""
        return self._breaker.is_open

    async def admit(
        self, claim: Claim, mode: FailureMode, *, replicas: int, now_ms: int
    ) -> Passed | Rejected | Unavailable:
        """Return whether the request may go on.

        Args:
            claim: everything that binds the request.
            mode: the configured behaviour during an outage, read for each request.
            replicas: over how many processes the limits are shared in the mode `local`; 0: over
                this server's own.
            now_ms: time of the request, for what is settled after an outage.
        """
        asked = not self._breaker.is_open
        if asked:
            try:
                verdict = await self._store.admit(claim)
            except LimitStoreUnavailable as error:
                self.note_failure(error)
            else:
                self._breaker.succeeded()
                if isinstance(verdict, Admitted):
                    return Passed(reservation=verdict.reservation, readings=verdict.readings)
                return verdict
        return self._admit_without_store(claim, mode, replicas, now_ms, asked=asked)

    def _admit_without_store(
        self, claim: Claim, mode: FailureMode, replicas: int, now_ms: int, *, asked: bool
    ) -> Passed | Rejected | Unavailable:
        unconfirmed = Reservation.unconfirmed(claim, now_ms)
        # A claim that was sent may have been carried out although no answer came: a refusal has
        # something to give back. One that never left has not.
        to_give_back = unconfirmed if asked else None
        match mode:
            case FailureMode.CLOSED:
                return Unavailable(reservation=to_give_back)
            case FailureMode.LOCAL:
                share = structs.replace(
                    claim, entries=share_of(claim.entries, replicas or self._own_replicas)
                )
                verdict = self._admit_locally(share, now_ms)
                if isinstance(verdict, Rejected):
                    return Unavailable(reservation=to_give_back, verdict=verdict)
                return Passed(
                    reservation=unconfirmed,
                    readings=verdict.readings,
                    local=verdict.reservation,
                )
            case FailureMode.OPEN:
                return Passed(reservation=unconfirmed, readings=(), failed_open=True)

    def note_failure(self, error: LimitStoreUnavailable) -> None:
        """Count a failed call; also settlements and heartbeats report here."""
        if self._breaker.failed():
            log.warning("limit_store_down", error=str(error))
            self._wake.set()

    def settle_local(self, reservation: Reservation, actual: Spend, now_ms: int) -> None:
        """Settle with the local book what was admitted by it."""
        self._local.settle(reservation, actual, now_ms, now_ms)

    def _admit_locally(self, claim: Claim, now_ms: int) -> Admitted | Rejected:
        self._local_admissions += 1
        if self._local_admissions % _PRUNE_EVERY == 0:
            self._local.prune(now_ms)
            self._local.sweep(_PRUNE_EVERY, now_ms)
        return self._local.admit(claim, now_ms)

    async def probe(self) -> None:
        """While the store is down, ask it now and then; runs until cancelled."""
        while True:
            await self._wake.wait()
            try:
                await self._store.check()
            except LimitStoreUnavailable:
                await asyncio.sleep(PROBE_INTERVAL_S)
                continue
            if self._breaker.succeeded():
                log.warning("limit_store_back")
            self._local = _fresh_book()  # what it held is settled with the store itself
            self._wake.clear()


def _fresh_book() -> LimitBook:
    """Return an empty book whose budgets count as restored: it knows of no earlier use."""
    return LimitBook(epoch_ms=1, restored=True)
