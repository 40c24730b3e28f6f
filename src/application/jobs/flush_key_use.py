"""Writes the last use of keys to the directory, in batches."""

import asyncio

import structlog

from application.gateway.authenticate import Authenticator
from domain.errors import ServiceUnavailable

INTERVAL_S = 30.0

log = structlog.get_logger(__name__)


class FlushKeyUse:
    """Every half minute, and once more at shutdown."""

    def __init__(self, keys: Authenticator) -> None:
        """`keys` collects the uses of this process."""
        self._keys = keys

    async def run(self) -> None:
        """Flush until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            await self._flush()

    async def drain(self, timeout_s: float) -> None:
        """Flush what is left, `timeout_s` seconds at most."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._flush()
        except TimeoutError:
            log.warning("key_use_not_flushed")

    async def _flush(self) -> None:
        try:
            await self._keys.flush_last_used()
        except ServiceUnavailable as error:
            log.warning("key_use_not_flushed", error=error.message)
