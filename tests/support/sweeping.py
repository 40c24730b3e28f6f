"""A call and its caller, as the context of a claim knows them."""

from adapters.wire.openai_chat.dialect import OpenAIChatCodec
from application.gateway.call import InferenceCall
from application.ports.dialect import NOT_IN_URL
from domain.identifiers import ApiKeyId, LineageId, TeamId, UserId
from domain.inference.dialect import Operation, Surface
from domain.keys.api_key import Caller, KeyState


async def _no_body(_limit: int) -> bytes:
    return b""


def a_call(event_id: str) -> InferenceCall:
    """Return a call for gpt-4o that has just been read."""
    codec = OpenAIChatCodec()
    body = b'{"model": "gpt-4o", "messages": []}'
    return InferenceCall(
        event_id=event_id,
        request_id=f"req-{event_id}",
        operation=Operation.CHAT,
        codec=codec,
        credentials=(),
        read_body=_no_body,
        started=0.0,
        started_at_ms=1_760_000_000_000,
        body=body,
        head=codec.peek(body, 64, NOT_IN_URL),
    )


def a_caller() -> Caller:
    """Return a key of a user in a team."""
    return Caller(
        key_id=ApiKeyId("k1"),
        lineage_id=LineageId("l1"),
        key_name="ci",
        state=KeyState.ACTIVE,
        surfaces=frozenset({Surface.AI_GATEWAY}),
        user_id=UserId("u1"),
        team_ids=(TeamId("t1"),),
    )
