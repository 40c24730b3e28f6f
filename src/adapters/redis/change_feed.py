"""Change feed over publish/subscribe."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import msgspec
from msgspec import Struct
from redis.asyncio.client import PubSub

from adapters.redis.connection import FAILURES, RedisClient
from application.ports.change_feed import Change, ChangeFeed, Section
from application.ports.clock import Randomness

CHANNEL = "{tw}:changes"
_FIRST_DELAY = 0.1
_LONGEST_DELAY = 5.0
_SECTIONS = {section.value: section for section in Section}


class _Notice(Struct):
    """Wire form: another version may know sections that we do not."""

    section: str
    revision: int


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(list[_Notice])


class RedisChangeFeed(ChangeFeed):
    """One channel for all processes.

    A server that was paused, or a connection that is only half there, looks like silence. After
    `heartbeat` seconds of it the listener pings, and connects anew when no pong comes within
    `patience` seconds.
    """

    def __init__(
        self,
        client: RedisClient,
        randomness: Randomness,
        *,
        heartbeat: float = 5.0,
        patience: float = 2.0,
    ) -> None:
        """`client` is closed by whoever made it; the listener holds one of its connections."""
        self._client = client
        self._randomness = randomness
        self._heartbeat = heartbeat
        self._patience = patience

    async def publish(self, changes: list[Change]) -> None:
        """Send once, wait at most `patience` seconds, and let a failure be: the poll catches up."""
        payload = _encoder.encode([_Notice(change.section, change.revision) for change in changes])
        try:
            async with asyncio.timeout(self._patience):
                await self._client.execute_command("PUBLISH", CHANNEL, payload)
        except FAILURES:
            return

    async def listen(self) -> AsyncGenerator[Change]:
        """Yield changes; connects again after 0.1 to 5 seconds, with full jitter."""
        failures = 0
        while True:
            try:
                async with aclosing(self._connected()) as replies:
                    async for changes in replies:
                        failures = 0
                        for change in changes:
                            yield change
            except FAILURES:
                failures += 1
            longest = min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** min(failures, 10))
            await asyncio.sleep(longest * self._randomness.roll())

    async def _connected(self) -> AsyncGenerator[list[Change]]:
        """Yield a list per message, an empty one for pongs and the confirmation."""
        async with self._client.pubsub() as subscription:
            async with asyncio.timeout(self._patience):
                await subscription.subscribe(CHANNEL)
            yield await self._answer(subscription)
            while True:
                message = await _next(subscription, self._heartbeat)
                if message is None:
                    async with asyncio.timeout(self._patience):
                        await subscription.ping()
                    yield await self._answer(subscription)
                else:
                    yield _changes(message)

    async def _answer(self, subscription: PubSub) -> list[Change]:
        message = await _next(subscription, self._patience)
        if message is None:
            raise TimeoutError("no answer on the subscription")
        return _changes(message)


async def _next(subscription: PubSub, within: float) -> Mapping[str, object] | None:
    return await subscription.get_message(timeout=within)  # pyright: ignore[reportUnknownVariableType]


def _changes(message: Mapping[str, object]) -> list[Change]:
    if message["type"] != "message":
        return []
    try:
        notices = _decoder.decode(message["data"])  # pyright: ignore[reportArgumentType]
    except (msgspec.DecodeError, TypeError):
        return []  # somebody else's message
    return [
        Change(section, notice.revision)
        for notice in notices
        if (section := _SECTIONS.get(notice.section)) is not None
    ]
