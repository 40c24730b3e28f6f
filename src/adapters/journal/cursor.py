"""How far a journal was shipped, in a file that is replaced as a whole."""

import logging
from pathlib import Path

import msgspec

from application.ports.backlog import Mark, Progress

CURSOR_NAME = "cursor"
START = Progress(confirmed=Mark(0, 0), shipped=Mark(0, 0))

_log = logging.getLogger(__name__)
_decoder = msgspec.json.Decoder(Progress)


def load_cursor(directory: Path) -> Progress:
    """Return the saved progress; the beginning if there is none or it cannot be read."""
    try:
        return _decoder.decode((directory / CURSOR_NAME).read_bytes())
    except FileNotFoundError:
        return START
    except (OSError, msgspec.MsgspecError):
        _log.warning("unreadable cursor in %s: shipping from the beginning", directory.name)
        return START


def store_cursor(directory: Path, progress: Progress) -> None:
    """Replace the saved progress. Raises `OSError`."""
    fresh = directory / f".{CURSOR_NAME}"
    fresh.write_bytes(msgspec.json.encode(progress))
    fresh.replace(directory / CURSOR_NAME)
