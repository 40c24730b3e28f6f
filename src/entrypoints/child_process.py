"""One supervised process of a running server, seen from the parent."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

from entrypoints.parent_death import CHILD_PROCESS
from entrypoints.process_plan import GOODBYE, READY, TURN_RED, ProcessPlan
from entrypoints.restarts import RestartBudget

PATIENT_DELAY_S = 5.0


class ChildProcess:
    """Starts a process by plan, and starts it again when it dies. Main thread only."""

    def __init__(
        self, name: str, plan: Callable[[int], ProcessPlan], environ: Mapping[str, str]
    ) -> None:
        """`plan(ready_pipe)` makes the plan for each start; nothing starts yet.

        `environ` is its whole environment, for the libraries that read theirs.
        """
        self._environ = environ
        self.name = name
        self._plan = plan
        self._process: subprocess.Popen[bytes] | None = None
        self._ready_pipe: int | None = None
        self._leaving: list[subprocess.Popen[bytes]] = []
        self._budget = RestartBudget()
        self.restart_at: float | None = None
        self.was_ready = False
        self._serves = False
        self._said_goodbye = False

    def start(self) -> None:
        """Start it; it inherits its sockets by number and reads its plan from standard input."""
        self.restart_at = None
        self._serves = self._said_goodbye = False
        self._close_ready_pipe()
        self._ready_pipe, theirs = os.pipe()
        os.set_blocking(self._ready_pipe, False)
        try:
            plan = self._plan(theirs)
            sockets = (plan.gateway_socket, plan.console_socket)
            # -P: never import from the current directory. A process group of its own: Ctrl-C in a
            # terminal reaches the parent only, which then ends its children in order.
            process = subprocess.Popen(  # noqa: S603 - our own arguments, no shell
                [sys.executable, "-P", "-m", "entrypoints", CHILD_PROCESS, str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=sys.stderr.fileno(),
                pass_fds=(theirs, *(number for number in sockets if number is not None)),
                process_group=0,
                env=self._environ,
            )
        finally:
            os.close(theirs)
        self._process = process
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died at once; poll() will tell
            process.stdin.write(plan.encode())
            process.stdin.close()

    @property
    def pid(self) -> int | None:
        """Pid while it runs."""
        return None if self._process is None else self._process.pid

    def gone(self) -> list[int]:
        """Return the pids of predecessors that have ended since this was last asked."""
        ended = [process for process in self._leaving if process.poll() is not None]
        self._leaving = [process for process in self._leaving if process not in ended]
        return [process.pid for process in ended]

    def poll(self) -> int | None:
        """Return None while it runs (or waits for its restart), else its exit status."""
        return None if self._process is None else self._process.poll()

    def is_ready(self) -> bool:
        """Whether it has said that it serves."""
        self._listen()
        return self.was_ready

    def serves(self) -> bool:
        """Whether the present process, and not only one before it, has said that it serves."""
        self._listen()
        return self._serves

    def hand_over(self, now: float) -> bool:
        """Plan its successor for now if it has said that it takes no more traffic.

        Returns whether it has.

        Somebody ended this one process. It finishes what it has, which may take long, and meanwhile
        its socket must not go without anybody who accepts.
        """
        self._listen()
        if not self._said_goodbye or self._process is None:
            return False
        self._leaving.append(self._process)
        self._process, self._said_goodbye, self.restart_at = None, False, now
        return True

    def schedule_restart(self, now: float, *, patient: bool = False) -> bool:
        """Plan the next start after a death; False when it died too often.

        A patient one comes after a while however often it died: for something else to come back.
        """
        self._process = None
        delay = PATIENT_DELAY_S if patient else self._budget.delay_after_death(now)
        self.restart_at = None if delay is None else now + delay
        return delay is not None

    def turn_red(self) -> None:
        """Ask it to show that it wants no new traffic; only once it serves, or the signal ends it."""
        self._send(TURN_RED)

    def terminate(self) -> None:
        """Ask it to drain and end."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._send(signal.SIGKILL)

    def wait(self, timeout: float) -> None:
        """Wait for its end, then insist: after `timeout` seconds it is killed."""
        deadline = time.monotonic() + timeout
        for process in self._all():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._process = None
        self._leaving.clear()
        self._close_ready_pipe()

    def _all(self) -> list[subprocess.Popen[bytes]]:
        return self._leaving if self._process is None else [self._process, *self._leaving]

    def _send(self, number: signal.Signals) -> None:
        for process in self._all():
            if (
                number is not signal.SIGTERM or process not in self._leaving
            ):  # a second one is haste
                process.send_signal(number)

    def _listen(self) -> None:
        """Read what it has said: `READY`, and later `GOODBYE`."""
        if self._ready_pipe is None:
            return
        with contextlib.suppress(BlockingIOError):
            said = os.read(self._ready_pipe, 16)
            if READY in said:
                self._serves = self.was_ready = True
            self._said_goodbye = GOODBYE in said
            if not said or self._said_goodbye:
                self._close_ready_pipe()

    def _close_ready_pipe(self) -> None:
        if self._ready_pipe is not None:
            os.close(self._ready_pipe)
            self._ready_pipe = None
