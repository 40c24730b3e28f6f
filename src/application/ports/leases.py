"""Leadership for work that must run on one process at a time."""

from abc import abstractmethod
from contextlib import AbstractAsyncContextManager
from typing import Protocol


class LeaderLease(Protocol):
    """A named lock that is lost when its holder dies."""

    @abstractmethod
    def hold(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Try to become the holder of `name`; the context value tells whether it worked.

        The lock is given back on exit. A holder that was cut off from the store may go on
        believing in it, so what is done under a lease must be safe to be done twice.

        Raises:
            ServiceUnavailable: the store cannot be asked.
        """
        ...
