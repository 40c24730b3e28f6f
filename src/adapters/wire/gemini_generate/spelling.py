"""Members with two names: protobuf JSON takes `maxOutputTokens` and `max_output_tokens` alike.

https://protobuf.dev/programming-guides/json/
"""

import re
from collections.abc import Iterable, Mapping

from adapters.wire.members import Member, MemberFinder
from domain.errors import InvalidRequest

_CAPITAL = re.compile(r"[A-Z]")


def snake(name: str) -> str:
    """Return the original name of a member from its name in camelCase."""
    return _CAPITAL.sub(lambda hit: "_" + hit[0].lower(), name)


def given_twice(name: str) -> InvalidRequest:
    """Return the error for a member that is given under both of its names."""
    return InvalidRequest(
        f"The field '{name}' is given more than once, also as '{snake(name)}'.", param=name
    )


class SpelledFinder:
    """Finds top-level members of a JSON object under either of their names."""

    def __init__(self, names: Iterable[str]) -> None:
        """`names` are in camelCase."""
        camel = tuple(names)
        self._spellings = {name: name for name in camel} | {snake(name): name for name in camel}
        self._finder = MemberFinder(self._spellings)

    def find(self, document: bytes) -> Mapping[str, Member]:
        r"""Return the members that the object has, by their names in camelCase.

        Raises:
            InvalidRequest: a member is given twice, be it under both names, or its name is written
                with `\u` escapes.
        """
        found: dict[str, Member] = {}
        for spelling, place in self._finder.find(document).items():
            name = self._spellings[spelling]
            if name in found:
                raise given_twice(name)
            found[name] = place
        return found

    def refuse_ambiguous(self, document: bytes) -> None:
        """Check that nobody can read one of the members differently from us.

        Raises:
            InvalidRequest: as `find`, or a member has its name in another letter case.
        """
        self._finder.refuse_ambiguous(document)
        self.find(document)
