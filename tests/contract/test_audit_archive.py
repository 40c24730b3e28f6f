"""The audit trail over every store: committed with the change or not at all, chained, searchable."""

import asyncio

import pytest
from msgspec.structs import replace

from application.ports.audit_log import AuditArchive, AuditFilter, Checkpoint
from domain.access.actor import Actor, ActorKind, Origin
from domain.access.rights import UNLIMITED
from domain.records.audit import (
    AuditOutcome,
    AuditTarget,
    Break,
    ChainHead,
    verify,
)
from domain.secret import Secret
from tests.support.configuration import Configuration, a_team

PORTS = (AuditArchive,)
ADA = Actor(
    kind=ActorKind.USER,
    id="ada",
    name="ada@example.com",
    rights=UNLIMITED,
    origin=Origin(ip="192.0.2.7", user_agent="curl/8", request_id="r1"),
)
KEY = AuditTarget(kind="key", id="k1", name="ci")


async def _record(stored: Configuration, *actions: str, by: Actor = ADA) -> None:
    async with stored.audited.begin() as tx:
        for action in actions:
            tx.audit.record(by, action, KEY)
        await tx.commit()


async def test_a_change_and_its_record_are_committed_together(stored: Configuration) -> None:
    team = a_team()
    async with stored.audited.begin() as tx:
        await tx.teams.add(team)
        tx.audit.record(
            ADA,
            "team.create",
            AuditTarget(kind="team", id=team.id, name=team.name),
            after={"name": team.name, "api_key": Secret("hidden"), "hash": "hidden", "n": 7},
            reason="new team",
        )
        await tx.commit()
    [row] = await stored.archive.rows(0, 10)
    found = row.entry()
    assert (found.actor_name, found.ip, found.user_agent) == (ADA.name, "192.0.2.7", "curl/8")
    assert (found.action, found.reason, found.outcome) == (
        "team.create",
        "new team",
        AuditOutcome.SUCCESS,
    )
    assert found.after == {"name": team.name, "api_key": "…", "hash": "…", "n": 7}
    assert "hidden" not in row.content


async def test_what_was_not_committed_is_in_no_trail(stored: Configuration) -> None:
    async with stored.audited.begin() as tx:
        tx.audit.record(ADA, "key.create", KEY)
    assert await stored.archive.rows(0, 10) == []
    assert await stored.archive.head() == ChainHead()


async def test_a_change_without_a_record_cannot_be_committed(stored: Configuration) -> None:
    async with stored.audited.begin() as tx:
        await tx.teams.add(a_team())
        with pytest.raises(RuntimeError):
            await tx.commit()
    async with stored.uow.begin() as tx:
        assert await tx.teams.all() == []


async def test_the_rows_are_one_chain_whoever_writes_at_the_same_time(
    stored: Configuration,
) -> None:
    await asyncio.gather(*(_record(stored, "key.create", "key.revoke") for _ in range(8)))
    rows = await stored.archive.rows(0, 100)
    assert [row.sequence for row in rows] == list(range(1, 17))
    assert verify(ChainHead(), rows) == await stored.archive.head()


async def test_text_that_no_store_takes_is_made_harmless(stored: Configuration) -> None:
    strange = replace(ADA, name="a\x00b\ud800", origin=Origin(user_agent="\x00" + "x" * 5000))
    await _record(stored, "key.create", by=strange)
    [row] = await stored.archive.rows(0, 10)
    assert row.entry().actor_name == "ab?"
    assert verify(ChainHead(), [row]) == await stored.archive.head()


async def test_a_very_large_state_is_told_by_size_and_digest(stored: Configuration) -> None:
    async with stored.audited.begin() as tx:
        tx.audit.record(ADA, "settings.apply", KEY, before={"text": "x" * 100_000})
        await tx.commit()
    [row] = await stored.archive.rows(0, 10)
    before = row.entry().before
    assert before is not None
    assert before.keys() == {"too_long"}


async def test_an_altered_row_is_the_first_that_does_not_verify(stored: Configuration) -> None:
    await _record(stored, "key.create", "key.rotate", "key.revoke")
    first, second, third = await stored.archive.rows(0, 10)
    edited = replace(second, content=second.content.replace("key.rotate", "key.rotatE"))
    for rows, number in (
        ([first, edited, third], 2),
        ([first, third], 2),
        ([second, third], 1),
        ([first, third, second], 2),
        ([first, second, second, third], 2),
        ([replace(first, hash=bytes(32)), second], 1),
    ):
        found = verify(ChainHead(), rows)
        assert isinstance(found, Break)
        assert found.sequence == number


async def test_events_are_found_by_what_they_say(stored: Configuration) -> None:
    await _record(stored, "key.create", "key.rotate")
    grace = replace(ADA, id="grace", name="grace@example.com", origin=Origin(request_id="r2"))
    await _record(stored, "team.create", by=grace)

    async def actions(**wanted: object) -> list[str]:
        filtered = AuditFilter(**wanted)  # pyright: ignore[reportArgumentType]
        rows = await stored.archive.search(filtered, before=None, limit=10)
        assert await stored.archive.count(filtered) == len(rows)
        return [row.entry().action for row in rows]

    assert await actions() == ["team.create", "key.rotate", "key.create"]
    assert await actions(action="key.") == ["key.rotate", "key.create"]
    assert await actions(action="key.create") == ["key.create"]
    assert await actions(actor_id="grace") == ["team.create"]
    assert await actions(text="GRACE@") == ["team.create"]
    assert await actions(text="%") == []
    assert await actions(ip="192.0.2.7", outcome=AuditOutcome.SUCCESS) == [
        "key.rotate",
        "key.create",
    ]
    assert await actions(request_id="r2") == ["team.create"]
    assert await actions(since_ms=2**53) == []
    newest = await stored.archive.search(AuditFilter(), before=3, limit=1)
    assert [row.sequence for row in newest] == [2]


async def test_checkpoints_stay_as_they_were_made(stored: Configuration) -> None:
    first = Checkpoint(sequence=3, hash=bytes(32), at_ms=1000, key_id="k", signature=b"s" * 64)
    await stored.archive.add_checkpoint(first)
    await stored.archive.add_checkpoint(replace(first, signature=b"t" * 64))
    assert await stored.archive.checkpoints() == [first]


async def test_checkpoints_are_read_by_the_numbers_of_their_events(stored: Configuration) -> None:
    assert await stored.archive.last_checkpoint() is None
    made = [
        Checkpoint(sequence=number, hash=bytes(32), at_ms=1000, key_id="k", signature=b"s" * 64)
        for number in (9, 3, 6)
    ]
    for each in made:
        await stored.archive.add_checkpoint(each)
    nine, three, six = made
    assert await stored.archive.last_checkpoint() == nine
    assert await stored.archive.checkpoints() == [three, six, nine]
    assert await stored.archive.checkpoints(after=3, until=6) == [six]
    assert await stored.archive.checkpoints(after=6) == [nine]
    assert await stored.archive.checkpoints(until=6) == [three, six]
