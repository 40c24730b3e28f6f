"""Where a request may go: the plan of its attempts."""

from collections.abc import Callable
from functools import partial

from msgspec import Struct

from application.gateway.call import InferenceCall
from application.ports.clock import Clock, Randomness
from application.ports.dialect import ConversationCodec
from application.ports.response_origins import ResponseOrigin
from application.runtime.large_bodies import LargeBodies
from application.runtime.snapshot import RuntimeSnapshot
from domain.accounting.estimate import likely_usage
from domain.errors import InvalidRequest
from domain.inference.head import RequestHead
from domain.routing.affinity import AffinityKey, affinity_key
from domain.routing.board import HealthBoard
from domain.routing.capabilities import Capability, RequestNeeds
from domain.routing.catalog import Affinity, Model, Strategy
from domain.routing.fallback import fallback_chain
from domain.routing.plan import RoutePlan, plan_routes
from domain.routing.requirements import depends_on_features, features_of


class _Content(Struct, frozen=True):
    """What routing takes from the whole body of a request."""

    features: frozenset[Capability] = frozenset()
    affinity: AffinityKey | None = None


class Router:
    """Plans on the snapshot and on what this replica knows of its routes; asks nobody."""

    def __init__(
        self, board: HealthBoard, clock: Clock, randomness: Randomness, bodies: LargeBodies
    ) -> None:
        """All collaborators are shared by every request of the process."""
        self._board = board
        self._clock = clock
        self._randomness = randomness
        self._bodies = bodies

    async def plan(
        self,
        call: InferenceCall,
        head: RequestHead,
        model: Model,
        may_use: Callable[[str], bool],
        origin: ResponseOrigin | None,
        now: RuntimeSnapshot,
    ) -> RoutePlan:
        """Return the plan of a request; it may be empty.

        Args:
            call: the request.
            head: what was read of it.
            model: the one asked for; the caller's right to it was checked.
            may_use: whether the caller may use a model by its name, for fallbacks.
            origin: the kept answer it is about, which only one provider has.
            now: the configuration of the request.
        """
        catalog = now.catalog
        # Reading the whole body costs more than all the rest of routing, so it needs a reason.
        models = fallback_chain(catalog, model, may_use)[0] if model.fallbacks else (model,)
        restricted = any(depends_on_features(catalog, each) for each in models)
        by_prefix = model.affinity is Affinity.PREFIX and not (
            call.session_id or head.prompt_cache_key
        )
        sized = restricted or any(each.strategy is Strategy.COST for each in models)
        content = _Content(affinity=_named_affinity(model, call, head))
        if restricted or by_prefix:
            content = await self._content(call, head, model)
        now_ms = self._clock.now_ms()
        return plan_routes(
            catalog,
            model,
            RequestNeeds(
                operation=call.operation,
                dialect=call.codec.dialect,
                features=content.features,
                input_tokens=_probable_input(call, head) if sized else 0,
                output_tokens=head.max_output_tokens or 0,
                provider_ids=frozenset({origin.provider_id}) if origin is not None else None,
            ),
            partial(self._board.standing, now_ms=now_ms),
            now_ms=now_ms,
            roll=self._randomness.roll(),
            requested=head.model,
            affinity=content.affinity,
            may_use=may_use,
        )

    async def _content(self, call: InferenceCall, head: RequestHead, model: Model) -> _Content:
        """Read the whole body; what cannot be read is the provider's to refuse."""
        seen = {Capability.STREAMING} if head.stream else set[Capability]()
        if head.media.images:
            seen.add(Capability.IMAGES)
        unread = _Content(frozenset(seen), _named_affinity(model, call, head))
        codec = call.codec
        if not isinstance(codec, ConversationCodec):
            return unread

        def read(body: bytes) -> _Content:
            request = codec.decode(body, call.target)
            return _Content(
                features_of(request) | unread.features,
                affinity_key(
                    model.affinity,
                    session_id=call.session_id,
                    prompt_cache_key=head.prompt_cache_key,
                    request=request,
                ),
            )

        try:
            return await self._bodies.work(call.body, read)
        except InvalidRequest:
            return unread


def _named_affinity(model: Model, call: InferenceCall, head: RequestHead) -> AffinityKey | None:
    return affinity_key(
        model.affinity, session_id=call.session_id, prompt_cache_key=head.prompt_cache_key
    )


def _probable_input(call: InferenceCall, head: RequestHead) -> int:
    return likely_usage(
        call.body,
        0,
        images=head.media.images,
        image_bytes=head.media.image_bytes,
        audio_bytes=head.media.audio_bytes,
    ).input_uncached
