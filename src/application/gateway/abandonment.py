"""What a reservation carries so that whoever finds it abandoned can write the request's record."""

import msgspec
from msgspec import Struct

from application.gateway.call import InferenceCall
from domain.accounting.usage import UsageSource
from domain.keys.api_key import Caller
from domain.limits.amounts import Spend
from domain.records.events import Outcome, RequestRecord


class _Identity(Struct, frozen=True, array_like=True):
    """The part of a record that says which request it is of and whom it is charged to."""

    event_id: str
    started_at_ms: int
    request_id: str
    surface: str
    operation: str
    dialect_in: str
    stream: bool
    key_id: str
    key_lineage: str
    key_name: str
    user_id: str
    team_ids: tuple[str, ...]
    cost_centre: str
    model_requested: str


_NAMES = _Identity.__struct_fields__
_decode = msgspec.msgpack.Decoder(_Identity).decode
_encode = msgspec.msgpack.Encoder().encode


def abandoned_context(call: InferenceCall, caller: Caller) -> bytes:
    """Return the context of the claim for `call`."""
    head = call.head
    return _encode(
        _Identity(
            event_id=call.event_id,
            started_at_ms=call.started_at_ms,
            request_id=call.request_id,
            surface=call.surface,
            operation=call.operation,
            dialect_in=call.codec.dialect,
            stream=head.stream if head is not None else False,
            key_id=caller.key_id,
            key_lineage=caller.lineage_id,
            key_name=caller.key_name,
            user_id=caller.user_id or "",
            team_ids=tuple(caller.team_ids),
            cost_centre=caller.cost_centre or "",
            model_requested=head.model if head is not None else "",
        )
    )


def abandoned_record(context: bytes, charged: Spend) -> RequestRecord | None:
    """Return the record of an abandoned request that was charged at its estimate.

    It has the key (`started_at_ms`, `event_id`) of the request's other records, of which the store
    keeps one: a final record, else the one that came first. None for a context that is empty
    (a further reservation of the same request) or not ours.
    """
    try:
        found = _decode(context)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return RequestRecord(
        **{name: getattr(found, name) for name in _NAMES},
        status=0,
        outcome=Outcome.ABANDONED,
        error_class="abandoned",
        error_code="reservation_expired",
        usage_source=UsageSource.ESTIMATED,
        weighted_tokens=charged.tokens,
        cost_nano_usd=charged.nano_usd,
    )
