"""What goes into the limit store and what comes out of it."""

from msgspec import Struct

from domain.limits.amounts import Spend
from domain.limits.entries import BudgetEntry, Entry
from domain.limits.periods import PeriodSpan

# How soon to come back where no clock can tell: while budgets are being rebuilt after the store was
# wiped, and while calls in flight hold what is missing (they give it back when they end).
REBUILD_RETRY_MS = 5_000
IN_FLIGHT_RETRY_MS = 2_000
# No reservation lives longer without a heartbeat. An expiry further ahead is from before the clock
# of the store stepped back.
LONGEST_LIFETIME_MS = 10 * 60_000
# How long records may be on their way to the ledger after a store was restored, or after something
# was settled that is the ledger's to count.
YOUNG_MS = 10 * 60_000
# How long a budget counter outlives its period, so that calls which end later are still charged to
# the period in which they were admitted; also how long a closed reservation is remembered where a
# second settlement could otherwise not be told from the first.
KEEP_MS = 2 * 24 * 3_600_000


class Epoch(Struct, frozen=True, kw_only=True):
    """How much a store knows.

    Attributes:
        at_ms: what ended from this instant on is charged as it is settled, what ended before is the
            ledger's. 0 in an empty store that nobody has used yet.
        restored: the ledger's sums are in, so strict budgets admit and alerts fire.
        young: the ledger may have got records since that its sums had to have.
    """

    at_ms: int = 0
    restored: bool = False
    young: bool = False


class Claim(Struct, frozen=True, kw_only=True):
    """One request's wish to be admitted.

    Attributes:
        reservation_id: unique over all processes (UUIDv7), never used twice.
        entries: everything that binds the request; evaluated in this order. No two share a
            counter.
        estimate: what it is expected to use: reserved by strict entries, and what is charged
            should the process die before settling.
        lifetime_ms: how long the reservation and its leases live without a heartbeat; 1 to
            `LONGEST_LIFETIME_MS`.
        started_at_ms: when the request began, by the caller's clock. Nobody knows when an abandoned
            request ended; its record and the sweeper both say that it ended as it began.
        context: opaque bytes that the sweeper hands back, for the record of an abandoned request.
    """

    reservation_id: str
    entries: tuple[Entry, ...]
    estimate: Spend
    lifetime_ms: int
    started_at_ms: int
    context: bytes = b""

    def __post_init__(self) -> None:
        """Refuse a lifetime the sweeper would take for a fault of the clock."""
        if not 0 < self.lifetime_ms <= LONGEST_LIFETIME_MS:
            raise ValueError(f"a lifetime is between 1 and {LONGEST_LIFETIME_MS} ms")


class Reading(Struct, frozen=True, array_like=True, gc=False):
    """One entry as the check saw it.

    Attributes:
        used: what counts against the limit, this request included when it was admitted.
        reset_ms: how long until nothing counts any more (windows: an upper bound; budgets: the end
            of the period; concurrency: 0, as no clock frees it).
        exceeded: this entry rejects the request, or would, were it not in shadow mode.
        reserved: the part of `used` that is a budget's reservations in flight; the rest is spent.
            0 for windows and concurrency.
    """

    used: int
    limit: int
    reset_ms: int
    exceeded: bool
    reserved: int = 0

    @property
    def remaining(self) -> int:
        """What is left, never below zero."""
        return max(0, self.limit - self.used)


class Reservation(Struct, frozen=True, kw_only=True):
    """Quota that is taken and must be settled exactly once.

    Attributes:
        epoch: of the store that admitted it; 0 when the store never confirmed it.
        admitted_at_ms: by the store's clock, or by the caller's when unconfirmed. Budgets are
            charged to the period of this instant.
    """

    id: str
    entries: tuple[Entry, ...]
    estimate: Spend
    epoch: int
    admitted_at_ms: int

    @classmethod
    def unconfirmed(cls, claim: Claim, now_ms: int) -> "Reservation":
        """Return what to settle for a request that was let through while the store was down.

        Also right when `admit` ran into its timeout: should the store have carried it out (or do so
        later), settling finds that out.
        """
        return cls(
            id=claim.reservation_id,
            entries=claim.entries,
            estimate=claim.estimate,
            epoch=0,
            admitted_at_ms=now_ms,
        )


class Admitted(Struct, frozen=True, kw_only=True):
    """Everything fits and is counted; entries in shadow mode may be `exceeded`.

    `rebuilding` says that the store was wiped and waits for its budgets to be restored.
    """

    reservation: Reservation
    readings: tuple[Reading, ...]
    rebuilding: bool = False


class Rejected(Struct, frozen=True, kw_only=True):
    """Nothing was counted.

    Attributes:
        offending: index of the first entry that rejects.
        entry: that entry; its `label` goes into the 429.
        retry_after_ms: the longest wait over all rejecting entries. For windows, and budgets that
            are spent, the same claim is admitted after exactly this long if nobody else uses
            anything. For what calls in flight hold (concurrency, reservations of a budget) and
            while budgets are being rebuilt, it is a short time after which to ask again. None:
            waiting never helps, because the request alone is larger than a limit.
    """

    offending: int
    entry: Entry
    retry_after_ms: int | None
    readings: tuple[Reading, ...]
    rebuilding: bool = False


class Usage(Struct, frozen=True, kw_only=True):
    """The same check without counting anything. `offending` is None when it would be admitted."""

    offending: int | None
    retry_after_ms: int | None
    readings: tuple[Reading, ...]
    rebuilding: bool = False


class Crossing(Struct, frozen=True, kw_only=True):
    """A budget reached a threshold for the first time in its period.

    Attributes:
        percent: 50, 80, 95 or 100.
        used: what the period's counter held after the settlement.
    """

    entry: BudgetEntry
    period: PeriodSpan
    percent: int
    used: int


class Settled(Struct, frozen=True, kw_only=True):
    """Result of a settlement. `applied` is False when the reservation had been settled before."""

    applied: bool
    crossings: tuple[Crossing, ...] = ()


class Abandoned(Struct, frozen=True, kw_only=True):
    """A reservation nobody settled, now charged at its estimate; a record is due for it."""

    reservation: Reservation
    context: bytes
    crossings: tuple[Crossing, ...] = ()
