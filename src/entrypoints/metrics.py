"""`/metrics`: counters for whoever knows the bearer token."""

import asyncio
import hmac
from pathlib import Path

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response

from application.ports.telemetry import MetricsPage
from domain.secret import Secret
from entrypoints.asgi import AnyRequest

METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus-client keeps the values of all processes; read when it is imported."""

_REFUSED = {"www-authenticate": 'Bearer realm="metrics"'}


def forget_process(directory: Path, pid: int) -> None:
    """Remove what a process that died has said of its present; what it counted stays."""
    for file in directory.glob(f"gauge_live*_{pid}.db"):
        file.unlink(missing_ok=True)


def metrics_routes(page: MetricsPage | None, token: Secret | None) -> list[HTTPRouteHandler]:
    """Return the route, or none while there is no token: then the path does not exist."""
    if page is None or token is None:
        return []
    expected = b"Bearer " + token.reveal().encode()

    @get("/metrics", opt={"public": True}, tags=["metrics"])
    async def metrics(request: AnyRequest) -> Response[bytes]:
        """Return the metrics of all processes of this server."""
        given = request.headers.get("authorization", "").encode("latin-1", "replace")
        if not hmac.compare_digest(given, expected):
            return Response(
                b"", status_code=401, headers=_REFUSED, media_type="text/plain; charset=utf-8"
            )
        text = await asyncio.to_thread(page.render)
        return Response(text, media_type=page.content_type)

    return [metrics]
