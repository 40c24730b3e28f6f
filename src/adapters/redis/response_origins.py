"""Origins of kept answers in Redis, one key each."""

import msgspec

from adapters.redis.connection import FAILURES, RedisClient
from application.ports.response_origins import ResponseOrigin, ResponseOrigins
from domain.errors import ServiceUnavailable

KEPT_FOR_S = 30 * 24 * 3600
"""As long as OpenAI keeps answers: https://platform.openai.com/docs/guides/conversation-state"""

_ORIGIN = msgspec.msgpack.Decoder(ResponseOrigin)
_ENCODER = msgspec.msgpack.Encoder()


class RedisResponseOrigins(ResponseOrigins):
    """Shared by every replica."""

    def __init__(self, redis: RedisClient) -> None:
        """`redis` stays its maker's to close."""
        self._redis = redis

    async def remember(self, origin: ResponseOrigin) -> None:
        """See `ResponseOrigins`."""
        try:
            await self._redis.set(_key(origin.response_id), _ENCODER.encode(origin), ex=KEPT_FOR_S)
        except FAILURES as error:
            raise _away() from error

    async def find(self, response_id: str) -> ResponseOrigin | None:
        """See `ResponseOrigins`."""
        try:
            kept = await self._redis.get(_key(response_id))
        except FAILURES as error:
            raise _away() from error
        if not isinstance(kept, bytes):
            return None
        try:
            return _ORIGIN.decode(kept)
        except msgspec.DecodeError:
            return None

    async def forget(self, response_id: str) -> None:
        """See `ResponseOrigins`."""
        try:
            await self._redis.delete(_key(response_id))
        except FAILURES as error:
            raise _away() from error


def _key(response_id: str) -> str:
    return f"tw:response:{response_id}"


def _away() -> ServiceUnavailable:
    return ServiceUnavailable("The origin of earlier responses cannot be looked up now.")
