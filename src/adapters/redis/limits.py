"""The limit store on Redis or Valkey: one script call per step (limits.md section 5)."""

import asyncio
from collections.abc import Sequence
from typing import cast

from msgspec import DecodeError

from adapters.redis import limit_wire as wire
from adapters.redis.limit_scripts import LimitScripts
from adapters.redis.pipelined import PipelinedCommands, Script
from application.ports.limits import LimitMaintenance, LimitStore
from domain.errors import Conflict
from domain.limits.amounts import Spend
from domain.limits.entries import BudgetEntry, Entry, LeaseEntry
from domain.limits.periods import PeriodSpan
from domain.limits.reservations import (
    LONGEST_LIFETIME_MS,
    Abandoned,
    Admitted,
    Claim,
    Epoch,
    Rejected,
    Reservation,
    Settled,
    Usage,
)

_FOR_REAL, _DRY_RUN = 0, 1
_USED_BEFORE = 2
_CHECK_LIVES_MS = 1000
# Most sets of entries that are kept encoded; more subjects than this only cost time.
_MOST_PREPARED = 4096


class RedisLimitStore(LimitStore, LimitMaintenance):
    """Stateless but for its connection; any number of processes share the counters."""

    def __init__(self, commands: PipelinedCommands, scripts: LimitScripts | None = None) -> None:
        """`scripts` is for tests with a clock of their own."""
        self._commands = commands
        self._scripts = scripts or LimitScripts.load()
        self._by_identity: dict[int, wire.Prepared] = {}

    async def admit(self, claim: Claim) -> Admitted | Rejected:
        """See `LimitStore`."""
        prepared = self._prepared(claim.entries)
        reply = await self._run(
            self._scripts.admit,
            wire.admission_keys(claim.reservation_id, prepared),
            wire.arguments(_FOR_REAL, claim.lifetime_ms),
            claim.reservation_id,
            prepared.demands(claim.estimate),
            wire.file(claim, prepared),
        )
        if reply[0] == _USED_BEFORE:
            raise Conflict("The reservation id was used before.")
        return wire.verdict_of(claim, reply)

    async def usage(self, entries: tuple[Entry, ...], estimate: Spend) -> Usage:
        """See `LimitStore`."""
        prepared = self._prepared(entries)
        reply = await self._run(
            self._scripts.admit,
            wire.admission_keys("", prepared),
            wire.arguments(_DRY_RUN, 0),
            "",
            prepared.demands(estimate),
        )
        return wire.usage_of(entries, reply)

    async def settle(
        self, reservation: Reservation, actual: Spend, *, occurred_at_ms: int
    ) -> Settled:
        """See `LimitStore`."""
        return await self._settle(reservation, actual, occurred_at_ms, sweeping=False)

    async def extend(self, reservation: Reservation, lifetime_ms: int) -> bool:
        """See `LimitStore`."""
        leases = [
            key
            for entry in reservation.entries
            if isinstance(entry, LeaseEntry)
            for key in wire.counter_keys(entry)
        ]
        reply = await self._commands.run(
            self._scripts.extend,
            [wire.INDEX_KEY, wire.record_key(reservation.id), *leases],
            [wire.arguments(lifetime_ms), reservation.id],
        )
        return reply == 1

    async def check(self) -> None:
        """See `LimitStore`. The server refuses it whenever it would refuse to count."""
        await self._commands.call("SET", wire.CHECK_KEY, "1", "PX", _CHECK_LIVES_MS)

    async def sweep(self, count: int) -> Sequence[Abandoned]:
        """See `LimitMaintenance`."""
        reply = await self._commands.run(
            self._scripts.due, [wire.INDEX_KEY], [wire.arguments(count)]
        )
        expired, beyond = cast("list[list[bytes]]", reply)
        for each in await self._read(beyond):
            await self.extend(each.reservation, LONGEST_LIFETIME_MS)
        found = await self._read(expired)
        settlements = await asyncio.gather(
            *(
                self._settle(
                    each.reservation,
                    each.reservation.estimate,
                    each.started_at_ms,
                    sweeping=True,
                )
                for each in found
            ),
            return_exceptions=True,
        )
        swept: list[Abandoned] = []
        failures: list[BaseException] = []
        for each, settled in zip(found, settlements, strict=True):
            if isinstance(settled, BaseException):
                failures.append(settled)
            elif settled.applied:
                swept.append(
                    Abandoned(
                        reservation=each.reservation,
                        context=each.context,
                        crossings=settled.crossings,
                    )
                )
        # What was applied is told to nobody else, so one failure must not hide the others.
        if failures and not swept:
            raise failures[0]
        return swept

    async def epoch(self) -> Epoch:
        """See `LimitMaintenance`."""
        reply = await self._commands.call("MGET", wire.EPOCH_KEY, wire.YOUNG_KEY)
        kept, young = cast("list[bytes | None]", reply)
        return wire.epoch_of(int(kept or 0), int(young or 0))

    async def begin(self) -> Epoch:
        """See `LimitMaintenance`."""
        kept, young, _ = await self._epoch(0)
        return wire.epoch_of(kept, young)

    async def mark_restored(self, epoch_ms: int) -> bool:
        """See `LimitMaintenance`."""
        return bool(epoch_ms) and (await self._epoch(epoch_ms))[2] == 1

    async def claim_look(self, every_ms: int) -> bool:
        """See `LimitMaintenance`."""
        reply = await self._commands.call("SET", wire.LOOK_KEY, "1", "NX", "PX", every_ms)
        return reply is not None

    async def restore_budget(
        self, entry: BudgetEntry, period: PeriodSpan, total: int, *, until_ms: int
    ) -> int:
        """See `LimitMaintenance`."""
        reply = await self._commands.run(
            self._scripts.restore,
            [wire.PREFIX + entry.key(period)],
            [wire.arguments(total, until_ms, entry.limit, period.end_ms)],
        )
        return cast("int", reply)

    async def reset(self, entries: Sequence[Entry], *, at_ms: int) -> None:
        """See `LimitMaintenance`."""
        counted = [entry for entry in entries if not isinstance(entry, LeaseEntry)]
        await self._run(
            self._scripts.reset,
            [wire.EPOCH_KEY, *(key for entry in counted for key in wire.counter_keys(entry))],
            wire.arguments(at_ms, *wire.boundaries(counted)),
        )

    async def aclose(self) -> None:
        """Close the connection."""
        await self._commands.aclose()

    def _prepared(self, entries: tuple[Entry, ...]) -> wire.Prepared:
        # By identity: hashing the tuple costs as much as encoding it. What is kept refers to its
        # entries, so no other tuple can have the same identity meanwhile.
        found = self._by_identity.get(id(entries))
        if found is None:
            if len(self._by_identity) >= _MOST_PREPARED:
                self._by_identity.clear()
            found = self._by_identity[id(entries)] = wire.Prepared(entries)
        return found

    async def _settle(
        self, reservation: Reservation, actual: Spend, occurred_at_ms: int, *, sweeping: bool
    ) -> Settled:
        reply = await self._run(
            self._scripts.settle,
            wire.settlement_keys(reservation.id, self._prepared(reservation.entries)),
            wire.arguments(
                int(sweeping), reservation.epoch, reservation.admitted_at_ms, occurred_at_ms
            ),
            reservation.id,
            wire.dues(reservation, actual),
        )
        return wire.settled_of(reservation, reply)

    async def _epoch(self, ending_ms: int) -> list[int]:
        return await self._run(
            self._scripts.epoch,
            [wire.EPOCH_KEY, wire.YOUNG_KEY],
            wire.arguments(ending_ms),
        )

    async def _read(self, ids: Sequence[bytes]) -> list[wire.Found]:
        """Return the reservations of `ids`; what cannot be read leaves the index for good.

        A record is missing when the store lost it, and cannot be read only if something else than
        this program wrote it.
        """
        if not ids:
            return []
        names = [each.decode() for each in ids]
        records = await self._commands.call("MGET", *(wire.record_key(name) for name in names))
        found: list[wire.Found] = []
        lost: list[str] = []
        for name, record in zip(names, cast("list[bytes | None]", records), strict=True):
            try:
                found.append(wire.unfile(name, record or b""))
            except (DecodeError, ValueError):
                lost.append(name)
        if lost:
            await self._commands.call("ZREM", wire.INDEX_KEY, *lost)
        return found

    async def _run(self, script: Script, keys: list[str], *arguments: str | bytes) -> list[int]:
        return cast("list[int]", await self._commands.run(script, keys, arguments))
