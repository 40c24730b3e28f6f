"""SIGTERM, SIGINT and SIGHUP in the parent: the first asks for an orderly end, the second insists."""

import contextlib
import os
import select
import signal
import socket
from collections.abc import Callable, Generator
from types import FrameType

# SIGHUP: the terminal went away. SIGCHLD only wakes.
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class StopRequested(BaseException):
    """A stop signal during start-up; not an `Exception`, so that no handler swallows it."""


class StopSignals:
    """Signals of the parent process. While starting they raise, while serving they wake `wait`."""

    def __init__(self, *, at_once: Callable[[], None]) -> None:
        """`at_once` is called by the second signal, before the process exits with 128 + number."""
        self._at_once = at_once
        self._received: int | None = None
        self._serving = False
        self._wake, self._woken = socket.socketpair()

    @contextlib.contextmanager
    def installed(self) -> Generator[None, None, None]:
        """Handle the signals inside the context."""
        for end in (self._wake, self._woken):
            end.settimeout(0)  # non-blocking
        previous_fd = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        previous = {
            number: signal.signal(number, self._handle)
            for number in _SIGNALS
            # Under nohup the program is to survive its terminal.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN
        }
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(previous_fd)
            self._wake.close()
            self._woken.close()

    @property
    def stopping(self) -> bool:
        """Whether a stop signal came."""
        return self._received is not None

    def now_serving(self) -> None:
        """From here on a signal sets `stopping` and ends `wait`, and raises nothing."""
        self._serving = True

    def wait(self, seconds: float) -> None:
        """Sleep until a signal (a child's death is one) or for `seconds`."""
        readable, _, _ = select.select([self._woken], [], [], seconds)
        if readable:
            with contextlib.suppress(BlockingIOError):
                self._woken.recv(4096)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if number == signal.SIGCHLD:
            return
        if self._received is not None:
            self._at_once()
            os._exit(128 + number)
        self._received = number
        if not self._serving:
            raise StopRequested
