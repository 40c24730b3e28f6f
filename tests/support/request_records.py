"""Request records with meaningful defaults, and the batches they travel in."""

from itertools import count
from typing import Any

import msgspec

from application.jobs.shipment import batch_of
from application.ports.records import RecordBatch
from domain.records.events import Attempt, Outcome, RequestRecord

STARTED_MS = 1_760_000_000_000

_numbers = count(1)


def make_record(**overrides: Any) -> RequestRecord:
    """Return the record of a finished request; events are numbered in the order of the calls."""
    number = next(_numbers)
    given: dict[str, Any] = {
        "event_id": f"event-{number:08}",
        "started_at_ms": STARTED_MS + number,
        "request_id": f"req_{number}",
        "surface": "ai_gateway",
        "operation": "chat.completions",
        "dialect_in": "openai_chat",
        "key_id": "key-1",
        "key_name": "ci",
        "user_id": "user-1",
        "user_email": "dev@example.com",
        "team_ids": ("team-1",),
        "model_requested": "gpt-4o",
        "model_served": "gpt-4o-2024-11-20",
        "provider": "openai",
        "attempts": (
            Attempt(
                route_id="route-1",
                provider="openai",
                upstream_model="gpt-4o",
                status=200,
                duration_ms=120.5,
            ),
        ),
        "status": 200,
        "outcome": Outcome.OK,
        "tokens_input_uncached": 11,
        "tokens_output": 7,
        "cost_nano_usd": 1_234_567,
        "cost_by_kind_nano_usd": {"input": 1_000_000, "output": 234_567},
        "price_known": True,
        "ttft_ms": 45.25,
        "duration_ms": 120.5,
        "tags": {"env": "test"},
    }
    return RequestRecord(**{**given, **overrides})


def abandoned(record: RequestRecord) -> RequestRecord:
    """Return what the journal keeps in case the request is never closed."""
    return msgspec.structs.replace(
        record, outcome=Outcome.ABANDONED, status=0, ttft_ms=None, tokens_output=0
    )


def batch_of_records(*records: RequestRecord) -> RecordBatch:
    """Return the records as they travel."""
    return batch_of([msgspec.json.encode(record) for record in records])


def record_of(line: bytes) -> RequestRecord:
    """Return the record of a line."""
    return msgspec.json.decode(line, type=RequestRecord)
