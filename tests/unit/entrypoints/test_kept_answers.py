"""What becomes of a claimed `Idempotency-Key` when the answer leaves."""

from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from litestar.exceptions import NotFoundException
from litestar.types import ASGIApp, Receive, Scope, Send

from adapters.memory.idempotency import MemoryIdempotencyKeys
from adapters.system.identifiers import UuidGenerator
from application.console.idempotency import IdempotentRequests, OutcomeUnknown
from application.ports.idempotency import KeptAnswer, KeyClaim
from domain.errors import Conflict, Overloaded, ServiceUnavailable, UpstreamTimeout
from domain.secret import Secret
from entrypoints.asgi import REQUEST_ID, AnyRequest
from entrypoints.console.idempotency import CLAIM, KeepAnswers
from entrypoints.console.problems import NOTHING_DONE, problem_response
from tests.support.manual_clock import ManualClock


class FailingKeys(MemoryIdempotencyKeys):
    """The store goes away while a request is carried out."""

    async def complete(self, claim: KeyClaim, answer: KeptAnswer) -> None:
        raise ServiceUnavailable("away")

    async def release(self, claim: KeyClaim) -> None:
        raise ServiceUnavailable("away")


def answering(
    requests: IdempotentRequests, status: int, *chunks: bytes, nothing_done: bool = False
) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"][CLAIM] = await requests.begin("k", "POST /a", b"x")
        if nothing_done:
            scope["state"][NOTHING_DONE] = True
        await send({"type": "http.response.start", "status": status, "headers": []})
        for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return KeepAnswers(app, requests)


async def post(app: Any) -> httpx.Response:
    async def with_state(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "state": {}}, receive, send)

    transport = httpx.ASGITransport(app=with_state)
    async with httpx.AsyncClient(transport=transport, base_url="http://console") as http:
        return await http.post("/a")


def requests_in(keys: MemoryIdempotencyKeys) -> IdempotentRequests:
    return IdempotentRequests(keys, ManualClock(), UuidGenerator(), secret=Secret("of this test"))


@pytest.fixture
def requests() -> IdempotentRequests:
    return requests_in(MemoryIdempotencyKeys())


async def test_a_success_is_kept_whole(requests: IdempotentRequests) -> None:
    told = await post(answering(requests, 201, b'{"id":1.10,', b'"secret":"s3cret"}'))
    assert told.json() == {"id": 1.10, "secret": "s3cret"}
    kept = await requests.begin("k", "POST /a", b"x")
    assert isinstance(kept, KeptAnswer)
    assert (kept.status, kept.body) == (201, b'{"id":1.10,"secret":null}')


@pytest.mark.parametrize("status", [400, 403, 409, 429, 502, 503])
async def test_after_a_failure_that_did_nothing_the_key_is_free(
    requests: IdempotentRequests, status: int
) -> None:
    app = answering(requests, status, b"{}", nothing_done=True)
    assert (await post(app)).status_code == status
    assert isinstance(await requests.begin("k", "POST /a", b"x"), KeyClaim)


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_what_may_have_been_done_is_not_done_again(
    requests: IdempotentRequests, status: int
) -> None:
    assert (await post(answering(requests, status, b"{}"))).status_code == status
    with pytest.raises(OutcomeUnknown):
        await requests.begin("k", "POST /a", b"x")


@pytest.mark.parametrize("status", [201, 409])
async def test_who_asked_gets_the_answer_though_it_cannot_be_kept(status: int) -> None:
    requests = requests_in(FailingKeys())
    app = answering(requests, status, b'{"secret":"s3cret"}', nothing_done=status == 409)
    told = await post(app)
    assert (told.status_code, told.json()) == (status, {"secret": "s3cret"})
    with pytest.raises(OutcomeUnknown):
        await requests.begin("k", "POST /a", b"x")


@pytest.mark.parametrize(
    ("error", "nothing_done"),
    [
        (Conflict("taken"), True),
        (UpstreamTimeout("slow"), True),
        (Overloaded("busy", retry_after_ms=2000), True),
        (NotFoundException(), True),
        (RecursionError(), True),
        (ServiceUnavailable("away"), False),
        (RuntimeError("a fault of ours"), False),
    ],
)
def test_what_is_known_to_have_done_nothing(error: Exception, nothing_done: bool) -> None:
    state: dict[str, object] = {REQUEST_ID: "r-1"}
    problem_response(cast("AnyRequest", SimpleNamespace(scope={"state": state})), error)
    assert state.get(NOTHING_DONE, False) is nothing_done
