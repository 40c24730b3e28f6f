"""What the app on port 3000 is made of."""

from msgspec import Struct

from application.gateway.handle_inference import HandleInference
from application.gateway.list_models import ListModels
from application.ports.clock import Clock, IdGenerator
from application.ports.dialect import DialectCodec
from entrypoints.client_address import Networks
from entrypoints.health import HealthChecks


class Gateway(Struct, frozen=True, kw_only=True):
    """Collaborators of the gateway's routes."""

    handle_inference: HandleInference
    list_models: ListModels
    openai_chat: DialectCodec
    clock: Clock
    ids: IdGenerator
    health: HealthChecks
    trusted_proxies: Networks
