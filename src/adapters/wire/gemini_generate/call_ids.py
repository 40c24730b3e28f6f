"""Ids of function calls, which are optional here: results are else paired by name and order.

https://ai.google.dev/api/caching#FunctionCall
"""

import hashlib
import re

from adapters.wire.waiting_calls import WaitingCalls

_MADE = "gmn_"
_UNFIT = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_NAME = 32


def is_made_up(call_id: str) -> bool:
    """Tell whether the id was made here, for a call that had none."""
    return call_id.startswith(_MADE)


class ConversationIds:
    """Ids of the calls and results of one request.

    Made ids depend on the position and name of their call only, so they stay the same when the
    conversation grows.
    """

    def __init__(self) -> None:
        """No call has been seen."""
        self._count = 0
        self._waiting = WaitingCalls()

    def of_call(self, given: str | None, name: str) -> str:
        """Return the id of the next call."""
        call_id = given or _made(str(self._count), name)
        self._count += 1
        self._waiting.add(call_id, name)
        return call_id

    def of_result(self, given: str | None, name: str) -> str:
        """Return the id of the call that the next result answers."""
        call_id = given or self._waiting.next(name)
        if call_id:
            self._waiting.answer(call_id)
            return call_id
        self._count += 1
        return _made(f"r{self._count}", name)


class ReplyIds:
    """Ids of the calls of one answer, unlike those of any other answer."""

    def __init__(self, seed: str) -> None:
        """`seed` tells answers apart: the provider's id of it."""
        self._seed = hashlib.sha256(seed.encode()).hexdigest()[:12]
        self._count = 0

    def of_call(self, given: str | None, name: str) -> str:
        """Return the id of the next call."""
        self._count += 1
        return given or _made(f"{self._seed}_{self._count}", name)

    def of_result(self, given: str | None, name: str) -> str:
        """Return an id for a result, which answers do not have."""
        return given or name


def _made(position: str, name: str) -> str:
    """Return an id that every vendor takes: at most 64 letters, digits, `_` and `-`."""
    return f"{_MADE}{position}_{_UNFIT.sub('-', name)[:_LONGEST_NAME]}"
