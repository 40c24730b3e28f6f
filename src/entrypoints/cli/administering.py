"""What commands that change the configuration have in common."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import click

from adapters.sql import migrations
from domain.access.actor import system_actor
from domain.durations import parse_duration
from entrypoints.cli.options import configured
from entrypoints.container.administration import Administration, open_administration
from entrypoints.datadir import with_secrets
from entrypoints.stores import stores_for_command

T = TypeVar("T")
BY_COMMAND = system_actor("thinkwatch command")
"""Whoever has the machine and its stores may do everything; the trail says that it was so."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def administer(
    command: str, data_dir: Path | None, work: Callable[[Administration], Awaitable[T]]
) -> T:
    """Run `work` on the stores of the installation, whether or not it is serving.

    An embedded database gets its schema first, like when serving; an external one is migrated only
    by `thinkwatch migrate`.
    """
    config = configured(data_dir=data_dir).config

    async def run() -> T:
        if complete.database_url is None:
            await migrations.upgrade(stores.database_url)
        async with open_administration(complete, stores) as administration:
            return await work(administration)

    with stores_for_command(config, command=command) as stores:
        complete = with_secrets(config)
        return asyncio.run(run())


class Duration(click.ParamType):  # pyright: ignore[reportMissingTypeArgument] - not generic in all versions
    """A duration such as `90d`, as milliseconds."""

    name = "duration"

    def __init__(self, *, zero: bool = False) -> None:
        """With `zero`, a plain `0` is fine too."""
        self._zero = zero

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return milliseconds."""
        if isinstance(value, int):
            return value
        if self._zero and value == "0":
            return 0
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def moment(at_ms: int | None) -> str | None:
    """Return Unix milliseconds as RFC 3339 text in UTC, to the second."""
    if at_ms is None:
        return None
    return (_EPOCH + timedelta(milliseconds=at_ms)).strftime("%Y-%m-%dT%H:%M:%SZ")
