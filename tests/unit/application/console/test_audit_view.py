"""A row of the trail as it is shown, whatever somebody has written into it."""

import pytest
from msgspec import json

from application.console.audit import event_view
from domain.access.actor import system_actor
from domain.identifiers import EventId
from domain.records.audit import AuditTarget, ChainedEvent, ChainHead, chained, entry

BY = system_actor("operator")


def test_a_row_is_shown_as_the_event_it_is() -> None:
    made = entry(BY, "key.create", AuditTarget(kind="key"), event_id=EventId("e"), at_ms=1_000)
    (row,) = chained(ChainHead(), [made])
    assert (event_view(row).action, event_view(row).at.timestamp()) == ("key.create", 1.0)


@pytest.mark.parametrize("at_ms", [2**62, -(2**62), "soon"])
def test_a_forged_row_is_unreadable_and_no_internal_error(at_ms: object) -> None:
    made = entry(BY, "key.create", AuditTarget(kind="key"), event_id=EventId("e"), at_ms=1_000)
    (row,) = chained(ChainHead(), [made])
    content = json.decode(row.content)
    content["entry"]["at_ms"] = at_ms
    forged = ChainedEvent(
        sequence=1,
        content=json.encode(content).decode(),
        previous_hash=row.previous_hash,
        hash=row.hash,
    )
    assert event_view(forged).outcome == "unreadable"
