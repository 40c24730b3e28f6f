"""Reading parsed protobuf JSON: names in two spellings, numbers as strings, lists of one.

What protobuf JSON allows: https://protobuf.dev/programming-guides/json/. That a single object may
stand for a list is not in there, but Google's servers take it and its examples use it.
"""

from collections.abc import Iterator
from typing import cast

from adapters.wire.gemini_generate.spelling import given_twice
from adapters.wire.reading import JsonObject, Members, missing, wrong_type


class SpelledMembers(Members):
    """`Members` whose names may be in snake_case; taken, and asked for, in camelCase.

    Errors and leftovers have the names as the client wrote them.
    """

    __slots__ = ("_own",)

    def __init__(self, value: object, path: str, unmapped: list[str]) -> None:
        """See `Members`.

        Raises:
            InvalidRequest: `value` is no object, or has a member under both of its names.
        """
        self._own: dict[str, str] = {}
        super().__init__(value, path, unmapped)
        for name in [name for name in self._left if "_" in name]:
            camel = camel_case(name)
            if camel == name:
                continue
            if camel in self._left:
                raise given_twice(self.name(camel))
            self._left[camel] = self._left.pop(name)
            self._own[camel] = name

    def name(self, member: str) -> str:
        """Return the path of a member, in the client's spelling."""
        return super().name(self._own.get(member, member))

    def members(self, member: str) -> "SpelledMembers | None":
        """Take an object to be read member by member; call `done` on it."""
        value = self.any(member)
        return None if value is None else SpelledMembers(value, self.name(member), self._unmapped)

    def required_members(self, member: str) -> "SpelledMembers":
        """Take an object to be read member by member that must be there."""
        found = self.members(member)
        if found is None:
            raise missing(self.name(member))
        return found

    def nested(self, value: object, path: str) -> "SpelledMembers":
        """Return a value from inside, to be read member by member."""
        return SpelledMembers(value, path, self._unmapped)

    def list(self, member: str) -> list[object] | None:
        """Take a list of anything; a single object is a list of one."""
        value = self.any(member)
        if isinstance(value, dict):
            return [cast("JsonObject", value)]
        if value is None or isinstance(value, list):
            return cast("list[object] | None", value)
        raise wrong_type(self.name(member), "a list", value)

    def objects(self, member: str) -> "Iterator[SpelledMembers]":
        """Take a list of objects to be read member by member; nothing when absent."""
        path = self.name(member)
        for index, value in enumerate(self.list(member) or []):
            yield SpelledMembers(value, f"{path}[{index}]", self._unmapped)

    def integer(self, member: str) -> int | None:
        """Take a whole number, also one in quotes."""
        value = self._left.get(member)
        if isinstance(value, str):
            self._left[member] = _number(value)
        return super().integer(member)

    def number(self, member: str) -> float | None:
        """Take a number, also one in quotes."""
        value = self._left.get(member)
        if isinstance(value, str):
            self._left[member] = _number(value)
        return super().number(member)

    def put(self, member: str, value: object) -> None:
        """Put a member back that was taken."""
        self._left[member] = value

    def skip(self, member: str) -> None:
        """Take a member that has no place and note it as unmapped, if it is there."""
        if self.any(member) is not None:
            self.note(member)

    def note_value(self, member: str, value: str) -> None:
        """Note that one value of a member has no place."""
        self._unmapped.append(f"{self.name(member)}={value}")


def camel_case(name: str) -> str:
    """Return the name of a member in camelCase; what is not in snake_case stays as it is."""
    head, *rest = name.split("_")
    if not head or not all(word and word[0].islower() for word in rest):
        return name
    return head + "".join(word[0].upper() + word[1:] for word in rest)


def _number(text: str) -> object:
    """Return the number that `text` spells, or `text` for the error message."""
    try:
        return int(text) if len(text) <= 20 else float(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text
