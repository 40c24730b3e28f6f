"""UUIDv7 identifiers."""

from uuid_utils import uuid7

from application.ports.clock import IdGenerator


class UuidGenerator(IdGenerator):
    """RFC 9562 version 7: 48 bits of Unix milliseconds, then a counter and randomness."""

    def new_id(self) -> str:
        """Return a fresh id; ids of one process sort in the order they were made."""
        return str(uuid7())
