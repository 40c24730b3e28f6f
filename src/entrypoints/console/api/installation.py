"""Routes about the installation as a whole: settings, audit trail, configuration documents."""

from litestar.handlers import HTTPRouteHandler

from entrypoints.console.api.audit import audit_routes
from entrypoints.console.api.config import config_routes
from entrypoints.console.api.settings import setting_routes
from entrypoints.console.services import InstallationServices


def installation_routes(services: InstallationServices | None) -> list[HTTPRouteHandler]:
    """Return the route handlers; none without the services."""
    if services is None:
        return []
    return [
        *setting_routes(services.settings),
        *audit_routes(services.audit),
        *config_routes(services.documents),
    ]
