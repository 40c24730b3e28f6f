"""The pipeline of an inference request, read from top to bottom."""

from functools import partial

from msgspec import structs

from application.gateway.admission import Admission
from application.gateway.authenticate import Authenticator
from application.gateway.call import InferenceCall, Reply
from application.gateway.dispatch import Dispatcher
from application.gateway.kept_responses import KeptResponses
from application.gateway.relay import Relay
from application.gateway.routing import Router
from application.gateway.settlement import Books
from application.gateway.told_failures import without_route
from application.runtime.large_bodies import LargeBodies
from application.runtime.snapshot import CurrentSnapshot
from domain.routing.naming import model_for


class HandleInference:
    """Authenticate, authorise, admit, route, relay; one record whatever happens."""

    def __init__(
        self,
        runtime: CurrentSnapshot,
        keys: Authenticator,
        books: Books,
        router: Router,
        admission: Admission,
        dispatcher: Dispatcher,
        relay: Relay,
        bodies: LargeBodies,
        kept: KeptResponses,
    ) -> None:
        """All collaborators are shared by every request of the process."""
        self._runtime = runtime
        self._keys = keys
        self._books = books
        self._router = router
        self._admission = admission
        self._dispatcher = dispatcher
        self._relay = relay
        self._bodies = bodies
        self._kept = kept

    async def handle(self, call: InferenceCall) -> Reply:
        """Return the reply to a call; until then nothing has been sent and errors are raised.

        Raises:
            DomainError: the request was refused or failed; its record has been written.
        """
        with self._books.open(call) as settlement:
            caller = await self._keys.authenticate(call.credentials, call.surface, call.client_ip)
            settlement.identify(caller)
            limit = self._runtime.get().settings.integer("gateway.max_body_bytes")
            call.body = await call.read_body(limit)
            # One snapshot for the rest of the call, taken after a body that may have been slow.
            now = self._runtime.get()
            peek = partial(
                call.codec.peek,
                max_depth=now.settings.integer("gateway.max_json_depth"),
                target=call.target,
            )
            call.head = head = await self._bodies.work(call.body, peek)
            if head.metadata:
                call.tags = {**head.metadata, **call.tags}
            origin = None
            if head.continues is not None:
                origin = await self._kept.origin_of(head.continues, caller, call.operation)
                settlement.go_on_from(origin)
                if not head.model:
                    call.head = head = structs.replace(head, model=origin.model)
            model = model_for(
                now.catalog,
                head.model,
                caller.may_use,
                guess_by_prefix=now.settings.flag("routing.guess_model_by_prefix"),
            )
            settlement.choose_model(model)
            plan = await self._router.plan(call, head, model, caller.may_use, origin, now)
            if not plan.attempts:
                raise without_route(plan)
            ticket = self._admission.ticket(call, head, plan.models)
            settlement.hold(ticket)
            await self._admission.reserve(ticket, call, caller, model, plan, now)
            if plan.binds_attempts:
                settlement.admit()  # each attempt waits for its own limits first
            call.dispatched = True
            opened = await self._dispatcher.first_content(call, head, plan, ticket, now, settlement)
            return self._relay.reply(call, opened, settlement)
