"""Shipping of the journals that dead processes left behind."""

import asyncio
import logging

from application.jobs.backoff import Backoff
from application.jobs.shipment import Shipment
from application.ports.backlog import DeadBacklog, DeadJournals
from application.ports.clock import Clock, Randomness
from application.ports.records import EventBus
from domain.errors import ServiceUnavailable

MAX_IN_HAND = 16

_log = logging.getLogger(__name__)


class AdoptJournals:
    """Ships what killed processes could not, with a record for every request they cut off."""

    def __init__(
        self,
        dead: DeadJournals,
        bus: EventBus,
        *,
        clock: Clock,
        randomness: Randomness,
        look_every_s: float = 3.0,
        confirm_every_s: float = 0.5,
        longest_pause_s: float = 5.0,
    ) -> None:
        """Look for dead journals every `look_every_s` seconds."""
        self._dead = dead
        self._bus = bus
        self._clock = clock
        self._randomness = randomness
        self._look_every_s = look_every_s
        self._confirm_every_s = confirm_every_s
        self._backoff = Backoff(first_s=confirm_every_s, longest_s=longest_pause_s)
        self._in_hand: list[tuple[DeadBacklog, Shipment]] = []
        self._looked_at: float | None = None

    @property
    def in_hand(self) -> int:
        """Adopted journals that are not yet stored completely."""
        return len(self._in_hand)

    async def run(self) -> None:
        """Adopt and ship until cancelled."""
        while True:
            try:
                await self.round()
                self._backoff.reset()
                pause = self._confirm_every_s if self._in_hand else self._look_every_s
            except ServiceUnavailable as error:
                if not self._backoff.failing:
                    _log.warning("adopted records wait in their journal: %s", error.message)
                pause = self._backoff.next_delay(self._randomness.roll())
            await asyncio.sleep(pause)

    async def round(self) -> None:
        """Adopt what is due, ship it, and delete the journals whose records are stored.

        Raises:
            ServiceUnavailable: the bus is down; adopted journals stay in hand.
        """
        await self._look()
        for adopted in list(self._in_hand):
            backlog, shipment = adopted
            while await shipment.ship_next():
                pass
            await shipment.confirm()
            if shipment.all_confirmed:
                await backlog.remove()
                self._in_hand.remove(adopted)

    async def drain(self, timeout_s: float = 5.0) -> bool:
        """Let go of the journals in hand after one more try, of at most `timeout_s` seconds.

        Call after `run` has ended. Returns whether everything in hand was stored.
        """
        try:
            async with asyncio.timeout(timeout_s):
                if self._in_hand:
                    await self.round()
        except (TimeoutError, ServiceUnavailable):
            _log.info("%d adopted journals wait for the next process", len(self._in_hand))
        complete = not self._in_hand
        for backlog, _ in self._in_hand:
            backlog.release()
        self._in_hand.clear()
        return complete

    async def _look(self) -> None:
        now = self._clock.monotonic()
        if self._looked_at is not None and now - self._looked_at < self._look_every_s:
            return
        self._looked_at = now
        while len(self._in_hand) < MAX_IN_HAND and (backlog := await self._dead.adopt()):
            self._in_hand.append((backlog, Shipment(backlog, self._bus)))
