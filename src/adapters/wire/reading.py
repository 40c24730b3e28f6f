"""Reading parsed JSON member by member, so that errors name the field and leftovers are known."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, cast

from domain.errors import InvalidRequest

_T = TypeVar("_T")

JsonObject = dict[str, object]
JsonList = list[object]


class Members:
    """One JSON object of a request: members are taken out, and what is left over can be asked for.

    Null counts as absent. Every error is `InvalidRequest` with the path as its `param`.
    """

    __slots__ = ("_left", "_unmapped", "path")

    def __init__(self, value: object, path: str, unmapped: list[str]) -> None:
        """`path` is the client's name of the object, empty for the body.

        `unmapped` collects the paths of members nobody took; it is shared by a whole request.

        Raises:
            InvalidRequest: `value` is no object.
        """
        if not isinstance(value, dict):
            raise wrong_type(path, "an object", value)
        self.path = path
        self._left = dict(cast("JsonObject", value))
        self._unmapped = unmapped

    def name(self, member: str) -> str:
        """Return the path of a member."""
        return f"{self.path}.{member}" if self.path else member

    def has(self, member: str) -> bool:
        """Tell whether a member is there, not null, and not taken yet."""
        return self._left.get(member) is not None

    def any(self, member: str) -> object:
        """Take a member of any type."""
        return self._left.pop(member, None)

    def text(self, member: str) -> str | None:
        """Take a string."""
        value = self._left.pop(member, None)
        if value is None or isinstance(value, str):
            return value
        raise wrong_type(self.name(member), "a string", value)

    def required_text(self, member: str) -> str:
        """Take a string that must be there."""
        value = self.text(member)
        if value is None:
            raise missing(self.name(member))
        return value

    def flag(self, member: str) -> bool | None:
        """Take a boolean."""
        value = self._left.pop(member, None)
        if value is None or isinstance(value, bool):
            return value
        raise wrong_type(self.name(member), "a boolean", value)

    def integer(self, member: str) -> int | None:
        """Take a whole number; `5.0` is one."""
        value = self._left.pop(member, None)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise wrong_type(self.name(member), "a whole number", value)

    def number(self, member: str) -> float | None:
        """Take a number."""
        value = self._left.pop(member, None)
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        raise wrong_type(self.name(member), "a number", value)

    def object(self, member: str) -> JsonObject | None:
        """Take an object as it is, with everything inside."""
        value = self._left.pop(member, None)
        if value is None:
            return None
        if isinstance(value, dict):
            return cast("JsonObject", value)
        raise wrong_type(self.name(member), "an object", value)

    def members(self, member: str) -> "Members | None":
        """Take an object to be read member by member; call `done` on it."""
        value = self._left.pop(member, None)
        return None if value is None else Members(value, self.name(member), self._unmapped)

    def list(self, member: str) -> JsonList | None:
        """Take a list of anything."""
        value = self._left.pop(member, None)
        if value is None:
            return None
        if isinstance(value, list):
            return cast("JsonList", value)
        raise wrong_type(self.name(member), "a list", value)

    def texts(self, member: str) -> tuple[str, ...]:
        """Take a list of strings; empty when absent."""
        values = self.list(member) or []
        for index, value in enumerate(values):
            if not isinstance(value, str):
                raise wrong_type(f"{self.name(member)}[{index}]", "a string", value)
        return tuple(cast("Sequence[str]", values))

    def objects(self, member: str) -> "Iterator[Members]":
        """Take a list of objects to be read member by member; nothing when absent."""
        for index, value in enumerate(self.list(member) or []):
            yield Members(value, f"{self.name(member)}[{index}]", self._unmapped)

    def choice(self, member: str, known: "Callable[[str], _T]") -> _T | None:
        """Take a string and turn it into a value; `known` raises ValueError for what it is not."""
        value = self.text(member)
        if value is None:
            return None
        try:
            return known(value)
        except ValueError:
            raise InvalidRequest(
                f"The field '{self.name(member)}' has the unknown value '{value[:64]}'.",
                param=self.name(member),
            ) from None

    def rest(self) -> JsonObject:
        """Take everything that is left, nulls left out."""
        left = {name: value for name, value in self._left.items() if value is not None}
        self._left.clear()
        return left

    def note(self, member: str) -> None:
        """Note a member as unmapped that was taken and yet means something more."""
        self._unmapped.append(self.name(member))

    def done(self) -> None:
        """Note every member that is left as unmapped."""
        self._unmapped += [self.name(member) for member in self.rest()]


def wrong_type(path: str, expected: str, value: object) -> InvalidRequest:
    """Return the error for a member of the wrong type."""
    where = f"The field '{path}'" if path else "The request body"
    return InvalidRequest(
        f"{where} must be {expected}, not {_type_name(value)}.", param=path or None
    )


def missing(path: str) -> InvalidRequest:
    """Return the error for a member that must be there."""
    return InvalidRequest(f"The field '{path}' is missing.", param=path)


def _type_name(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"
