"""How claims, settlements and replies look to the limit scripts: flat lists of integers.

The layout is described at the head of each script in `lua/`; both change together with `VERSION`.
"""

from collections.abc import Sequence

from msgspec import Struct, msgpack

from domain.limits.amounts import Spend
from domain.limits.entries import BudgetEntry, Entry, LeaseEntry, WindowEntry
from domain.limits.reservations import (
    Admitted,
    Claim,
    Crossing,
    Reading,
    Rejected,
    Reservation,
    Settled,
    Usage,
)

VERSION = 1
# The version is part of every key: programs with different scripts never share a counter's layout.
PREFIX = f"{{tw}}:l{VERSION}:"
EPOCH_KEY = PREFIX + "epoch"
INDEX_KEY = PREFIX + "open"

_WINDOW, _SOFT_BUDGET, _STRICT_BUDGET, _LEASE = 1, 2, 3, 4
_STRIDE = 4
_NEVER = -1
_pack = msgpack.Encoder().encode


class Filed(Struct, frozen=True, array_like=True):
    """What is kept with a reservation for the sweeper, after its time of admission."""

    entries: tuple[Entry, ...]
    estimate: Spend
    context: bytes


_unfile = msgpack.Decoder(Filed).decode


def record_key(reservation_id: str) -> str:
    """Return the key of a reservation's record."""
    return f"{PREFIX}r:{reservation_id}"


def counter_keys(entry: Entry) -> tuple[str, ...]:
    """Return the keys that an entry may touch: a budget's two periods, otherwise one."""
    if isinstance(entry, BudgetEntry):
        periods = entry.periods
        return (PREFIX + entry.key(periods.before), PREFIX + entry.key(periods.after))
    return (PREFIX + entry.counter,)


def keys_of(reservation_id: str, entries: Sequence[Entry]) -> list[str]:
    """Return all keys of `admit` and `settle`, declared in the order the scripts expect."""
    keys = [EPOCH_KEY, INDEX_KEY, record_key(reservation_id)]
    for entry in entries:
        keys += counter_keys(entry)
    return keys


def admit_arguments(
    entries: Sequence[Entry], estimate: Spend, lifetime_ms: int, *, dry_run: bool
) -> bytes:
    """Return the integers of `limits_admit.lua`."""
    numbers = [VERSION, int(dry_run), lifetime_ms]
    for entry in entries:
        numbers += _numbers(entry, entry.demand(estimate), _charge(entry, estimate))
    return _pack(numbers)


def file(claim: Claim) -> bytes:
    """Return what the sweeper will read."""
    return _pack(Filed(claim.entries, claim.estimate, claim.context))


def unfile(reservation_id: str, record: bytes) -> tuple[Reservation, bytes]:
    """Return the reservation of a record, and its context.

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
    return reservation, found.context


def settle_arguments(
    reservation: Reservation, actual: Spend, occurred_at_ms: int, *, sweeping: bool
) -> bytes:
    """Return the integers of `limits_settle.lua`."""
    numbers = [
        VERSION,
        int(sweeping),
        reservation.epoch,
        reservation.admitted_at_ms,
        occurred_at_ms,
    ]
    for entry in reservation.entries:
        due = 0 if isinstance(entry, LeaseEntry) else entry.actual(actual)
        numbers += _numbers(entry, _charge(entry, reservation.estimate), due)
    return _pack(numbers)


def plain_arguments(*numbers: int) -> bytes:
    """Return the integers of the scripts without entries."""
    return _pack([VERSION, *numbers])


def reset_arguments(entries: Sequence[WindowEntry | BudgetEntry]) -> bytes:
    """Return the integers of `limits_reset.lua`."""
    numbers = [VERSION]
    for entry in entries:
        if isinstance(entry, BudgetEntry):
            numbers += (_SOFT_BUDGET, entry.periods.before.end_ms)
        else:
            numbers += (_WINDOW, 0)
    return _pack(numbers)


def usage_of(entries: Sequence[Entry], reply: Sequence[int]) -> Usage:
    """Read the reply of a dry run."""
    return Usage(
        offending=None if reply[1] < 0 else reply[1],
        retry_after_ms=None if reply[2] == _NEVER else reply[2],
        readings=_readings(entries, reply),
        rebuilding=not reply[3],
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
            rebuilding=not reply[3],
        )
    reservation = Reservation(
        id=claim.reservation_id,
        entries=claim.entries,
        estimate=claim.estimate,
        epoch=reply[3],
        admitted_at_ms=reply[4],
    )
    return Admitted(reservation=reservation, readings=readings, rebuilding=not reply[3])


def settled_of(reservation: Reservation, reply: Sequence[int]) -> Settled:
    """Read the reply to a settlement."""
    crossings: list[Crossing] = []
    for at in range(2, len(reply), 3):
        index, percent, used = reply[at : at + 3]
        entry = reservation.entries[index]
        assert isinstance(entry, BudgetEntry)
        period = entry.periods.at(reply[1])
        crossings.append(Crossing(entry=entry, period=period, percent=percent, used=used))
    return Settled(applied=bool(reply[0]), crossings=tuple(crossings))


def _readings(entries: Sequence[Entry], reply: Sequence[int]) -> tuple[Reading, ...]:
    return tuple(
        Reading(reply[at], reply[at + 1], reply[at + 2], bool(reply[at + 3]))
        for at in range(5, 5 + _STRIDE * len(entries), _STRIDE)
    )


def _charge(entry: Entry, estimate: Spend) -> int:
    return 0 if isinstance(entry, LeaseEntry) else entry.charge(estimate)


def _numbers(entry: Entry, first: int, second: int) -> tuple[int, ...]:
    shadow = int(entry.shadow)
    match entry:
        case WindowEntry():
            return (_WINDOW, shadow, entry.limit, first, second, entry.bucket_ms, 0)
        case BudgetEntry():
            kind = _STRICT_BUDGET if entry.strict else _SOFT_BUDGET
            before, after = entry.periods.before.end_ms, entry.periods.after.end_ms
            return (kind, shadow, entry.limit, first, second, before, after)
        case LeaseEntry():
            return (_LEASE, shadow, entry.limit, first, second, 0, 0)
