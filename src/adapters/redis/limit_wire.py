"""How claims, settlements and replies look to the limit scripts: flat lists of integers.

The layout is described at the head of each script in `lua/`; both change together with `VERSION`.
"""

from collections.abc import Sequence

from msgspec import Raw, Struct, msgpack

from domain.limits.amounts import Spend
from domain.limits.entries import BudgetEntry, Entry, LeaseEntry, WindowEntry
from domain.limits.reservations import (
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

VERSION = 3
# The version is part of every key: programs with different scripts never share a counter's layout.
PREFIX = f"{{tw}}:l{VERSION}:"
EPOCH_KEY = PREFIX + "epoch"
INDEX_KEY = PREFIX + "open"
YOUNG_KEY = PREFIX + "young"
LOOK_KEY = PREFIX + "look"
CHECK_KEY = PREFIX + "check"

_WINDOW, _SOFT_BUDGET, _STRICT_BUDGET, _LEASE, _SHADOW = 1, 2, 3, 4, 8
_FIRST_READING, _FIRST_CROSSING = 5, 2
_NEVER = -1
_pack = msgpack.Encoder().encode


class _Filed(Struct, frozen=True, array_like=True):
    """What is kept with a reservation for the sweeper, after its time of admission."""

    entries: tuple[Entry, ...]
    estimate: Spend
    context: bytes
    started_at_ms: int


class Found(Struct, frozen=True):
    """A reservation as the sweeper finds it."""

    reservation: Reservation
    context: bytes
    started_at_ms: int


_unfile = msgpack.Decoder(_Filed).decode


class Prepared:
    """The parts of every call about `entries` that do not change from one request to the next.

    Policies hand out the same tuple for the same subjects again and again, and encoding it costs
    more than everything else on the client's side.
    """

    __slots__ = ("_demands", "entries", "filed", "keys")

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        """Encode `entries` once."""
        self.entries = entries
        self.keys = [key for entry in entries for key in counter_keys(entry)]
        self.filed = Raw(_pack(entries))
        reserves = any(not isinstance(e, LeaseEntry) and e.strict for e in entries)
        self._demands = None if reserves else _demands(entries, Spend())

    def demands(self, estimate: Spend) -> bytes:
        """Return the entries as `limits_admit.lua` reads them."""
        return self._demands or _demands(self.entries, estimate)


def record_key(reservation_id: str) -> str:
    """Return the key of a reservation's record."""
    return f"{PREFIX}r:{reservation_id}"


def counter_keys(entry: Entry) -> tuple[str, ...]:
    """Return the keys that an entry may touch: a budget's two periods, otherwise one."""
    if isinstance(entry, BudgetEntry):
        periods = entry.periods
        return (PREFIX + entry.key(periods.before), PREFIX + entry.key(periods.after))
    return (PREFIX + entry.counter,)


def admission_keys(reservation_id: str, prepared: Prepared) -> list[str]:
    """Return the keys of `admit`, declared in the order the script expects."""
    return [EPOCH_KEY, INDEX_KEY, record_key(reservation_id), *prepared.keys]


def settlement_keys(reservation_id: str, prepared: Prepared) -> list[str]:
    """Return the keys of `settle`, declared in the order the script expects."""
    return [EPOCH_KEY, INDEX_KEY, record_key(reservation_id), YOUNG_KEY, *prepared.keys]


def arguments(*numbers: int) -> bytes:
    """Return what every script reads first."""
    return _pack((VERSION, *numbers))


def file(claim: Claim, prepared: Prepared) -> bytes:
    """Return what the sweeper will read."""
    return _pack((prepared.filed, claim.estimate, claim.context, claim.started_at_ms))


def unfile(reservation_id: str, record: bytes) -> Found:
    """Return the reservation of a record, and what goes with it.

    Raises:
        msgspec.DecodeError, ValueError: not a record of this version.
    """
    admitted_at, _, filed = record.partition(b":")
    found = _unfile(filed)
    reservation = Reservation(
        id=reservation_id,
        entries=found.entries,
        estimate=found.estimate,
        epoch=0,
        admitted_at_ms=int(admitted_at),
    )
    return Found(reservation, found.context, found.started_at_ms)


def dues(reservation: Reservation, actual: Spend) -> bytes:
    """Return the entries as `limits_settle.lua` reads them."""
    numbers: list[int] = []
    for entry in reservation.entries:
        if isinstance(entry, LeaseEntry):
            numbers += _numbers(entry, 0, 0)
        else:
            charged = entry.charge(reservation.estimate)
            numbers += _numbers(entry, charged, entry.actual(actual))
            if isinstance(entry, BudgetEntry):
                numbers.append(entry.counts_from_ms)
    return _pack(numbers)


def boundaries(entries: Sequence[WindowEntry | BudgetEntry]) -> list[int]:
    """Return the numbers of `limits_reset.lua`."""
    numbers: list[int] = []
    for entry in entries:
        if isinstance(entry, BudgetEntry):
            before, after = entry.periods.before.end_ms, entry.periods.after.end_ms
            numbers += (_SOFT_BUDGET, before, after, entry.counts_from_ms)
        else:
            numbers += (_WINDOW, 0, 0, 0)
    return numbers


def epoch_of(kept: int, young: int) -> Epoch:
    """Read an epoch as it is kept: below 0 while its budgets are being restored."""
    return Epoch(at_ms=abs(kept), restored=kept > 0, young=bool(young))


def usage_of(entries: Sequence[Entry], reply: Sequence[int]) -> Usage:
    """Read the reply of a dry run."""
    return Usage(
        offending=None if reply[1] < 0 else reply[1],
        retry_after_ms=None if reply[2] == _NEVER else reply[2],
        readings=_readings(entries, reply),
        rebuilding=reply[3] <= 0,
    )


def verdict_of(claim: Claim, reply: Sequence[int]) -> Admitted | Rejected:
    """Read the reply to a claim whose status is 0 or 1."""
    readings = _readings(claim.entries, reply)
    if not reply[0]:
        return Rejected(
            offending=reply[1],
            entry=claim.entries[reply[1]],
            retry_after_ms=None if reply[2] == _NEVER else reply[2],
            readings=readings,
            rebuilding=reply[3] <= 0,
        )
    reservation = Reservation(
        id=claim.reservation_id,
        entries=claim.entries,
        estimate=claim.estimate,
        epoch=abs(reply[3]),
        admitted_at_ms=reply[4],
    )
    return Admitted(reservation=reservation, readings=readings, rebuilding=reply[3] <= 0)


def settled_of(reservation: Reservation, reply: Sequence[int]) -> Settled:
    """Read the reply to a settlement."""
    crossings: list[Crossing] = []
    for at in range(_FIRST_CROSSING, len(reply), 3):
        index, percent, used = reply[at : at + 3]
        entry = reservation.entries[index]
        assert isinstance(entry, BudgetEntry)
        period = entry.periods.at(reply[1])
        crossings.append(Crossing(entry=entry, period=period, percent=percent, used=used))
    return Settled(applied=bool(reply[0]), crossings=tuple(crossings))


def _readings(entries: Sequence[Entry], reply: Sequence[int]) -> tuple[Reading, ...]:
    end = _FIRST_READING + 4 * len(entries)
    exceeded = reply[end:]
    return tuple(
        Reading(reply[at], reply[at + 1], reply[at + 2], index in exceeded, reply[at + 3])
        for index, at in enumerate(range(_FIRST_READING, end, 4))
    )


def _demands(entries: Sequence[Entry], estimate: Spend) -> bytes:
    numbers: list[int] = []
    for entry in entries:
        if isinstance(entry, LeaseEntry):
            numbers += _numbers(entry, 0, 0)
        else:
            numbers += _numbers(entry, entry.demand(estimate), entry.charge(estimate))
    return _pack(numbers)


def _numbers(entry: Entry, first: int, second: int) -> tuple[int, ...]:
    shadow = _SHADOW if entry.shadow else 0
    match entry:
        case WindowEntry():
            return (_WINDOW + shadow, entry.limit, first, second, entry.bucket_ms)
        case BudgetEntry():
            kind = _STRICT_BUDGET if entry.strict else _SOFT_BUDGET
            before, after = entry.periods.before.end_ms, entry.periods.after.end_ms
            return (kind + shadow, entry.limit, first, second, before, after)
        case LeaseEntry():
            return (_LEASE + shadow, entry.limit)
