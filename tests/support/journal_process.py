"""A gateway in miniature, to be killed: it opens and closes requests and ships its journal.

`python -m tests.support.journal_process gateway <root> <instance> <redis url>` appends as fast as it
can and writes `o <event id>` after each open and `c <event id>` after each close to standard output.
`… adopt <root> <consumer> <redis url>` adopts and ships dead journals, writing `a` when it starts.
"""

import asyncio
import os
import random
import sys
from pathlib import Path

from adapters.bus.redis_streams import RedisStreams
from adapters.journal.adoption import FileDeadJournals
from adapters.journal.journal import FileJournal
from adapters.redis.connection import connect
from adapters.system.clock import SystemClock
from adapters.system.randomness import SystemRandomness
from application.jobs.adopt_journals import AdoptJournals
from application.jobs.ship_records import ShipRecords
from domain.records.events import RequestRecord
from tests.support.request_records import abandoned, make_record

IN_FLIGHT = 30


async def serve(root: Path, instance: str, redis_url: str) -> None:
    """Append and ship until killed."""
    clock = SystemClock()
    journal = FileJournal.create(
        root, instance, clock=clock, quota_bytes=lambda: 10**9, segment_bytes=40_000
    )
    redis = connect(redis_url)
    bus = RedisStreams(redis, consumer=instance, clock=clock)
    ship = ShipRecords(
        journal,
        bus,
        clock=clock,
        randomness=SystemRandomness(),
        max_records=17,
        linger_s=0.002,
        confirm_every_s=0.01,
    )
    shipping = asyncio.ensure_future(ship.run())
    running: list[RequestRecord] = []
    number = 0
    while not shipping.done():
        number += 1
        record = make_record(event_id=f"{instance}-{number:06}")
        journal.open(abandoned(record))
        say("o", record.event_id)
        running.append(record)
        if len(running) > IN_FLIGHT:
            done = running.pop(random.randrange(IN_FLIGHT))
            journal.close(done)
            say("c", done.event_id)
        await asyncio.sleep(0 if number % 20 else 0.001)
    await shipping


async def adopt(root: Path, consumer: str, redis_url: str) -> None:
    """Adopt and ship until killed."""
    clock = SystemClock()
    bus = RedisStreams(connect(redis_url), consumer=consumer, clock=clock)
    job = AdoptJournals(
        FileDeadJournals(root),
        bus,
        clock=clock,
        randomness=SystemRandomness(),
        look_every_s=0.01,
        confirm_every_s=0.01,
    )
    say("a", consumer)
    await job.run()


def say(what: str, event_id: str) -> None:
    """Report to the parent; unbuffered, so that what was said was done before."""
    os.write(1, f"{what} {event_id}\n".encode())


if __name__ == "__main__":
    work = {"gateway": serve, "adopt": adopt}[sys.argv[1]]
    asyncio.run(work(Path(sys.argv[2]), sys.argv[3], sys.argv[4]))
