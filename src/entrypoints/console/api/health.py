"""`GET /api/health`: every dependency with its latency, and how busy the installation is."""

from litestar import get
from litestar.handlers import HTTPRouteHandler

from entrypoints.console.security import By
from entrypoints.console.system_status import SystemReport, SystemStatus


def console_health_route(system: SystemStatus) -> HTTPRouteHandler:
    """Return the route handler."""

    @get("/api/health", operation_id="get_health", tags=["health"])
    async def console_health(by: By) -> SystemReport:
        """Report dependencies with their latency and version, connections, and what waits."""
        return await system.report(by)

    return console_health
