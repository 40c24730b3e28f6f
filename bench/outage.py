"""What a limit store that stops answering costs: latencies before, during and after the outage.

The embedded Valkey is stopped with SIGSTOP under load, so that its connections stay open and nothing
tells the gateway but the clock. Its timeout is 100 ms; after three failures in a row nobody waits any
more. Differences are between percentiles of the same installation, in one run. Loopback only.
Run: `python -m bench.outage`.
"""

import argparse
import os
import signal
from pathlib import Path

from bench.installation import configure
from bench.measure import Sample, Subject, load, percentile
from bench.processes import Cores, on_cores, party
from bench.scenarios import SCENARIOS
from tests.support.program import Program, program


def store_pid(installation: Program) -> int:
    """Return the process of the embedded Valkey."""
    for pid in installation.pids():
        if b"valkey-server" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise RuntimeError("no valkey-server below the program")


def show(phase: str, sample: Sample, before: Sample | None) -> None:
    """Print one phase."""
    ordered = sorted(sample.complete_ms)
    p50, p99 = percentile(ordered, 0.5), percentile(ordered, 0.99)
    line = f"{phase:<34}{sample.requests:>7} requests  p50 {p50:8.2f} ms  p99 {p99:8.2f} ms"
    if before is not None:
        usual = sorted(before.complete_ms)
        line += (
            f"  added p50 {p50 - percentile(usual, 0.5):+8.2f} ms"
            f"  p99 {p99 - percentile(usual, 0.99):+8.2f} ms"
        )
    print(line)


def main() -> None:
    """Start everything, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.outage", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each phase")
    parser.add_argument("--connections", type=int, default=4)
    options = parser.parse_args()
    cores = Cores.of_this_machine()
    scenario = SCENARIOS[0]

    with party(cores.load, "bench.fake_upstream") as (_, upstream_port), program() as installation:
        with on_cores(cores.servers):
            installation.start()
        key = configure(installation, upstream_port)
        assert installation.process is not None
        gateway = Subject(
            "ThinkWatch", installation.process.pid, installation.gateway_port, key, translates=True
        )

        def phase(seconds: float) -> Sample:
            return load(gateway, scenario, cores, seconds=seconds, connections=options.connections)

        phase(1.0)  # warm up
        before = phase(options.seconds)
        store = store_pid(installation)
        os.kill(store, signal.SIGSTOP)
        try:
            first = phase(0.3)
            open_ = phase(options.seconds)
        finally:
            os.kill(store, signal.SIGCONT)
        after = phase(options.seconds)
        installation.stop()
    show("store answers", before, None)
    show("store paused, first 0.3 s", first, before)
    show("store paused, breaker open", open_, before)
    show("store answers again", after, before)


if __name__ == "__main__":
    main()
