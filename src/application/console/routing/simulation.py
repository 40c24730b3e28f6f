"""Where would this request go? The plan that the gateway would make, from stored configuration."""

from collections.abc import Mapping

from msgspec import Struct

from application.console.callers import find_caller
from application.console.routing.asked import Asked, CodecOf, SimulatedRequest, read_request
from application.console.routing.reports import merged_health
from application.console.routing.views import (
    Simulated,
    attempt_view,
    exclusion_view,
    routes_by_id,
)
from application.ports.clock import Clock, Randomness
from application.ports.route_health import RouteHealthFeed
from application.ports.unit_of_work import UnitOfWork
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.identifiers import RouteId
from domain.keys.api_key import Caller
from domain.routing.catalog import Catalog, Model
from domain.routing.exclusion import Exclusion, ExclusionReason
from domain.routing.naming import model_for
from domain.routing.plan import RoutePlan, plan_routes
from domain.routing.standing import UNKNOWN, RouteStanding
from domain.settings.catalog import Settings, SettingValue


class SimulateRouting:
    """Makes the same plan as the gateway, with the health that all replicas report."""

    def __init__(
        self,
        uow: UnitOfWork,
        feed: RouteHealthFeed,
        codec_of: CodecOf,
        clock: Clock,
        randomness: Randomness,
        environment: Mapping[str, SettingValue] | None = None,
    ) -> None:
        """`codec_of` reads request bodies as the gateway does; `environment` is of settings."""
        self._environment = environment or {}
        self._uow = uow
        self._feed = feed
        self._codec_of = codec_of
        self._clock = clock
        self._randomness = randomness

    async def simulate(self, by: Actor, wish: SimulatedRequest) -> Simulated:
        """Return where the request would go, and where not. Nothing is sent, counted or kept.

        Raises:
            InvalidRequest: the request is not complete, or cannot be read; `param` names the member.
            PermissionDenied
            NotFound: no such model, key or user.
            ServiceUnavailable: a store cannot be asked now.
        """
        by.require(Permission.ROUTING_SIMULATE)
        stored = await self._read(by, wish)
        asked = read_request(
            wish, self._codec_of, stored.settings.integer("gateway.max_json_depth")
        )
        now_ms = self._clock.now_ms()
        health = await merged_health(self._feed, now_ms)

        def standing_of(route_id: RouteId) -> RouteStanding:
            known = health.get(route_id)
            return UNKNOWN if known is None else known.standing(now_ms)

        model = stored.model(asked.model)
        needs = asked.needs()
        if stored.may_ask_for(asked.model, model):
            plan = plan_routes(
                stored.catalog,
                model,
                needs,
                standing_of,
                now_ms=now_ms,
                roll=self._randomness.roll(),
                requested=asked.model,
                affinity=asked.affinity(model.affinity),
                may_use=stored.may_use,
            )
        else:
            plan = _refused(asked, model)
        return Simulated(
            requested=plan.requested,
            model=model.name,
            strategy=model.strategy,
            affinity=model.affinity,
            kept_by=plan.affinity,
            dialect=needs.dialect,
            operation=needs.operation,
            features=tuple(sorted(needs.features)),
            input_tokens=needs.input_tokens,
            output_tokens=needs.output_tokens,
            attempts=tuple(
                attempt_view(stored.catalog, attempt, place)
                for place, attempt in enumerate(plan.attempts, start=1)
            ),
            exclusions=tuple(
                exclusion_view(stored.catalog, routes_by_id(stored.catalog, model), excluded)
                for excluded in plan.exclusions
            ),
            retry_after_ms=plan.retry_after_ms,
            throttled=plan.throttled,
        )

    async def _read(self, by: Actor, wish: SimulatedRequest) -> "_Stored":
        async with self._uow.begin() as tx:
            caller = None
            if wish.key is not None or wish.user is not None:
                caller = await find_caller(
                    tx, by, Permission.ROUTING_SIMULATE, key=wish.key, user=wish.user
                )
            return _Stored(
                catalog=Catalog.of(await tx.models.all(), await tx.providers.all()),
                settings=Settings(await tx.settings.all(), self._environment),
                caller=caller,
            )


class _Stored(Struct, frozen=True, kw_only=True):
    """What the gateway would know of the request's model and caller."""

    catalog: Catalog
    settings: Settings
    caller: Caller | None

    def may_use(self, name: str) -> bool:
        return self.caller is None or self.caller.may_use(name)

    def model(self, name: str) -> Model:
        """Return the model, whoever asks for it: an operator is told more than a client."""
        guess = self.settings.flag("routing.guess_model_by_prefix")
        return model_for(self.catalog, name, lambda _: True, guess_by_prefix=guess)

    def may_ask_for(self, name: str, model: Model) -> bool:
        """Tell whether the caller may name the model like this (`model_for`)."""
        return self.may_use(name) or self.may_use(model.name)


def _refused(asked: Asked, model: Model) -> RoutePlan:
    return RoutePlan(
        requested=asked.model,
        exclusions=tuple(
            Exclusion(
                route_id=route.id,
                provider_id=route.provider_id,
                model=model.name,
                reason=ExclusionReason.MODEL_NOT_ALLOWED,
            )
            for route in model.routes
        ),
    )
