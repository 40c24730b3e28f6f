"""Asks providers whose routes are out whether they are back, so that no request has to (opt-in)."""

import asyncio
from collections.abc import Mapping

import structlog

from application.ports.clock import Clock
from application.ports.provider import Provider
from application.ports.upstream import UpstreamTimeouts
from application.runtime.snapshot import CurrentSnapshot
from domain.errors import DomainError, UnsupportedField
from domain.identifiers import ProviderId, RouteId
from domain.routing.board import HealthBoard
from domain.routing.failures import FailureClass, understand
from domain.routing.standing import CircuitState
from domain.routing.tuning import probe_interval_ms

TIMEOUTS = UpstreamTimeouts(connect=5.0, first_byte=8.0, idle=5.0, total=10.0)
LOOK_EVERY_S = 1.0
"""How soon the setting is obeyed once somebody has turned it on."""

# Any other failure is an answer, and says nothing of requests: a key may serve and not list.
_AWAY = frozenset(
    {
        FailureClass.CONNECT,
        FailureClass.TIMEOUT,
        FailureClass.RESET,
        FailureClass.SERVER_ERROR,
        FailureClass.OVERLOADED,
    }
)

log = structlog.get_logger(__name__)


class ProbeRoutes:
    """Lists the models of such a provider: that costs no tokens, and needs what requests need."""

    def __init__(self, board: HealthBoard, runtime: CurrentSnapshot, clock: Clock) -> None:
        """`board` says which routes are out and learns which are back."""
        self._board = board
        self._runtime = runtime
        self._clock = clock

    async def run(self) -> None:
        """Probe until cancelled, as often as the setting says, and never while it says so."""
        while True:
            interval_ms = probe_interval_ms(self._runtime.get().settings)
            if interval_ms is None:
                await asyncio.sleep(LOOK_EVERY_S)
                continue
            await self.probe()
            await asyncio.sleep(interval_ms / 1000)

    async def probe(self) -> None:
        """Ask every provider that has a route which is out, all at the same time."""
        now = self._runtime.get()
        out = self._out()
        await asyncio.gather(
            *(
                self._ask(now.providers[provider], routes)
                for provider, routes in out.items()
                if provider in now.providers
            )
        )

    def _out(self) -> Mapping[ProviderId, list[RouteId]]:
        now_ms = self._clock.now_ms()
        out: dict[ProviderId, list[RouteId]] = {}
        for model in self._runtime.get().catalog.models.values():
            for route in model.routes:
                standing = self._board.standing(route.id, now_ms)
                if standing.circuit is not CircuitState.CLOSED and not standing.drained:
                    out.setdefault(route.provider_id, []).append(route.id)
        return out

    async def _ask(self, provider: Provider, routes: list[RouteId]) -> None:
        try:
            await provider.models(TIMEOUTS)
        except UnsupportedField:
            return  # it has no list: only requests can tell
        except DomainError as error:
            kind = understand(error).kind
            log.info("probe_failed", routes=routes, error=error.message, error_class=kind.value)
            if kind not in _AWAY:
                return
            well = False
        else:
            well = True
        now_ms = self._clock.now_ms()
        for route in routes:
            # Meanwhile a request may have closed it; then nothing is to be counted against it.
            if self._board.standing(route, now_ms).circuit is not CircuitState.CLOSED:
                self._board.tracker(route).breaker.probed(now_ms, well=well)
