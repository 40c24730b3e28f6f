"""What the console knows of routing: the codecs that read requests, and the replicas' reports."""

from adapters.redis.route_health import RedisRouteHealthFeed
from application.console.routing.asked import CodecOf
from application.console.routing.simulation import SimulateRouting
from application.console.routing.states import RouteStates
from application.ports.dialect import DialectCodec
from application.ports.unit_of_work import UnitOfWork
from domain.inference.dialect import Dialect, Operation
from entrypoints.console.services import RoutingServices
from entrypoints.container.dialects import build_dialects
from entrypoints.container.process import Process


def open_routing(process: Process, uow: UnitOfWork) -> RoutingServices:
    """Open the use cases about routing."""
    reports = RedisRouteHealthFeed(process.redis)
    return RoutingServices(
        simulation=SimulateRouting(
            uow,
            reports,
            codec_by_dialect(),
            process.clock,
            process.randomness,
            process.config.settings,
        ),
        states=RouteStates(uow, reports, process.clock),
    )


def codec_by_dialect() -> CodecOf:
    """Return who reads simulated requests: the codecs of the gateway."""
    dialects = build_dialects()
    by_dialect = {
        Dialect.OPENAI_CHAT: dialects.openai_chat,
        Dialect.OPENAI_RESPONSES: dialects.openai_responses,
        Dialect.ANTHROPIC_MESSAGES: dialects.anthropic,
        Dialect.GEMINI_GENERATE: dialects.gemini,
        Dialect.BEDROCK_CONVERSE: dialects.bedrock,
    }

    def codec_of(dialect: Dialect, operation: Operation) -> DialectCodec:
        return by_dialect.get(dialect) or dialects.relay(operation, b"application/json")

    return codec_of
