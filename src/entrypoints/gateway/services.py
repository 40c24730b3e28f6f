"""What the app on port 3000 is made of."""

from msgspec import Struct

from application.gateway.handle_inference import HandleInference
from application.gateway.list_models import ListModels
from application.ports.clock import Clock, IdGenerator
from application.ports.telemetry import MetricsPage
from domain.secret import Secret
from entrypoints.client_address import Networks
from entrypoints.gateway.dialects import Dialects
from entrypoints.gateway.keep_alive import KEEP_ALIVE_S
from entrypoints.health import HealthChecks


class Gateway(Struct, frozen=True, kw_only=True):
    """Collaborators of the gateway's routes.

    Attributes:
        cors_origins: web origins whose pages may call it.
        over_tls: it is reached by https.
        metrics, metrics_token: both or none: without them there is no `/metrics`.
    """

    handle_inference: HandleInference
    list_models: ListModels
    dialects: Dialects
    clock: Clock
    ids: IdGenerator
    health: HealthChecks
    trusted_proxies: Networks
    cors_origins: tuple[str, ...] = ()
    over_tls: bool = False
    keep_alive_s: float = KEEP_ALIVE_S
    metrics: MetricsPage | None = None
    metrics_token: Secret | None = None
