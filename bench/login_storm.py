"""What a storm of sign-ins costs the gateway: latencies without, during and after one.

Every sign-in is a wrong password for an account that exists or not, so each costs one argon2id, in
the console's process. The load and the storm share the machine with the servers: what the storm
takes from the gateway beyond its own processor time is what is of interest. Differences are between
percentiles of the same installation, in one run. Loopback only. Run: `python -m bench.login_storm`.
"""

import argparse
import threading
from collections import Counter

import httpx

from bench.installation import configure
from bench.measure import Sample, Subject, load, percentile
from bench.processes import Cores, on_cores, party
from bench.scenarios import SCENARIOS
from tests.support.program import program


class Storm:
    """Threads that try to sign in, each with another account, until told to stop."""

    def __init__(self, console_port: int, size: int) -> None:
        """Nothing is sent before the storm is entered."""
        self.answers: Counter[str] = Counter()
        self._url = f"http://127.0.0.1:{console_port}/api/auth/login"
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._try, args=(n,)) for n in range(size)]

    def __enter__(self) -> "Storm":
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End, and wait for the answers that are under way."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _try(self, number: int) -> None:
        attempt = 0
        with httpx.Client(timeout=30, trust_env=False) as client:
            while not self._over.is_set():
                attempt += 1
                body = {
                    "email": f"nobody-{number}-{attempt}@example.com",
                    "password": "Wrong-password-1",
                }
                try:
                    self.answers[str(client.post(self._url, json=body).status_code)] += 1
                except httpx.HTTPError as error:
                    self.answers[type(error).__name__] += 1


def show(phase: str, sample: Sample, before: Sample | None) -> None:
    """Print one phase."""
    ordered = sorted(sample.complete_ms)
    p50, p99 = percentile(ordered, 0.5), percentile(ordered, 0.99)
    line = f"{phase:<20}{sample.requests:>7} requests  p50 {p50:8.2f} ms  p99 {p99:8.2f} ms"
    if before is not None:
        usual = sorted(before.complete_ms)
        line += (
            f"  to the time without: p50 {p50 / percentile(usual, 0.5):5.2f}"
            f"  p99 {p99 / percentile(usual, 0.99):5.2f}"
        )
    print(line)


def main() -> None:
    """Start everything, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.login_storm", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each phase")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--storm", type=int, default=16, help="sign-ins at once")
    options = parser.parse_args()
    cores = Cores.of_this_machine()

    with party(cores.load, "bench.fake_upstream") as (_, upstream_port), program() as installation:
        with on_cores(cores.servers):
            installation.start()
        key = configure(installation, upstream_port)
        assert installation.process is not None
        gateway = Subject(
            "ThinkWatch", installation.process.pid, installation.gateway_port, key, translates=True
        )

        def phase(seconds: float) -> Sample:
            return load(
                gateway, SCENARIOS[0], cores, seconds=seconds, connections=options.connections
            )

        phase(1.0)  # warm up
        before = phase(options.seconds)
        with Storm(installation.console_port, options.storm) as storm:
            during = phase(options.seconds)
        after = phase(options.seconds)
        installation.stop()
    show("without a storm", before, None)
    show("during the storm", during, before)
    show("after the storm", after, before)
    print("answers to the storm:", dict(storm.answers))


if __name__ == "__main__":
    main()
