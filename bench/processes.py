"""Starting the parties of a measurement on chosen cores, and what /proc says they used."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.support.program import descendants

STOP_TIMEOUT_S = 15.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cores:
    """Where things run: the measured servers on one core, load and upstream on another.

    With a single core everything shares it, and the figures say little.
    """

    servers: frozenset[int]
    load: frozenset[int]

    @staticmethod
    def of_this_machine() -> "Cores":
        """Divide what this process may use."""
        first, *rest = sorted(os.sched_getaffinity(0))
        return Cores(frozenset([first]), frozenset(rest[:1] or [first]))


@contextlib.contextmanager
def on_cores(cores: Iterable[int]) -> Generator[None]:
    """Start children on these cores: affinity is inherited."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def party(cores: Iterable[int], *module_and_arguments: str) -> Generator[tuple[int, int]]:
    """Run `python -m …` that prints a port and ends with its standard input; yield pid and port."""
    with on_cores(cores):
        process = subprocess.Popen(
            [sys.executable, "-m", *module_and_arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": f"src{os.pathsep}."},
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{module_and_arguments[0]} did not start")
        yield process.pid, int(line)
    finally:
        process.stdin.close()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)
        process.stdout.close()


def cpu_seconds(pid: int) -> dict[int, float]:
    """Return the CPU time of a process and of everything below it, by pid."""
    used: dict[int, float] = {}
    for one in (pid, *descendants(pid)):
        with contextlib.suppress(OSError):
            used[one] = _cpu_seconds(one)
    return used


def _cpu_seconds(pid: int) -> float:
    """The scheduler's own nanoseconds where the kernel keeps them, clock ticks elsewhere."""
    total = 0
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    except FileNotFoundError:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / _TICKS_PER_S
    return total / 1e9


def resident_mib(pid: int) -> float:
    """Return the memory of a process and everything below it, shared pages counted once."""
    return sum(_proportional_kib(one) for one in (pid, *descendants(pid))) / 1024


def _proportional_kib(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0
