"""One measurement: load one subject with one scenario, and what it took."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Cores, cpu_seconds, on_cores
from bench.scenarios import Scenario

MOST_REQUESTS = 200_000


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that answers chat completions. `pid` heads the processes whose CPU counts.

    `translates` says that it knows Anthropic's Messages as well.
    """

    name: str
    pid: int
    port: int
    key: str
    translates: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """One round. Times of single requests in milliseconds, CPU in seconds."""

    requests: int
    seconds: float
    complete_ms: tuple[float, ...]
    first_byte_ms: tuple[float, ...]
    cpu_all: float
    cpu_busiest: float


def load(
    subject: Subject, scenario: Scenario, cores: Cores, *, seconds: float, connections: int
) -> Sample:
    """Load the subject.

    Raises:
        RuntimeError: not every answer was a 200: then the figures would mean nothing.
    """
    translated = scenario.translated if subject.translates else None
    path = "/v1/chat/completions" if translated is None else "/v1/messages"
    head = (
        f"POST {path} HTTP/1.1\r\n"
        f"host: 127.0.0.1:{subject.port}\r\n"
        f"authorization: Bearer {subject.key}\r\n"
        "user-agent: OpenAI/Python 3.0.0\r\n"
        "accept: application/json\r\n"
        "content-type: application/json\r\n"
    )
    with tempfile.TemporaryDirectory() as directory:
        files = {"head": head.encode(), "body": translated or scenario.body}
        for name, content in files.items():
            (Path(directory) / name).write_bytes(content)
        before = cpu_seconds(subject.pid)
        with on_cores(cores.load):
            finished = subprocess.run(
                [
                    sys.executable, "-m", "bench.load", str(subject.port), str(seconds),
                    str(connections), str(MOST_REQUESTS),
                    *(str(Path(directory) / name) for name in files),
                ],
                stdout=subprocess.PIPE,
                stdin=subprocess.DEVNULL,
                env=dict(os.environ),
                timeout=seconds + 60,
                check=False,
            )  # fmt: skip
        after = cpu_seconds(subject.pid)
    if finished.returncode != 0:
        raise RuntimeError(f"the load on {subject.name} ({scenario.name}) broke off")
    seen = json.loads(finished.stdout)
    if set(seen["statuses"]) != {"200"}:
        raise RuntimeError(f"{subject.name} ({scenario.name}) answered {seen['statuses']}")
    used = [after[pid] - before.get(pid, 0.0) for pid in after]
    return Sample(
        requests=len(seen["complete_ms"]),
        seconds=seen["seconds"],
        complete_ms=tuple(seen["complete_ms"]),
        first_byte_ms=tuple(seen["first_byte_ms"]),
        cpu_all=sum(used),
        cpu_busiest=max(used, default=0.0),
    )


@dataclass(frozen=True, slots=True)
class Figures:
    """All rounds of one subject and scenario together.

    `p50_ms`, `p99_ms` and `ttft_ms` come from one connection, so nothing waits in a queue; the rest
    from many. `cpu_busiest_ms` is the process that worked most, `cpu_ms` all of its processes.
    """

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    ttft_ms: float
    cpu_ms: float
    cpu_busiest_ms: float


def summarise(busy: Sequence[Sample], alone: Sequence[Sample]) -> Figures:
    """Put rounds together: the median of the rates, percentiles over all single requests."""
    requests = sum(sample.requests for sample in busy)
    complete = sorted(value for sample in alone for value in sample.complete_ms)
    first = sorted(value for sample in alone for value in sample.first_byte_ms)
    return Figures(
        requests_per_s=statistics.median(sample.requests / sample.seconds for sample in busy),
        p50_ms=percentile(complete, 0.50),
        p99_ms=percentile(complete, 0.99),
        ttft_ms=percentile(first, 0.50),
        cpu_ms=1000 * sum(sample.cpu_all for sample in busy) / requests,
        cpu_busiest_ms=1000 * sum(sample.cpu_busiest for sample in busy) / requests,
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value that `share` of the rising values do not pass."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
