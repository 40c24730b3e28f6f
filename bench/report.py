"""The table."""

from collections.abc import Mapping

from bench.measure import Figures

DIRECT, FLOOR, THINKWATCH = "no gateway", "bare proxy", "ThinkWatch"

Results = Mapping[str, Mapping[str, Figures]]
"""Scenario -> subject -> figures."""


def as_json(results: Results, memory_mib: Mapping[str, float]) -> dict[str, object]:
    """Return everything the table shows, for machines."""
    return {
        "scenarios": {
            scenario: {
                name: {
                    "requests_per_s": figures.requests_per_s,
                    "p50_added_ms": figures.p50_ms - subjects[DIRECT].p50_ms,
                    "p99_added_ms": figures.p99_ms - subjects[DIRECT].p99_ms,
                    "ttft_added_ms": figures.ttft_ms - subjects[DIRECT].ttft_ms,
                    "cpu_ms_per_request": figures.cpu_ms,
                    "cpu_ms_per_request_busiest_process": figures.cpu_busiest_ms,
                    "rate_to_floor": figures.requests_per_s / subjects[FLOOR].requests_per_s,
                    "cpu_to_floor": figures.cpu_busiest_ms / subjects[FLOOR].cpu_busiest_ms,
                }
                for name, figures in subjects.items()
                if name != DIRECT
            }
            for scenario, subjects in results.items()
        },
        "memory_mib": dict(memory_mib),
    }


def as_table(results: Results, memory_mib: Mapping[str, float]) -> str:
    """Return the report a person reads."""
    columns = (
        "requests/s", "p50 added", "p99 added", "TTFT added", "CPU/request", "all processes",
        "rate / floor", "CPU / floor",
    )  # fmt: skip
    lines = [f"{'':25}{'':13}" + "".join(f"{column:>14}" for column in columns)]
    for scenario, subjects in results.items():
        direct, floor = subjects[DIRECT], subjects[FLOOR]
        for name in (FLOOR, THINKWATCH):
            figures = subjects[name]
            cells = (
                f"{figures.requests_per_s:,.0f}",
                f"{figures.p50_ms - direct.p50_ms:.2f} ms",
                f"{figures.p99_ms - direct.p99_ms:.2f} ms",
                f"{figures.ttft_ms - direct.ttft_ms:.2f} ms",
                f"{figures.cpu_busiest_ms:.3f} ms",
                f"{figures.cpu_ms:.3f} ms",
                f"{figures.requests_per_s / floor.requests_per_s:.2f}",
                f"{figures.cpu_busiest_ms / floor.cpu_busiest_ms:.2f}",
            )
            label = scenario if name == FLOOR else ""
            lines.append(f"{label:25}{name:13}" + "".join(f"{cell:>14}" for cell in cells))
    lines += ["", *(f"memory of {name}: {mib:.0f} MiB" for name, mib in memory_mib.items())]
    return "\n".join(lines)
