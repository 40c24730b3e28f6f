"""What every sink of request records promises to the storing job."""

import msgspec
import pytest

from application.jobs.shipment import batch_of
from application.ports.request_log import Arrival, RequestFilter
from domain.errors import InvalidRequest
from tests.support.record_store import Store
from tests.support.request_records import abandoned, batch_of_records, make_record

EVERYTHING = RequestFilter()


async def test_a_delivered_batch_can_be_read(store: Store) -> None:
    records = [make_record() for _ in range(3)]
    await store.sink.deliver([batch_of_records(*records)])
    assert list(await store.log.newest(EVERYTHING, limit=10)) == records[::-1]


async def test_several_batches_are_one_delivery(store: Store) -> None:
    records = [make_record() for _ in range(3)]
    await store.sink.deliver([batch_of_records(record) for record in records])
    assert list(await store.log.newest(EVERYTHING, limit=10)) == records[::-1]


async def test_a_batch_delivered_twice_is_stored_once(store: Store) -> None:
    batch = batch_of_records(make_record(), make_record())
    await store.sink.deliver([batch])
    await store.sink.deliver([batch])
    assert len(await store.log.newest(EVERYTHING, limit=10)) == 2


async def test_a_record_delivered_again_in_another_batch_is_stored_once(store: Store) -> None:
    first, second, third = make_record(), make_record(), make_record()
    await store.sink.deliver([batch_of_records(first, second)])
    before = await store.log.arrivals(EVERYTHING, limit=10, after=Arrival(0, ""))
    await store.sink.deliver([batch_of_records(second, third)])
    found = await store.log.newest(EVERYTHING, limit=10)
    assert list(found) == [third, second, first]
    after = await store.log.arrivals(EVERYTHING, limit=10, after=Arrival(0, ""))
    assert list(after[:2]) == list(before), "a record must keep the place it was first seen at"


@pytest.mark.parametrize("order", ["final first", "abandoned first"])
async def test_a_final_record_beats_an_abandoned_one(store: Store, order: str) -> None:
    final = make_record()
    pair = [final, abandoned(final)]
    for record in pair if order == "final first" else pair[::-1]:
        await store.sink.deliver([batch_of_records(record)])
    assert list(await store.log.newest(EVERYTHING, limit=10)) == [final]


async def test_fields_of_a_newer_version_are_passed_over(store: Store) -> None:
    record = make_record()
    fields = msgspec.json.decode(msgspec.json.encode(record))
    fields["from_the_future"] = {"a": [1, 2]}
    fields["attempts"][0]["also_new"] = "x"
    await store.sink.deliver([batch_of([msgspec.json.encode(fields)])])
    assert await store.log.find(record.event_id) == record


@pytest.mark.parametrize(
    "line",
    [
        b"garbage",
        b'{"event_id":"e","started_at_ms":1,"status":"x"',
        b'{"event_id":"e","started_at_ms":"yesterday"}',
        b'{"event_id":"e","started_at_ms":1760000000000,"attempts":5}',
        b'{"event_id":"","started_at_ms":1760000000000}',
        b'{"event_id":"e","started_at_ms":0}',
    ],
)
async def test_a_row_it_can_never_take_is_refused_with_its_batch(store: Store, line: bytes) -> None:
    good = make_record()
    with pytest.raises(InvalidRequest):
        await store.sink.deliver([batch_of([msgspec.json.encode(good), line])])
    await store.sink.deliver([batch_of_records(good)])
    assert list(await store.log.newest(EVERYTHING, limit=10)) == [good]
