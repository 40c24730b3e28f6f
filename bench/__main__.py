"""ThinkWatch against a bare proxy on the same HTTP stack, in one interleaved run.

A report, never a test: figures depend on the machine, so read the ratios. Rates come from many
connections at once, latencies from a single one; "added" is against the upstream without any
gateway. The measured servers share one core with everything they start (ThinkWatch: its stores and
jobs too), the load and the upstream have another. Only loopback; bounded in time and requests.
"""

import argparse
import json
import platform
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from bench.installation import configure
from bench.measure import Figures, Sample, Subject, load, summarise
from bench.processes import Cores, on_cores, party, resident_mib
from bench.report import DIRECT, FLOOR, THINKWATCH, as_json, as_table
from bench.scenarios import SCENARIOS, Scenario
from tests.support.program import program

WARM_UP_S = 1.0


def measure(
    subjects: list[Subject],
    scenarios: Sequence[Scenario],
    cores: Cores,
    *,
    rounds: int,
    seconds: float,
    connections: int,
) -> dict[str, dict[str, Figures]]:
    """Run all rounds; the subjects take turns, so a slow moment of the machine hits all of them."""
    results: dict[str, dict[str, Figures]] = {}
    for scenario in scenarios:
        for subject in subjects:
            load(subject, scenario, cores, seconds=WARM_UP_S, connections=connections)
        busy: dict[str, list[Sample]] = defaultdict(list)
        alone: dict[str, list[Sample]] = defaultdict(list)
        for number in range(rounds):
            order = subjects if number % 2 == 0 else subjects[::-1]
            for subject in order:
                busy[subject.name].append(
                    load(subject, scenario, cores, seconds=seconds, connections=connections)
                )
                alone[subject.name].append(
                    load(subject, scenario, cores, seconds=seconds / 2, connections=1)
                )
        results[scenario.name] = {
            subject.name: summarise(busy[subject.name], alone[subject.name]) for subject in subjects
        }
    return results


def main() -> None:
    """Start everything, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one loaded round")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--only", default="", help="scenarios whose name has this text")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    options = parser.parse_args()
    cores = Cores.of_this_machine()

    with party(cores.load, "bench.fake_upstream") as (upstream_pid, upstream_port):
        upstream_url = f"http://127.0.0.1:{upstream_port}/v1/chat/completions"
        with (
            party(cores.servers, "bench.floor", upstream_url) as (floor_pid, floor_port),
            program() as installation,
        ):
            with on_cores(cores.servers):
                installation.start()
            key = configure(installation, upstream_port)
            assert installation.process is not None
            thinkwatch = installation.process.pid
            subjects = [
                Subject(DIRECT, upstream_pid, upstream_port, "sk-bench"),
                Subject(FLOOR, floor_pid, floor_port, "sk-bench"),
                Subject(THINKWATCH, thinkwatch, installation.gateway_port, key, translates=True),
            ]
            results = measure(
                subjects,
                [each for each in SCENARIOS if options.only in each.name],
                cores,
                rounds=options.rounds,
                seconds=options.seconds,
                connections=options.connections,
            )
            memory = {
                FLOOR: resident_mib(floor_pid),
                f"{THINKWATCH} with all its stores": resident_mib(thinkwatch),
            }
            installation.stop()

    if options.json:
        json.dump(as_json(results, memory), sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    processor = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    print(f"Python {platform.python_version()}, {processor}; {options.connections} connections\n")
    print(as_table(results, memory))


if __name__ == "__main__":
    main()
