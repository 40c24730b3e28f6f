"""The program as a tree of processes: starting, dying, draining, recovering."""

import os
import pwd
import shutil
import signal
import socket
import tempfile
from collections.abc import Generator
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.support.command_line import Program, children_of, run, running
from tests.support.processes import (
    is_alive,
    listeners,
    processes_below,
    wait_until_gone,
)

ANY_PORTS = ("--gateway-port", "0", "--console-port", "0")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def home() -> Generator[Path]:
    """A 0700 directory, as homes are; nothing may be left running in it."""
    path = Path(tempfile.mkdtemp(prefix="twe-"))
    yield path
    assert wait_until_gone(processes_below(path)) == []
    shutil.rmtree(path)


class Started(msgspec.Struct):
    gateway_url: str
    console_url: str
    setup_url: str
    api_key: str | None
    admin_email: str
    admin_password: str | None
    models: list[str]


def started(program: Program) -> Started:
    return msgspec.convert(program.announcement(), Started)


def complete(url: str, key: str, **more: object) -> httpx.Response:
    body = {"model": "demo", "messages": [{"role": "user", "content": "Hello"}], **more}
    return httpx.post(
        f"{url}/v1/chat/completions",
        json=body,
        headers={"authorization": f"Bearer {key}"},
        timeout=30,
    )


def worker_pids(program: Program) -> dict[int, str]:
    return {pid: line for pid, line in children_of(program.pid).items() if "_process" in line}


@pytest.fixture(scope="module")
def shared() -> Generator[tuple[Path, Program, Started]]:
    """One running installation for the tests that leave it running."""
    path = Path(tempfile.mkdtemp(prefix="twe-"))
    with running("quickstart", "--json", *ANY_PORTS, directory=path) as program:
        yield path, program, started(program)
        assert program.stop() == 0
    assert wait_until_gone(processes_below(path)) == []
    shutil.rmtree(path)


def test_quickstart_answers_a_completion_and_keeps_the_installation(home: Path) -> None:
    arguments = ("quickstart", "--json", *ANY_PORTS)
    with running(*arguments, directory=home) as program:
        first = started(program)
        assert first.api_key is not None
        assert first.api_key.startswith("tw-")
        assert first.admin_password
        assert "demo" in first.models
        assert first.setup_url.startswith(first.console_url)
        assert httpx.get(f"{first.gateway_url}/health/ready").status_code == 200
        assert httpx.get(f"{first.console_url}/health/live").status_code == 200
        assert complete(first.gateway_url, first.api_key).status_code == 200
        assert program.stop() == 0
        assert program.process.stdout is not None
        assert program.process.stdout.read() == b""
    with running(*arguments, "--new-key", directory=home) as program:
        second = started(program)
        assert second.api_key is not None
        assert second.api_key != first.api_key
        assert second.admin_password not in (None, first.admin_password)
        for key in (first.api_key, second.api_key):  # the old one has its grace period
            assert complete(second.gateway_url, key).status_code == 200


@needs_root
def test_quickstart_works_as_a_plain_user_in_a_closed_home(home: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    shutil.chown(home, nobody)
    with running("quickstart", "--json", *ANY_PORTS, directory=home, nobody=True) as program:
        begun = started(program)
        assert begun.api_key is not None
        assert complete(begun.gateway_url, begun.api_key).status_code == 200
        assert program.stop() == 0
    owners = {path.stat().st_uid for path in (home / "thinkwatch-data").rglob("*")}
    assert owners == {nobody}


def test_a_killed_program_leaves_no_orphans_and_starts_again_with_its_data(home: Path) -> None:
    key = ""
    for round_number in range(2):
        arguments = ("quickstart", "--json", *ANY_PORTS, "--workers", "2")
        with running(*arguments, directory=home) as program:
            begun = started(program)
            assert (begun.api_key is None) == (begun.admin_password is None) == (round_number == 1)
            key = begun.api_key or key
            assert complete(begun.gateway_url, key).status_code == 200
            children = children_of(program.pid)
            assert len(children) == 5, (round_number, children)
            program.process.kill()
            program.process.wait()
            assert wait_until_gone(list(children)) == []
    assert wait_until_gone(processes_below(home)) == []


def test_a_second_start_names_the_holder_and_disturbs_nothing(
    shared: tuple[Path, Program, Started],
) -> None:
    path, program, begun = shared
    second = run("serve", *ANY_PORTS, directory=path)
    assert second.returncode == 78
    (line,) = second.stderr.splitlines()
    port = begun.gateway_url.rpartition(":")[2]
    assert f"in use by 'thinkwatch quickstart' (pid {program.pid}, since " in line
    assert f"gateway port {port}" in line
    assert line.endswith(" - stop it, or name another directory with --data-dir")
    assert httpx.get(f"{begun.gateway_url}/health/live").status_code == 200


@pytest.mark.parametrize("role", ["gateway", "console"])
def test_a_port_in_use_is_one_line_and_starts_nothing(home: Path, role: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("serve", *ANY_PORTS, f"--{role}-port", port, directory=home)
    assert done.returncode == 78
    assert done.stderr == (
        f"thinkwatch: {role} port {port} is already in use - "
        f"stop what listens there, or set {role.upper()}_PORT\n"
    )
    assert not (home / "thinkwatch-data" / "postgres").exists()


def test_a_gateway_that_dies_is_replaced_and_its_queue_is_served(
    shared: tuple[Path, Program, Started],
) -> None:
    _, program, begun = shared
    before = worker_pids(program)
    assert len(before) == 2
    (gateway,) = listeners(before, int(begun.gateway_url.rpartition(":")[2]))
    os.kill(gateway, signal.SIGKILL)
    # Nobody accepts at this moment, and yet the connection is not refused.
    assert httpx.get(f"{begun.gateway_url}/health/live", timeout=60).status_code == 200
    after = worker_pids(program)
    assert len(after) == 2
    assert gateway not in after


def test_stores_that_die_are_restarted_and_requests_work_again(
    shared: tuple[Path, Program, Started],
) -> None:
    _, program, begun = shared
    assert begun.api_key is not None
    stores = {
        pid: line
        for pid, line in children_of(program.pid).items()
        if "postgres" in line or "valkey" in line
    }
    assert len(stores) == 2
    for pid in stores:
        os.kill(pid, signal.SIGKILL)
    program.wait_for_log("store_died", times=2)
    assert wait_until_gone(list(stores)) == []
    while httpx.get(f"{begun.gateway_url}/health/ready", timeout=30).status_code != 200:
        assert program.process.poll() is None
    assert complete(begun.gateway_url, begun.api_key).status_code == 200


def test_a_process_that_keeps_dying_ends_the_program_with_one_line(home: Path) -> None:
    with running("serve", "--json", *ANY_PORTS, directory=home) as program:
        program.announcement()
        killed: set[int] = set()
        while program.process.poll() is None:
            for pid in worker_pids(program).keys() - killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
        assert program.process.returncode == 69
        last = program.errors().splitlines()[-1]
        assert " keeps dying (status -9) - see the log above" in last
        assert last.startswith("thinkwatch: the process ")


def test_sigterm_lets_an_open_stream_end_and_takes_no_new_connection(home: Path) -> None:
    # All roles in one process here: the drain of a single process ends both ports.
    arguments = ("quickstart", "--json", *ANY_PORTS, "--workers", "0")
    with running(*arguments, directory=home) as program:
        begun = started(program)
        assert begun.api_key is not None
        (process,) = worker_pids(program)
        assert httpx.get(f"{begun.console_url}/health/live").status_code == 200
        slow_demo(home, chunk_latency_ms=100)
        body = {
            "model": "demo",
            "messages": [{"role": "user", "content": "A long answer, please. " * 5}],
            "stream": True,
        }
        headers = {"authorization": f"Bearer {begun.api_key}"}
        url = f"{begun.gateway_url}/v1/chat/completions"
        with httpx.stream("POST", url, json=body, headers=headers, timeout=30) as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith("data: ")
            program.process.send_signal(signal.SIGTERM)
            program.wait_for_log("process_draining")
            while True:  # red until the port closes, which happens within a moment
                try:
                    health = httpx.get(f"{begun.gateway_url}/health/ready", timeout=30)
                except httpx.ConnectError:
                    break
                except (httpx.NetworkError, httpx.RemoteProtocolError):
                    continue  # it was accepted by the kernel as the port closed
                assert (health.status_code, health.json()["status"]) == (503, "draining")
            assert is_alive(process), "the port closed only because its process ended"
            assert [line for line in lines if line][-1] == "data: [DONE]"
        assert program.process.wait(30) == 0


def test_a_port_serves_on_with_readiness_red_for_the_delay_of_the_shutdown(home: Path) -> None:
    delay = {"THINKWATCH_SHUTDOWN_DELAY_SECONDS": "3"}
    with running("quickstart", "--json", *ANY_PORTS, directory=home, environ=delay) as program:
        begun = started(program)
        assert begun.api_key is not None
        program.process.send_signal(signal.SIGTERM)
        program.wait_for_log("shutdown_delay")
        for url in (begun.gateway_url, begun.console_url):
            while httpx.get(f"{url}/health/ready", timeout=30).json()["status"] != "draining":
                assert "process_draining" not in program.errors()
        assert httpx.get(f"{begun.gateway_url}/health/ready").status_code == 503
        assert complete(begun.gateway_url, begun.api_key).status_code == 200
        assert "process_draining" not in program.errors()
        assert program.process.wait(30) == 0


def test_a_stream_over_the_grace_ends_with_an_error_event_and_a_clean_log(home: Path) -> None:
    grace = {"THINKWATCH_SHUTDOWN_GRACE_SECONDS": "1"}
    with running("quickstart", "--json", *ANY_PORTS, directory=home, environ=grace) as program:
        begun = started(program)
        slow_demo(home, chunk_latency_ms=1_500)
        headers = {"authorization": f"Bearer {begun.api_key}"}
        body = {"model": "demo", "messages": [{"role": "user", "content": "x " * 50}]}
        url = f"{begun.gateway_url}/v1/chat/completions"
        body = {**body, "stream": True}
        with httpx.stream("POST", url, json=body, headers=headers, timeout=30) as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith("data: ")
            program.process.send_signal(signal.SIGTERM)
            last = [line for line in lines if line][-1]
        assert "shutting down" in last
        assert program.process.wait(30) == 0
        assert "Traceback" not in program.errors()


def test_a_second_signal_ends_at_once(home: Path) -> None:
    with running("quickstart", "--json", *ANY_PORTS, directory=home) as program:
        begun = started(program)
        slow_demo(home, chunk_latency_ms=2_000)
        headers = {"authorization": f"Bearer {begun.api_key}"}
        body = {"model": "demo", "messages": [{"role": "user", "content": "x"}], "stream": True}
        url = f"{begun.gateway_url}/v1/chat/completions"
        with httpx.stream("POST", url, json=body, headers=headers, timeout=30):
            children = children_of(program.pid)
            program.process.send_signal(signal.SIGTERM)
            program.wait_for_log("process_draining")
            assert program.stop(signal.SIGINT) == 128 + signal.SIGINT
            assert wait_until_gone(list(children)) == []


def slow_demo(home: Path, *, chunk_latency_ms: int) -> None:
    """Change the demo provider through `apply`, beside the running server."""
    document = {
        "version": 1,
        "providers": [
            {"name": "demo", "kind": "demo", "options": {"chunk_latency_ms": chunk_latency_ms}}
        ],
    }
    path = home / "slow.json"
    path.write_bytes(msgspec.json.encode(document))
    done = run("apply", "-f", str(path), directory=home)
    assert done.returncode == 0, done.stderr


def test_a_signal_while_starting_ends_it_cleanly_and_commands_start_what_they_need(
    home: Path,
) -> None:
    with running("serve", *ANY_PORTS, directory=home) as program:
        while not (home / "thinkwatch-data" / "postgres").exists():
            assert program.process.poll() is None, program.errors()
        assert program.stop() == 0
    migrated = run("migrate", directory=home)
    assert migrated.returncode == 0, migrated.stderr
    assert run("keys", "list", "--json", directory=home).returncode == 0
    assert wait_until_gone(processes_below(home)) == []
    report = doctor(home)
    assert report.ok
    assert {line.check for line in report.checks} >= {"gateway port", "console port"}


def test_commands_work_beside_a_running_server(shared: tuple[Path, Program, Started]) -> None:
    path, _, begun = shared
    assert begun.api_key is not None
    listed = run("keys", "list", "--json", directory=path)
    assert listed.returncode == 0, listed.stderr
    assert "quickstart" in listed.stdout
    assert begun.api_key not in listed.stdout


def test_an_unreachable_store_is_one_line_per_store_and_exit_code_69(home: Path) -> None:
    environ = {
        "DATABASE_URL": "postgresql://tw:hunter2@127.0.0.1:9/tw",
        "REDIS_URL": "redis://:hunter2@127.0.0.1:9/0",
        "CLICKHOUSE_URL": "http://tw:hunter2@127.0.0.1:9/tw",
        "ENCRYPTION_KEY": "6f1d9ac47be2385071c6ee029d4b8fa31857dc40b9a263fe0c91744be825d36a",
        "JWT_SECRET": "Zk3v9QwLr8TnXy2BcD5fGhJ7mPsVaE4u",
    }
    done = run("serve", *ANY_PORTS, directory=home, environ=environ)
    assert done.returncode == 69
    lines = done.stderr.splitlines()
    assert [line.split()[1].rstrip(":") for line in lines] == ["PostgreSQL", "Redis", "ClickHouse"]
    for line, name in zip(lines, ("DATABASE_URL", "REDIS_URL", "CLICKHOUSE_URL"), strict=True):
        assert line.endswith(f" - check {name} and that it runs there")
    assert "hunter2" not in done.stderr


def test_a_gateway_alone_serves_on_external_stores_with_secrets_from_files(
    home: Path, shared: tuple[Path, Program, Started]
) -> None:
    path, _, begun = shared
    assert begun.api_key is not None
    data_dir = path / "thinkwatch-data"
    stores = msgspec.json.decode((data_dir / "lock").read_bytes())["stores"]
    (home / "database_url").write_text(stores["database_url"])
    environ = {
        "DATABASE_URL_FILE": str(home / "database_url"),
        "REDIS_URL": stores["redis_url"],
        "ENCRYPTION_KEY_FILE": str(data_dir / "encryption_key"),
        "JWT_SECRET_FILE": str(data_dir / "jwt_secret"),
        "GATEWAY_HOST": "127.0.0.1",
    }
    arguments = ("gateway", "--json", "--gateway-port", "0")
    with running(*arguments, directory=home, environ=environ) as program:
        announced = program.announcement()
        assert announced["console_url"] is None
        assert len(children_of(program.pid)) == 1
        assert complete(announced["gateway_url"], begun.api_key).status_code == 200
        assert program.stop() == 0


def test_an_external_database_is_not_migrated_behind_the_back(
    home: Path, shared: tuple[Path, Program, Started]
) -> None:
    path, _, _ = shared
    holder = msgspec.json.decode((path / "thinkwatch-data" / "lock").read_bytes())
    environ = {
        "DATABASE_URL": holder["stores"]["database_url"].replace("/thinkwatch?", "/postgres?"),
        "REDIS_URL": holder["stores"]["redis_url"],
        "ENCRYPTION_KEY": "6f1d9ac47be2385071c6ee029d4b8fa31857dc40b9a263fe0c91744be825d36a",
        "JWT_SECRET": "Zk3v9QwLr8TnXy2BcD5fGhJ7mPsVaE4u",
    }
    done = run("serve", *ANY_PORTS, directory=home, environ=environ)
    assert done.returncode == 78
    (line,) = done.stderr.splitlines()
    assert line.startswith("thinkwatch: the database schema is empty, this program needs ")
    assert line.endswith(" - run 'thinkwatch migrate'")


def test_a_key_that_does_not_open_the_stored_credentials_is_found_before_a_port_opens(
    home: Path,
) -> None:
    environ = {"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    with running("quickstart", "--json", *ANY_PORTS, directory=home, environ=environ) as program:
        begun = started(program)
        assert "gpt-4o" in begun.models
    other = {"ENCRYPTION_KEY": "8f1d9ac47be2385071c6ee029d4b8fa31857dc40b9a263fe0c91744be825d36a"}
    done = run("serve", *ANY_PORTS, directory=home, environ=other)
    assert done.returncode == 78
    assert "ENCRYPTION_KEY does not open the credentials of openai - add the key" in done.stderr


class Line(msgspec.Struct):
    check: str
    status: str
    detail: str


class Report(msgspec.Struct):
    ok: bool
    checks: list[Line]


def doctor(directory: Path) -> Report:
    ports = {"GATEWAY_PORT": "0", "CONSOLE_PORT": "0"}
    done = run("doctor", "--json", directory=directory, environ=ports)
    assert done.returncode == 0, done.stdout + done.stderr
    return msgspec.json.decode(done.stdout, type=Report)


def test_doctor_checks_everything_beside_a_running_server(
    shared: tuple[Path, Program, Started],
) -> None:
    path, program, _ = shared
    report = doctor(path)
    assert report.ok
    details = {line.check: line.detail for line in report.checks}
    assert details.keys() >= {"PostgreSQL", "Redis", "ClickHouse", "data directory"}
    assert f"pid {program.pid}" in details["data directory"]
    assert is_alive(program.pid)
