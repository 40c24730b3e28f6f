"""Names and ids that Bedrock takes: of documents and of tool calls.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolUseBlock.html
"""

import hashlib
import re

_UNFIT_IN_NAME = re.compile(r"[^A-Za-z0-9 ()\[\]-]+")
_SPACES = re.compile(r" {2,}")
_LONGEST_NAME = 200
_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
UNNAMED = "document"


class DocumentNames:
    """Gives each document of a request a name of its own."""

    def __init__(self) -> None:
        """No name is taken."""
        self._taken: set[str] = set()
        self._counts: dict[str, int] = {}

    def name(self, wished: str) -> str:
        """Return `wished` in letters Bedrock takes, numbered if it is taken already."""
        fit = _SPACES.sub(" ", _UNFIT_IN_NAME.sub(" ", wished)).strip()[:_LONGEST_NAME].strip()
        base = name = fit or UNNAMED
        number = self._counts.get(base, 2)
        while name in self._taken:
            ending = f" ({number})"
            name = base[: _LONGEST_NAME - len(ending)] + ending
            number += 1
        self._counts[base] = number
        self._taken.add(name)
        return name


def fitting_id(call_id: str) -> str:
    """Return an id that Bedrock takes; the same for a call and its result."""
    if _ID.fullmatch(call_id):
        return call_id
    return "tooluse_" + hashlib.sha256(call_id.encode()).hexdigest()[:32]
