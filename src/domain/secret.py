"""A value that must never be printed: provider credentials, plaintext keys, tokens."""

import hmac


class Secret:
    """Wraps a string; `repr`, `str`, formatting and pickling hide or refuse it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Take ownership of the plaintext `value`."""
        self._value = value

    def reveal(self) -> str:
        """Return the plaintext. Call it only where the value leaves the program on purpose."""
        return self._value

    def hint(self) -> str:
        """Return a masked form for listings: the last four characters of a long value."""
        return f"…{self._value[-4:]}" if len(self._value) >= 16 else "…"

    def __repr__(self) -> str:
        """Never the value."""
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, format_spec: str) -> str:
        """Never the value, also in f-strings."""
        return repr(self)

    def __reduce__(self) -> str | tuple[object, ...]:
        """Refuse to be pickled: a secret does not cross a process boundary by accident."""
        raise TypeError("a Secret cannot be pickled")

    def __eq__(self, other: object) -> bool:
        """Compare in constant time."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        """Hash of the value; needed because equality is defined."""
        return hash(("Secret", self._value))
