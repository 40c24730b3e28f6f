"""Answers that a provider keeps: who may use them, and where they are.

An earlier answer can be gone on from, shown or deleted only by its provider, and only for the key
that asked for it or another key of the same user.
"""

import asyncio
from collections import OrderedDict, deque

import structlog
from msgspec import structs

from application.ports.response_origins import ResponseOrigin, ResponseOrigins
from domain.accounting.usage import TokenUsage
from domain.errors import PreviousResponseNotFound, ResponseNotFound, ServiceUnavailable
from domain.inference.dialect import Operation
from domain.keys.api_key import Caller

MOST_WAITING = 10_000
RETRY_S = 0.5
SECOND_LOOK_S = 0.1
"""How long after its end an answer may not be known to other replicas yet."""

log = structlog.get_logger(__name__)


class KeptResponses:
    """Remembers origins in the background, so that no client waits for it."""

    def __init__(self, origins: ResponseOrigins) -> None:
        """What cannot be written waits in memory, 10,000 at most, the oldest dropped first."""
        self._origins = origins
        self._waiting: deque[ResponseOrigin | str] = deque(maxlen=MOST_WAITING)
        self._wake = asyncio.Event()
        self._told: OrderedDict[str, None] = OrderedDict()

    def remember(self, origin: ResponseOrigin) -> None:
        """Keep an origin; never waits."""
        self._waiting.append(origin)
        self._wake.set()

    def forget(self, response_id: str) -> None:
        """Keep nothing for an id any more; never waits."""
        self._waiting.append(response_id)
        self._wake.set()

    def rest_to_charge(self, origin: ResponseOrigin, told: TokenUsage) -> TokenUsage | None:
        """Return what is still to be charged for an answer whose use is `told`; never waits.

        None when nothing is: it was charged in full, or is by a request that shows it too.
        """
        if origin.charged is None or origin.response_id in self._told:
            return None
        self._told[origin.response_id] = None
        if len(self._told) > MOST_WAITING:
            self._told.popitem(last=False)
        self.remember(structs.replace(origin, charged=None))
        return told.beyond(origin.charged)

    async def origin_of(
        self, response_id: str, caller: Caller, operation: Operation
    ) -> ResponseOrigin:
        """Return where an answer is.

        Raises:
            PreviousResponseNotFound, ResponseNotFound: it is not known, or not this caller's.
            ServiceUnavailable: nobody can say now.
        """
        found = await self._find(response_id)
        if found is None or not _may_use(caller, found):
            if operation is Operation.CHAT:
                raise PreviousResponseNotFound(response_id)
            raise ResponseNotFound(response_id)
        return found

    async def run(self) -> None:
        """Write what waits, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                oldest = self._waiting[0]
                try:
                    await self._write(oldest)
                except ServiceUnavailable as error:
                    log.warning("response_origins_wait", error=error.message)
                    await asyncio.sleep(RETRY_S)
                    continue
                # Meanwhile it may have been dropped for a newer one: then the next has its place.
                if self._waiting[0] is oldest:
                    self._waiting.popleft()

    async def drain(self, timeout_s: float) -> None:
        """Write what is left, `timeout_s` seconds at most."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._waiting:
                    await self._write(self._waiting.popleft())
        except (TimeoutError, ServiceUnavailable):
            log.warning("response_origins_not_written", count=len(self._waiting))

    async def _write(self, change: ResponseOrigin | str) -> None:
        if isinstance(change, str):
            await self._origins.forget(change)
        else:
            await self._origins.remember(change)

    async def _find(self, response_id: str) -> ResponseOrigin | None:
        for waiting in reversed(self._waiting):
            if isinstance(waiting, ResponseOrigin) and waiting.response_id == response_id:
                return waiting
        found = await self._origins.find(response_id)
        if found is None:
            await asyncio.sleep(SECOND_LOOK_S)
            found = await self._origins.find(response_id)
        return found


def _may_use(caller: Caller, origin: ResponseOrigin) -> bool:
    if caller.lineage_id == origin.lineage_id:
        return True
    return bool(origin.user_id) and caller.user_id == origin.user_id
