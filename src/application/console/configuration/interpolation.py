"""`${NAME}` and `${file:path}` in the strings of a document.

Only string values are looked at, never member names; what was put in is not looked at again, so a
value cannot pull in another one. `$$` is a plain `$`, and so is a `$` before anything but `{`.

This is for documents that the operator applies on his own machine. A document that arrives over the
network must never be interpolated: it would read the server's environment and files.
"""

import re
from abc import abstractmethod
from typing import Protocol, cast

from msgspec import Struct

_REFERENCE = re.compile(r"\$\$|\$\{([^}]*)\}|\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DEEPEST = 64
_MOST_VALUES = 200_000


class Lookup(Protocol):
    """Where references are resolved. Errors are told to the person who wrote the document."""

    @abstractmethod
    def variable(self, name: str) -> str:
        """Return the value. Raises `LookupError` with the reason."""
        ...

    @abstractmethod
    def file(self, path: str) -> str:
        """Return the content without a final line break. Raises `LookupError` with the reason."""
        ...


class Interpolated(Struct, frozen=True):
    """A document's tree with references resolved.

    Attributes:
        inserted: the texts that were put in; they are never shown, as each may be a secret.
        faults: one line per reference that could not be resolved.
    """

    tree: object
    inserted: frozenset[str] = frozenset()
    faults: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Without the tree: it may hold secrets."""
        return f"Interpolated(faults={len(self.faults)})"


def interpolate(tree: object, lookup: Lookup) -> Interpolated:
    """Return `tree` (mappings, lists and scalars) with every reference resolved."""
    walk = _Walk(lookup)
    result = walk.value(tree, "", 0)
    return Interpolated(result, frozenset(walk.inserted), tuple(walk.faults))


class _Walk:
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._values = 0
        self.inserted: set[str] = set()
        self.faults: list[str] = []

    def value(self, value: object, path: str, depth: int) -> object:
        self._values += 1
        if depth > _DEEPEST or self._values > _MOST_VALUES:
            # Also what ends a YAML document whose aliases multiply.
            if self._values <= _MOST_VALUES + 1 or depth > _DEEPEST:
                self.faults.append(f"{path}: the document is too deep or too large")
            return None
        match value:
            case str():
                return self._text(value, path)
            case dict():
                members = cast("dict[object, object]", value)
                return {
                    name: self.value(member, f"{path}.{name}" if path else str(name), depth + 1)
                    for name, member in members.items()
                }
            case list():
                elements = cast("list[object]", value)
                return [
                    self.value(element, f"{path}[{index}]", depth + 1)
                    for index, element in enumerate(elements)
                ]
            case _:
                return value

    def _text(self, text: str, path: str) -> str:
        def resolve(found: re.Match[str]) -> str:
            if found[0] == "$$":
                return "$"
            try:
                inserted = self._resolve(found[1])
            except LookupError as error:
                self.faults.append(f"{path}: {error.args[0]}")
                return ""
            self.inserted.add(inserted)
            return inserted

        return _REFERENCE.sub(resolve, text)

    def _resolve(self, reference: str | None) -> str:
        if reference is None:
            raise LookupError("'${' is never closed; write '$${' for a plain one")
        if reference.startswith("file:"):
            return self._lookup.file(reference.removeprefix("file:"))
        if not _NAME.fullmatch(reference):
            raise LookupError(
                f"'${{{reference}}}' is not a reference; only ${{NAME}} and ${{file:path}} are"
            )
        return self._lookup.variable(reference)
