"""Request records from the console's API: the newest ones, then what arrives."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import count

import msgspec
from msgspec import Raw, Struct

from entrypoints.cli.console_api import ConsoleUnreachable

PATH = "/api/requests"
PAGE = 500
# Records show up at a place up to 15 s back (ARRIVAL_SETTLES_MS of the port): look there as well,
# but not at every poll.
LOOK_BACK_MS = 20_000
LOOK_BACK_EVERY = 5
REMEMBERED = 100_000
LONGEST_PAUSE_S = 30.0

Get = Callable[[str, dict[str, str]], bytes]


class Named(Struct, frozen=True):
    """What tells records apart."""

    event_id: str


class Page(Struct, frozen=True, rename={"next": "next_cursor", "tail": "tail_cursor"}):
    """A page of the API; records stay as they came."""

    items: tuple[Raw, ...]
    tail: str
    next: str | None = None


_page = msgspec.json.Decoder(Page)
_named = msgspec.json.Decoder(Named)


class RecordFeed:
    """Reads pages and sees to it that a record is given out once."""

    def __init__(self, get: Get, filters: dict[str, str]) -> None:
        """Ask with `get(path, query)` for records that match `filters`."""
        self._get = get
        self._filters = filters
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._cursor = ""

    def newest(self, limit: int) -> list[bytes]:
        """Return up to `limit` records, oldest first."""
        records: list[bytes] = []
        query = {"order": "newest"}
        while len(records) < limit:
            page = self._ask({**query, "limit": str(min(PAGE, limit - len(records)))})
            records += [bytes(item) for item in page.items]
            if page.next is None:
                break
            query["cursor"] = page.next
        return records[::-1]

    def follow(self, limit: int, sleep: Callable[[float], None]) -> Iterator[list[bytes]]:
        """Yield the newest `limit` records, then for ever what arrives, each record once.

        `sleep` is called between polls; a console that is away is asked again with growing pauses.
        """
        # What is stored already is no news, whether it is among the newest or not.
        self._cursor = self._ask({"order": "newest", "limit": "1"}).tail
        self._arrived(look_back=False)
        newest = self.newest(limit)
        for record in newest:
            self._is_new(record)
        yield newest
        pause = 1.0
        for poll in count(1):
            sleep(pause)
            try:
                yield self._arrived(look_back=poll % LOOK_BACK_EVERY == 0)
            except ConsoleUnreachable:
                pause = min(LONGEST_PAUSE_S, pause * 2)
            else:
                pause = 1.0

    def _arrived(self, *, look_back: bool) -> list[bytes]:
        """Return what was stored since the last call and has not been given out."""
        arrived: list[bytes] = []
        query = {"overlap_ms": str(LOOK_BACK_MS)} if look_back else {}
        cursor = self._cursor
        while True:
            page = self._ask({**query, "order": "arrival", "limit": str(PAGE), "cursor": cursor})
            arrived += [bytes(item) for item in page.items]
            cursor = page.next or cursor
            query = {}
            if len(page.items) < PAGE:
                break
        # Only now, when no page can fail any more, do they count as given out.
        self._cursor = cursor
        return [record for record in arrived if self._is_new(record)]

    def _ask(self, query: dict[str, str]) -> Page:
        return _page.decode(self._get(PATH, {**self._filters, **query}))

    def _is_new(self, record: bytes) -> bool:
        event_id = _named.decode(record).event_id
        is_new = event_id not in self._seen
        self._seen[event_id] = None
        self._seen.move_to_end(event_id)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return is_new
