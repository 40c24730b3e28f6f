"""Lists of the console, from their first page to their last."""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from entrypoints.cli.console_api import ConsoleApi

_PAGE = "500"


class _Page(Struct):
    """The part of a page that is walked."""

    items: list[msgspec.Raw]
    next_cursor: str | None = None


def every_item(console: ConsoleApi, path: str, query: dict[str, str]) -> Iterator[msgspec.Raw]:
    """Yield every item of a list, page by page."""
    cursor: str | None = None
    while True:
        more = {"cursor": cursor} if cursor is not None else {}
        answer = console.get(path, {**query, "limit": _PAGE, **more})
        page = msgspec.json.decode(answer, type=_Page)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return
