"""Health endpoints: is the process alive, and should it be given traffic."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from litestar import route
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.response import Response

PROBE_TIMEOUT_S = 1.0
FRESH_S = 1.0
"""How long results are good for: anybody may ask, and asking must not load the stores."""


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """Result of one check; `latency_ms` is how long it took."""

    ok: bool
    latency_ms: float
    required: bool
    error: str | None = None


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Overall verdict with every check by name."""

    status: str
    checks: dict[str, Probe]


class HealthChecks:
    """Runs checks side by side, each bounded in time, once for everybody who asks meanwhile."""

    def __init__(
        self,
        checks: Mapping[str, Callable[[], Awaitable[None]]],
        *,
        reported_only: frozenset[str] = frozenset(),
    ) -> None:
        """A check passes by returning; those in `reported_only` do not affect the verdict."""
        self._checks = dict(checks)
        self._reported_only = reported_only
        self.draining = False
        self._probing = asyncio.Lock()
        self._probes: dict[str, Probe] = {}
        self._probed_at = float("-inf")

    async def run(self) -> Readiness:
        """Return the verdict, on checks not older than `FRESH_S`.

        Whoever has to wait for checks waits for `PROBE_TIMEOUT_S` at most, unless those who came
        first hang up before they have their answer.
        """
        loop = asyncio.get_running_loop()
        if loop.time() - self._probed_at >= FRESH_S:
            async with self._probing:
                if loop.time() - self._probed_at >= FRESH_S:  # nobody did it while we waited
                    self._probes = await self._probe_all()
                    self._probed_at = loop.time()
        checks = self._probes
        failed = any(probe.required and not probe.ok for probe in checks.values())
        status = "draining" if self.draining else "unavailable" if failed else "ready"
        return Readiness(status=status, checks=checks)

    async def _probe_all(self) -> dict[str, Probe]:
        names = list(self._checks)
        probes = await asyncio.gather(*(self._probe(name) for name in names))
        return dict(zip(names, probes, strict=True))

    async def _probe(self, name: str) -> Probe:
        loop = asyncio.get_running_loop()
        started = loop.time()
        error: str | None = None
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                await self._checks[name]()
        except TimeoutError:
            error = "timed out"
        except Exception as failure:  # noqa: BLE001 - any failure of a check is its result
            # The class only: messages may carry host names and credentials.
            error = type(failure).__name__
        return Probe(
            ok=error is None,
            latency_ms=round((loop.time() - started) * 1000, 3),
            required=name not in self._reported_only,
            error=error,
        )


def health_routes(checks: HealthChecks) -> list[HTTPRouteHandler]:
    """Return `/health/live` and `/health/ready`, for GET and HEAD, open to everybody."""

    @route(
        "/health/live",
        http_method=["GET", "HEAD"],
        operation_id=lambda _, method, __: f"{method.lower()}_liveness",
        opt={"public": True},
        tags=["health"],
    )
    async def live() -> dict[str, str]:
        """Tell that the process runs and its event loop turns."""
        return {"status": "live"}

    @route(
        "/health/ready",
        http_method=["GET", "HEAD"],
        operation_id=lambda _, method, __: f"{method.lower()}_readiness",
        opt={"public": True},
        tags=["health"],
        responses={503: ResponseSpec(Readiness, generate_examples=False, description="Red.")},
    )
    async def ready() -> Response[Readiness]:
        """Tell whether this process should be given traffic; 503 when not."""
        verdict = await checks.run()
        return Response(verdict, status_code=200 if verdict.status == "ready" else 503)

    return [live, ready]
