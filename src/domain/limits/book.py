"""All counters together: the all-or-nothing check, settling, sweeping.

This is the specification of the Lua scripts, and the store of tests, of single processes and of the
failure mode `local`. Every method is one atomic step at one instant.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from domain.errors import Conflict
from domain.limits.amounts import Spend
from domain.limits.budgets import BudgetCounter
from domain.limits.entries import BudgetEntry, Entry, LeaseEntry, WindowEntry
from domain.limits.leases import LeaseSet
from domain.limits.periods import PeriodSpan
from domain.limits.reservations import (
    IN_FLIGHT_RETRY_MS,
    KEEP_MS,
    LONGEST_LIFETIME_MS,
    REBUILD_RETRY_MS,
    YOUNG_MS,
    Abandoned,
    Admitted,
    Claim,
    Crossing,
    Epoch,
    Reading,
    Rejected,
    Reservation,
    Settled,
    Usage,
)
from domain.limits.windows import Ring


@dataclass(slots=True)
class _Open:
    """A reservation that waits for its settlement."""

    reservation: Reservation
    context: bytes
    started_at_ms: int
    expires_at_ms: int


@dataclass(slots=True)
class _PeriodCounter:
    """The counter of one budget in one period, and when it may be dropped."""

    keep_until_ms: int
    counter: BudgetCounter = field(default_factory=BudgetCounter)


@dataclass(slots=True)
class LimitBook:
    """The state of a limit store.

    An empty book has no epoch; whatever counts first begins one. Then the ledger's sums are
    restored, and `mark_restored` ends the rebuilding. Until then strict budgets admit nothing and
    no alert fires.
    """

    epoch_ms: int = 0
    restored: bool = False
    _young_until_ms: int = 0
    _looked_until_ms: int = 0
    _rings: dict[str, Ring] = field(default_factory=dict[str, Ring])
    _budgets: dict[str, _PeriodCounter] = field(default_factory=dict[str, _PeriodCounter])
    _leases: dict[str, LeaseSet] = field(default_factory=dict[str, LeaseSet])
    _open: dict[str, _Open] = field(default_factory=dict[str, _Open])
    _closed: dict[str, int] = field(default_factory=dict[str, int])

    def admit(self, claim: Claim, now_ms: int) -> Admitted | Rejected:
        """Count everything, or nothing.

        Raises:
            Conflict: the reservation id was used before.
        """
        verdict = self.usage(claim.entries, claim.estimate, now_ms)
        if verdict.offending is not None:
            return Rejected(
                offending=verdict.offending,
                entry=claim.entries[verdict.offending],
                retry_after_ms=verdict.retry_after_ms,
                readings=verdict.readings,
                rebuilding=verdict.rebuilding,
            )
        if claim.reservation_id in self._open or claim.reservation_id in self._closed:
            raise Conflict("The reservation id was used before.")
        reservation = Reservation(
            id=claim.reservation_id,
            entries=claim.entries,
            estimate=claim.estimate,
            epoch=self.begin(now_ms).at_ms,
            admitted_at_ms=now_ms,
        )
        expires_at_ms = now_ms + claim.lifetime_ms
        opened = _Open(reservation, claim.context, claim.started_at_ms, expires_at_ms)
        self._open[reservation.id] = opened
        for entry in claim.entries:
            self._count(entry, opened)
        after = (
            self._reading(entry, now_ms, exceeded=before.exceeded)
            for entry, before in zip(claim.entries, verdict.readings, strict=True)
        )
        return Admitted(
            reservation=reservation, readings=tuple(after), rebuilding=verdict.rebuilding
        )

    def usage(self, entries: tuple[Entry, ...], estimate: Spend, now_ms: int) -> Usage:
        """Return what `admit` would say, without counting anything."""
        readings: list[Reading] = []
        offending: int | None = None
        waits: list[int | None] = []
        for index, entry in enumerate(entries):
            wait = self._wait_ms(entry, entry.demand(estimate), now_ms)
            readings.append(self._reading(entry, now_ms, exceeded=wait != 0))
            if wait != 0 and not entry.shadow:
                offending = index if offending is None else offending
                waits.append(wait)
        return Usage(
            offending=offending,
            retry_after_ms=_longest(waits),
            readings=tuple(readings),
            rebuilding=not self.restored,
        )

    def settle(
        self, reservation: Reservation, actual: Spend, occurred_at_ms: int, now_ms: int
    ) -> Settled:
        """Replace the reservation by what was used, at most once.

        Request rules and strict token rules were charged at admission: a refund goes to the bucket
        charged then, if it is still in the window; what is due on top counts now, like the tokens
        of soft rules. Budgets are charged to the period of admission.

        An unknown reservation is charged in full if this store may not have seen it: it was never
        confirmed, or by a store that has been wiped since. Then windows count at `occurred_at_ms`.

        What ended before this epoch began, or before its cap counts, is not charged to budgets,
        whether reserved or not: their counters have it from the ledger, or will have, for the book
        is young again.
        """
        opened = self._open.pop(reservation.id, None)
        doubtful = not reservation.epoch or reservation.epoch != self.epoch_ms
        if opened is None and (not doubtful or reservation.id in self._closed):
            return Settled(applied=False)
        if doubtful:
            self._closed[reservation.id] = now_ms + KEEP_MS
        self.begin(now_ms)
        if opened is None:
            crossings = self._charge_unreserved(reservation, actual, occurred_at_ms, now_ms)
        else:
            crossings = self._charge_reserved(opened.reservation, actual, occurred_at_ms, now_ms)
        return Settled(applied=True, crossings=tuple(crossings))

    def extend(self, reservation: Reservation, lifetime_ms: int, now_ms: int) -> bool:
        """Let the reservation and its leases live `lifetime_ms` from now; False if it is gone."""
        opened = self._open.get(reservation.id)
        if opened is None:
            return False
        opened.expires_at_ms = now_ms + lifetime_ms
        for entry in reservation.entries:
            if isinstance(entry, LeaseEntry):
                self._lease_set(entry).take(reservation.id, now_ms, opened.expires_at_ms)
        return True

    def sweep(self, count: int, now_ms: int) -> list[Abandoned]:
        """Settle up to `count` expired reservations at their estimates, oldest expiry first.

        Reservations that seem to live longer than any can, because the clock stepped back, live the
        longest lifetime from now.
        """
        self._pull_back(count, now_ms)
        expired = sorted(
            (opened.expires_at_ms, reservation_id)
            for reservation_id, opened in self._open.items()
            if opened.expires_at_ms <= now_ms
        )
        swept: list[Abandoned] = []
        for _, reservation_id in expired[:count]:
            opened = self._open.pop(reservation_id)
            found = opened.reservation
            self._closed[reservation_id] = now_ms + KEEP_MS
            crossings = tuple(
                self._charge_reserved(found, found.estimate, opened.started_at_ms, now_ms)
            )
            swept.append(Abandoned(reservation=found, context=opened.context, crossings=crossings))
        return swept

    def epoch(self, now_ms: int) -> Epoch:
        """Return how much this book knows."""
        return Epoch(
            at_ms=self.epoch_ms, restored=self.restored, young=now_ms < self._young_until_ms
        )

    def begin(self, now_ms: int) -> Epoch:
        """Begin an epoch unless there is one."""
        self.epoch_ms = self.epoch_ms or now_ms
        return self.epoch(now_ms)

    def mark_restored(self, epoch_ms: int, now_ms: int) -> bool:
        """End the rebuilding of this very epoch; False if it is over or the book lost it."""
        if self.restored or not epoch_ms or self.epoch_ms != epoch_ms:
            return False
        self.restored, self._young_until_ms = True, now_ms + YOUNG_MS
        return True

    def claim_look(self, every_ms: int, now_ms: int) -> bool:
        """Return True once in every `every_ms`."""
        if now_ms < self._looked_until_ms:
            return False
        self._looked_until_ms = now_ms + every_ms
        return True

    def restore_budget(
        self, entry: BudgetEntry, period: PeriodSpan, total: int, until_ms: int, now_ms: int
    ) -> int:
        """Take over the ledger's sum of what ended before `until_ms`; return what counts then.

        Does nothing (and returns 0) for a period that ended so long ago that its counter is gone.
        """
        counter = self._budget(entry, period, now_ms)
        if counter is None:
            return 0
        counter.restore(total, entry.limit, until_ms)
        return counter.used

    def reset(self, entries: tuple[Entry, ...], at_ms: int, now_ms: int) -> None:
        """Forget what was counted; of budgets, what ended before `at_ms`.

        Reservations, leases and fired alerts stay.
        """
        self.begin(now_ms)
        for entry in entries:
            match entry:
                case WindowEntry():
                    self._rings.pop(entry.counter, None)
                case BudgetEntry():
                    counter = self._budget(entry, entry.periods.at(now_ms), now_ms)
                    if counter is not None:
                        counter.forget(max(self._partition_ms(entry) + 1, at_ms))
                case LeaseEntry():
                    pass

    def prune(self, now_ms: int) -> None:
        """Drop what can no longer matter, so that the book does not grow with time."""
        self._rings = {name: ring for name, ring in self._rings.items() if ring.used(now_ms)}
        self._leases = {name: held for name, held in self._leases.items() if held.held(now_ms)}
        self._closed = {name: until for name, until in self._closed.items() if until > now_ms}
        self._budgets = {
            name: kept for name, kept in self._budgets.items() if kept.keep_until_ms > now_ms
        }

    def _pull_back(self, count: int, now_ms: int) -> None:
        latest = now_ms + LONGEST_LIFETIME_MS
        beyond = sorted(
            (opened.expires_at_ms, reservation_id)
            for reservation_id, opened in self._open.items()
            if opened.expires_at_ms > latest
        )
        for _, reservation_id in beyond[:count]:
            self.extend(self._open[reservation_id].reservation, LONGEST_LIFETIME_MS, now_ms)

    def _wait_ms(self, entry: Entry, demand: int, now_ms: int) -> int | None:
        """Return 0 if `demand` fits, else when to ask again; None if it never will.

        Exact for windows and for budgets that are spent.
        """
        match entry:
            case WindowEntry():
                return self._ring(entry).wait_ms(now_ms, demand, entry.limit)
            case LeaseEntry():
                if entry.limit < 1:
                    return None
                free = self._lease_set(entry).held(now_ms) < entry.limit
                return 0 if free else IN_FLIGHT_RETRY_MS
            case BudgetEntry():
                period = entry.periods.at(now_ms)
                counter = self._budget(entry, period, now_ms)
                if demand > entry.limit:
                    return None
                if counter is not None and counter.taken + demand > entry.limit:
                    ends_ms = max(1, period.end_ms - now_ms)
                    fits_later = counter.used + demand <= entry.limit
                    return min(IN_FLIGHT_RETRY_MS, ends_ms) if fits_later else ends_ms
                return REBUILD_RETRY_MS if entry.strict and not self.restored else 0

    def _reading(self, entry: Entry, now_ms: int, *, exceeded: bool) -> Reading:
        match entry:
            case WindowEntry():
                ring = self._ring(entry)
                return Reading(ring.used(now_ms), entry.limit, ring.reset_ms(now_ms), exceeded)
            case LeaseEntry():
                return Reading(self._lease_set(entry).held(now_ms), entry.limit, 0, exceeded)
            case BudgetEntry():
                period = entry.periods.at(now_ms)
                counter = self._budget(entry, period, now_ms)
                used, reserved = (counter.taken, counter.reserved) if counter else (0, 0)
                reset_ms = max(1, period.end_ms - now_ms)
                return Reading(used, entry.limit, reset_ms, exceeded, reserved)

    def _count(self, entry: Entry, opened: _Open) -> None:
        now_ms = opened.reservation.admitted_at_ms
        match entry:
            case WindowEntry():
                self._ring(entry).add(now_ms, entry.charge(opened.reservation.estimate))
            case LeaseEntry():
                self._lease_set(entry).take(opened.reservation.id, now_ms, opened.expires_at_ms)
            case BudgetEntry():
                counter = self._budget(entry, entry.periods.at(now_ms), now_ms)
                if counter is not None:
                    counter.reserve(entry.charge(opened.reservation.estimate))

    def _charge_reserved(
        self, reservation: Reservation, actual: Spend, occurred_at_ms: int, now_ms: int
    ) -> Iterator[Crossing]:
        for entry in reservation.entries:
            charged, due = 0, 0
            if not isinstance(entry, LeaseEntry):
                charged, due = entry.charge(reservation.estimate), entry.actual(actual)
            match entry:
                case WindowEntry():
                    self._ring(entry).refund(reservation.admitted_at_ms, max(0, charged - due))
                    self._ring(entry).add(now_ms, max(0, due - charged))
                case LeaseEntry():
                    self._lease_set(entry).release(reservation.id)
                case BudgetEntry():
                    yield from self._charge_budget(
                        entry, reservation, charged, due, occurred_at_ms, now_ms
                    )

    def _charge_unreserved(
        self, reservation: Reservation, actual: Spend, occurred_at_ms: int, now_ms: int
    ) -> Iterator[Crossing]:
        for entry in reservation.entries:
            match entry:
                case WindowEntry():
                    self._ring(entry).backdate(now_ms, occurred_at_ms, entry.actual(actual))
                case LeaseEntry():
                    self._lease_set(entry).release(reservation.id)
                case BudgetEntry():
                    due = entry.actual(actual)
                    yield from self._charge_budget(
                        entry, reservation, 0, due, occurred_at_ms, now_ms
                    )

    def _charge_budget(
        self,
        entry: BudgetEntry,
        reservation: Reservation,
        reserved: int,
        due: int,
        occurred_at_ms: int,
        now_ms: int,
    ) -> Iterator[Crossing]:
        period = entry.periods.at(reservation.admitted_at_ms)
        counter = self._budget(entry, period, now_ms)
        if counter is None or not (reserved or due):
            return
        counter.release(reserved)
        if not counter.charge(due, occurred_at_ms, self._partition_ms(entry)):
            self._young_until_ms = now_ms + YOUNG_MS
        if self.restored:
            for percent in counter.cross(entry.limit):
                yield Crossing(entry=entry, period=period, percent=percent, used=counter.used)

    def _partition_ms(self, entry: BudgetEntry) -> int:
        """Return from when on `entry` is charged as requests are settled."""
        return max(self.epoch_ms, entry.counts_from_ms)

    def _ring(self, entry: WindowEntry) -> Ring:
        return self._rings.setdefault(entry.counter, Ring(entry.bucket_ms))

    def _lease_set(self, entry: LeaseEntry) -> LeaseSet:
        return self._leases.setdefault(entry.counter, LeaseSet())

    def _budget(self, entry: BudgetEntry, period: PeriodSpan, now_ms: int) -> BudgetCounter | None:
        """Return the counter of `period`, or None when it is past keeping."""
        until = period.end_ms + KEEP_MS
        if until <= now_ms:
            return None
        return self._budgets.setdefault(entry.key(period), _PeriodCounter(until)).counter


def _longest(waits: list[int | None]) -> int | None:
    longest = 0
    for wait in waits:
        if wait is None:
            return None
        longest = max(longest, wait)
    return longest
