"""Reports of routes in Redis: one key per replica, which expires with it, and a hash of orders."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import msgspec

from adapters.redis.connection import FAILURES, RedisClient
from application.ports.route_health import RouteHealthFeed
from domain.errors import ServiceUnavailable
from domain.routing.health import STALE_AFTER_MS, RouteHealth

# One hash tag: in a cluster all of it is read from one node.
REPLICAS = "{tw}:route-health:replicas"
ORDERS = "{tw}:route-health:orders"
FORGOTTEN_AFTER_MS = 2 * STALE_AFTER_MS
"""Nobody believes the numbers of a report by then, and its transitions are others' by then too."""

_LATEST_MS = 2**53
_MOST = 2**31

_REPORTS = msgspec.msgpack.Decoder(list[RouteHealth])
_ORDER = msgspec.msgpack.Decoder(RouteHealth)
_ENCODER = msgspec.msgpack.Encoder()


class RedisRouteHealthFeed(RouteHealthFeed):
    """Shared by every replica. What another version wrote and this one cannot read is passed over."""

    def __init__(self, redis: RedisClient) -> None:
        """`redis` stays its maker's to close."""
        self._redis = redis

    async def publish(self, reports: Sequence[RouteHealth]) -> None:
        """See `RouteHealthFeed`."""
        if not reports:
            return
        replica = reports[0].replica
        try:
            await self._redis.set(
                _key(replica.encode()), _ENCODER.encode(reports), px=FORGOTTEN_AFTER_MS
            )
            # After the report, so that whoever finds the name finds the report.
            await self._ask("SADD", REPLICAS, replica)
        except FAILURES as error:
            raise _away() from error

    async def order(self, health: RouteHealth) -> None:
        """See `RouteHealthFeed`."""
        try:
            await self._ask("HSET", ORDERS, health.route_id, _ENCODER.encode(health))
        except FAILURES as error:
            raise _away() from error

    async def read(self) -> Sequence[RouteHealth]:
        """See `RouteHealthFeed`."""
        try:
            members = cast("set[bytes]", await self._ask("SMEMBERS", REPLICAS))
            replicas = sorted(members)
            kept: list[bytes | None] = []
            if replicas:
                keys = [_key(replica) for replica in replicas]
                kept = cast("list[bytes | None]", await self._ask("MGET", *keys))
            gone = [name for name, found in zip(replicas, kept, strict=True) if found is None]
            if gone:
                await self._ask("SREM", REPLICAS, *gone)
            orders = cast("dict[bytes, bytes]", await self._ask("HGETALL", ORDERS))
        except FAILURES as error:
            raise _away() from error
        return (*_reports(kept), *_orders(orders.values()))

    async def _ask(self, *command: str | bytes) -> object:
        return cast("object", await self._redis.execute_command(*command))


def _reports(kept: Iterable[bytes | None]) -> Iterator[RouteHealth]:
    for reports in kept:
        if reports is not None:
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
                yield from filter(_plausible, _REPORTS.decode(reports))


def _orders(kept: Iterable[bytes]) -> Iterator[RouteHealth]:
    for order in kept:
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            yield from filter(_plausible, (_ORDER.decode(order),))


def _plausible(report: RouteHealth) -> bool:
    """Tell whether its numbers can be times and counts at all: others compute with them."""
    instants = (
        report.breaker.changed_at_ms,
        report.breaker.open_until_ms,
        report.cool_down.ended_at_ms,
        report.cool_down.until_ms,
        report.drain.changed_at_ms,
    )
    return (
        all(0 <= instant < _LATEST_MS for instant in instants)
        and 0 <= report.breaker.openings < _MOST
        and 0 <= report.in_flight < _MOST
        and (report.ttft_ms is None or 0 <= report.ttft_ms < _MOST)
    )


def _key(replica: bytes) -> bytes:
    return b"{tw}:route-health:of:" + replica


def _away() -> ServiceUnavailable:
    return ServiceUnavailable("What other replicas know of the routes cannot be exchanged now.")
