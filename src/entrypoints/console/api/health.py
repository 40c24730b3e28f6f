"""`GET /api/health`: every dependency with its latency."""

from litestar import get
from litestar.handlers import HTTPRouteHandler

from entrypoints.health import HealthChecks, Readiness


def console_health_route(checks: HealthChecks) -> HTTPRouteHandler:
    """Return the route handler."""

    @get("/api/health", operation_id="get_health", tags=["health"])
    async def console_health() -> Readiness:
        """Report every dependency, its latency and the overall verdict."""
        return await checks.run()

    return console_health
