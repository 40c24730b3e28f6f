"""The 30 000 most frequent passwords of leaked lists, as zxcvbn carries them."""

import re

from zxcvbn.frequency_lists import FREQUENCY_LISTS

from application.ports.identity import CommonPasswords
from domain.secret import Secret

_ORNAMENTS = re.compile(r"[^a-z]+$|^[^a-z]+")
_SHORTEST_CORE = 5  # of a shorter word, the ornaments are most of the password


class FrequentPasswords(CommonPasswords):
    """Case does not count, nor do digits and signs before and after a frequent password."""

    def __init__(self) -> None:
        """The list is part of the package."""
        self._frequent = frozenset[str](FREQUENCY_LISTS["passwords"])

    def has(self, password: Secret) -> bool:
        """Look the password up as it is, and without its ornaments."""
        plain = password.reveal().lower()
        core = _ORNAMENTS.sub("", plain)
        # `Summer2024!` is frequent, `summer-river-7Galaxy` is not.
        mostly = len(core) >= max(_SHORTEST_CORE, len(plain) // 2)
        return plain in self._frequent or (mostly and core in self._frequent)
