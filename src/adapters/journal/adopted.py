"""Taking over what a dead process left: whose lock is free is dead."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from adapters.journal.holding import HeldDirectory, journal_directories, sweep, try_hold

_Found = TypeVar("_Found")

_log = logging.getLogger(__name__)


class AdoptedDirectory:
    """A directory held in place of its dead process; nothing is written to it but the cursor."""

    def __init__(self, held: HeldDirectory) -> None:
        """Take over `held`."""
        self.name = held.path.name
        self.path = held.path
        self._held = held

    async def remove(self) -> None:
        """Delete the directory; everything in it is delivered."""
        await asyncio.to_thread(self._held.remove)

    def release(self) -> None:
        """Let another process adopt it."""
        self._held.release()


async def adopt_one(root: Path, take: Callable[[HeldDirectory], _Found]) -> _Found | None:
    """Hold a directory of a dead process under `root` and return what `take` makes of it.

    One that `take` cannot read (`OSError`, `MsgspecError`) is released and passed over. None: there
    is nothing to adopt.
    """
    return await asyncio.to_thread(_adopt_one, root, take)


def _adopt_one(root: Path, take: Callable[[HeldDirectory], _Found]) -> _Found | None:
    sweep(root)
    for directory in journal_directories(root):
        held = try_hold(directory)
        if held is None:
            continue
        try:
            return take(held)
        except (OSError, msgspec.MsgspecError):
            held.release()
            _log.exception("%s/%s cannot be read", root.name, directory.name)
    return None
