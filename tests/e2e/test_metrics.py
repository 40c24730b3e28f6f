"""`/metrics` of the installed program: the sum of all processes, also after one was killed."""

import asyncio
import json
import os
import signal

import httpx
import pytest

from entrypoints.parent_death import CHILD_PROCESS
from tests.support.processes import command_line
from tests.support.program import Program, program, wait_until
from tests.support.small_disk import mounted_disk

TOKEN = "metrics-token-of-a-test"
OWNER = "admin@thinkwatch.local"
BODY = {"model": "demo", "messages": [{"role": "user", "content": "Hi"}]}
CLIENTS = 20
MORE_MODELS = 20
"""So many label sets that the first 64 KiB of a file do not hold them."""
EACH = 8
ROOM = 4 * 2**20


def gateway_processes(running: Program) -> list[int]:
    """Return the processes that serve, in the order of their start: gateways come first."""
    return sorted(pid for pid in running.pids() if f"\0{CHILD_PROCESS}\0" in command_line(pid))


def page(running: Program) -> dict[str, float]:
    """Return the samples by name with labels."""
    answer = httpx.get(
        f"http://127.0.0.1:{running.gateway_port}/metrics",
        headers={"authorization": f"Bearer {TOKEN}"},
        timeout=10,
    )
    assert answer.status_code == 200
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def total(running: Program, metric: str) -> float:
    return sum(value for name, value in page(running).items() if name.startswith(metric))


def off(running: Program) -> list[str]:
    return [line for line in running.log.read_text().splitlines() if "metrics_off" in line]


async def ask(running: Program, key: str, count: int, model: str = "demo") -> None:
    """Send requests, each over a connection of its own: so they are spread over the processes."""
    body = BODY | {"model": model}
    url = f"http://127.0.0.1:{running.gateway_port}/v1/chat/completions"
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(timeout=30, limits=limits) as client:

        async def one() -> None:
            answer = await client.post(url, json=body, headers={"authorization": f"Bearer {key}"})
            assert answer.status_code in (200, 429)

        for _ in range(0, count, CLIENTS):
            await asyncio.gather(*(one() for _ in range(min(count, CLIENTS))))


def test_metrics_are_those_of_all_processes_and_never_go_back() -> None:
    with program(METRICS_BEARER_TOKEN=TOKEN) as running:
        ready = running.start("--workers", "2")
        assert ready.api_key is not None
        document = running.directory / "budget.json"
        budget = {"subject": f"user:{OWNER}", "period": "monthly", "limit": 1_000_000_000}
        alarm = {"subject": "model:demo", "period": "daily", "limit": 1}
        document.write_text(json.dumps({"version": 1, "budgets": [budget, alarm]}))
        assert running.run("apply", "-f", str(document)).code == 0
        asyncio.run(ask(running, ready.api_key, 100))
        assert total(running, "gateway_requests_total") == 100
        samples = page(running)
        refused = samples.get('gateway_rate_limited_total{label="model:budget/daily"}', 0)
        assert 0 < refused < 100

        def alerts() -> dict[str, float]:
            found = page(running).items()
            return {name: each for name, each in found if "budget_alert_total" in name}

        wait_until(lambda: len(alerts()) == 4, what="an alert of every threshold")
        assert set(alerts().values()) == {1.0}, "each once, over all processes"

        killed = gateway_processes(running)[0]
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: killed not in gateway_processes(running), what="the end of a process")

        def serves() -> bool:
            try:
                return total(running, "gateway_requests_total") == 100
            except httpx.TransportError:
                return False

        wait_until(serves, what="what the killed process had counted")
        assert total(running, "gateway_request_duration_seconds_count") == 100
        assert page(running)["gateway_in_flight"] == 0
        assert page(running)['audit_sink_lag_seconds{sink="clickhouse"}'] < 60
        wait_until(lambda: page(running)["journal_bytes"] > 0, what="the next look at the journals")
        assert running.stop() == 0


def test_a_full_disk_takes_metrics_away_but_no_process_and_no_request() -> None:
    names = [f"demo-{number}" for number in range(MORE_MODELS)]
    price = {"input": 1, "output": 1}
    models = [
        {"name": name, "price": price, "routes": [{"provider": "demo", "upstream_model": "demo"}]}
        for name in names
    ]
    with program(METRICS_BEARER_TOKEN=TOKEN) as running:
        metrics = running.data_dir / "metrics"
        metrics.mkdir(mode=0o700, parents=True)
        with mounted_disk(metrics, ROOM) as disk:
            ready = running.start("--workers", "2")
            key = ready.api_key
            assert key is not None
            serving = gateway_processes(running)
            disk.fill()
            document = running.directory / "models.json"
            document.write_text(json.dumps({"version": 1, "models": models}))
            assert running.run("apply", "-f", str(document)).code == 0
            for name in names:
                asyncio.run(ask(running, key, EACH, name))
            assert gateway_processes(running) == serving
            assert len(off(running)) == 2, "each gateway has said so once"
            counted = total(running, "gateway_requests_total")
            assert 0 < counted <= MORE_MODELS * EACH

            killed = serving[0]
            os.kill(killed, signal.SIGKILL)
            disk.fill()  # with what it left behind, too
            wait_until(
                lambda: len(off(running)) == 3,
                within_s=60,
                what="a process that starts without room",
            )
            asyncio.run(ask(running, key, CLIENTS))
            assert len(gateway_processes(running)) == len(serving)
            assert total(running, "gateway_requests_total") >= counted
            assert running.log.read_text().count("process_died") == 1, "the one that was killed"
            assert running.stop() == 0


@pytest.mark.parametrize("token", [None, TOKEN])
def test_metrics_are_closed_to_everybody_else(token: str | None) -> None:
    environment = {} if token is None else {"METRICS_BEARER_TOKEN": token}
    with program(**environment) as running:
        running.start("--workers", "1")
        url = f"http://127.0.0.1:{running.gateway_port}/metrics"
        answers = [
            httpx.get(url, timeout=10).status_code,
            httpx.get(url, timeout=10, headers={"authorization": "Bearer wrong"}).status_code,
        ]
        assert answers == ([404, 404] if token is None else [401, 401])
        assert (running.data_dir / "metrics").exists() == (token is not None)
