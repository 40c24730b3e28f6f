"""One supervised process of a running server, seen from the parent."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping

from entrypoints.parent_death import CHILD_PROCESS
from entrypoints.process_plan import TURN_RED, ProcessPlan
from entrypoints.restarts import RestartBudget


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
        self._budget = RestartBudget()
        self.restart_at: float | None = None
        self.was_ready = False

    def start(self) -> None:
        """Start it; it inherits its sockets by number and reads its plan from standard input."""
        self.restart_at = None
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

    def poll(self) -> int | None:
        """Return None while it runs (or waits for its restart), else its exit status."""
        return None if self._process is None else self._process.poll()

    def is_ready(self) -> bool:
        """Whether it has said that it serves."""
        if self._ready_pipe is not None:
            with contextlib.suppress(BlockingIOError):
                if os.read(self._ready_pipe, 1):
                    self.was_ready = True
                self._close_ready_pipe()
        return self.was_ready

    def schedule_restart(self, now: float) -> bool:
        """Plan the next start after a death; False when it died too often."""
        self._process = None
        delay = self._budget.delay_after_death(now)
        self.restart_at = None if delay is None else now + delay
        return delay is not None

    def turn_red(self) -> None:
        """Ask it to show that it wants no new traffic; only once it is ready."""
        self._send(TURN_RED)

    def terminate(self) -> None:
        """Ask it to drain and end."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._send(signal.SIGKILL)

    def wait(self, timeout: float) -> None:
        """Wait for its end, then insist: after `timeout` seconds it is killed."""
        if self._process is not None:
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None
        self._close_ready_pipe()

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _close_ready_pipe(self) -> None:
        if self._ready_pipe is not None:
            os.close(self._ready_pipe)
            self._ready_pipe = None
