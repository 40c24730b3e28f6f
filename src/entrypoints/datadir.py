"""The data directory: who uses it, where things are in it, and the secrets generated into it."""

import base64
import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Generator, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from domain.secret import Secret
from entrypoints.config import BootConfig
from entrypoints.failures import StartFailed, misconfigured
from entrypoints.roles import StoreUrls

SETUP_TOKEN, OPERATOR_TOKEN = "setup_token", "operator_token"
"""Names of files in the data directory."""


class Holder(Struct, frozen=True, kw_only=True):
    """Who uses a data directory; this is the content of its lock file.

    Attributes:
        started: UTC, ISO 8601.
        ports: by role, once they are open.
        stores: once they accept connections; the lock file is as private as the data.
    """

    pid: int
    started: str
    command: str
    ports: Mapping[str, int] = {}
    stores: StoreUrls | None = None

    def __str__(self) -> str:
        """Who it is, for an error line."""
        ports = ", ".join(f"{role} port {port}" for role, port in self.ports.items())
        return f"'thinkwatch {self.command}' (pid {self.pid}, since {self.started}" + (
            f", {ports})" if ports else ")"
        )


class DataDirInUse(StartFailed):
    """Another process holds the data directory; `holder` is None while it is writing its name."""

    def __init__(self, path: Path, holder: Holder | None) -> None:
        """Say in one line who holds `path`."""
        failed = misconfigured(
            f"the data directory {path} is in use by {holder or 'another process'}",
            "stop it, or name another directory with --data-dir",
        )
        super().__init__(*failed.failures)
        self.holder = holder


class DataDirLock:
    """A held lock; it ends with the process at the latest, however that ends."""

    def __init__(self, descriptor: int, holder: Holder) -> None:
        """Take over the locked `descriptor`."""
        self._descriptor = descriptor
        self._holder = holder
        self._write()

    def publish(
        self, *, ports: Mapping[str, int] | None = None, stores: StoreUrls | None = None
    ) -> None:
        """Tell others what runs here: the ports for people, the stores for commands that join."""
        self._holder = structs.replace(
            self._holder,
            ports=self._holder.ports if ports is None else dict(ports),
            stores=self._holder.stores if stores is None else stores,
        )
        self._write()

    def _write(self) -> None:
        content = msgspec.json.encode(self._holder) + b"\n"
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, content, 0)


class DataDir:
    """Paths below the data directory, each owned by one component."""

    def __init__(self, path: Path) -> None:
        """`path` is absolute; nothing is created yet."""
        self.path = path
        self.postgres = path / "postgres"
        self.valkey = path / "valkey"
        self.clickhouse = path / "clickhouse"
        self.journal = path / "journal"
        self.settlements = path / "settlements"
        self.metrics = path / "metrics"
        self.logs = path / "logs"

    def prepare(self) -> None:
        """Create the directory (0700) and see that it can be written.

        Raises:
            StartFailed: it cannot be used (exit code 78).
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.path.stat().st_mode & 0o077:
                self.path.chmod(0o700)
            probe = self.path / f".probe-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise misconfigured(
                f"the data directory {self.path} cannot be used: {error.strerror}",
                "correct its permissions, or name another one with --data-dir",
            ) from error

    @contextlib.contextmanager
    def lock(self, command: str, *, name: str = "lock") -> Generator[DataDirLock, None, None]:
        """Hold the directory for `command`.

        `name` is the lock file. Processes of single roles take one per role: on external stores
        they may share a directory with other roles, but not with a second one of the same role.

        Raises:
            DataDirInUse: somebody else does.
            StartFailed: the directory cannot be used.
        """
        self.prepare()
        try:
            descriptor = os.open(
                self.path / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
        except OSError as error:
            raise misconfigured(
                f"{self.path / name} cannot be opened: {error.strerror}",
                "start as the user who owns the data directory",
            ) from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DataDirInUse(self.path, self.holder(name)) from None
            started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            yield DataDirLock(descriptor, Holder(pid=os.getpid(), started=started, command=command))
        finally:
            os.close(descriptor)

    def running_holder(self) -> Holder | None:
        """Return who holds the directory at this moment, None when nobody does."""
        try:
            descriptor = os.open(self.path / "lock", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return self.holder()
        finally:
            os.close(descriptor)
        return None

    def holder(self, name: str = "lock") -> Holder | None:
        """Return what the lock file says; only of worth while the lock is known to be held."""
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode((self.path / name).read_bytes(), type=Holder)
        return None

    def secret(self, name: str, generate: str) -> Secret:
        """Return the secret kept in file `name`; `generate` becomes its value when there is none.

        Raises:
            StartFailed: the file cannot be read or written.
        """
        path = self.path / name
        try:
            with contextlib.suppress(FileExistsError):
                if not path.exists():
                    _create_durably(path, generate)
            value = path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise misconfigured(
                f"{path} cannot be read or written: {error}",
                "restore it from a backup, or correct its permissions",
            ) from error
        if not value:
            raise misconfigured(f"{path} is empty", "restore it from a backup")
        return Secret(value)

    def setup_token(self) -> Secret:
        """Return the token with which the first administrator is made, and nothing else."""
        return self.secret(SETUP_TOKEN, secrets.token_urlsafe(32))

    def operator_token(self) -> Secret:
        """Return what commands on this machine show to its console."""
        return self.secret(OPERATOR_TOKEN, secrets.token_urlsafe(32))


def _create_durably(path: Path, value: str) -> None:
    """Write a file that is there whole or not at all, also after a power cut.

    Raises:
        FileExistsError: another process was faster; its value counts.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(f"{value}\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.link(draft, path)  # unlike rename, it never replaces
    finally:
        draft.unlink()
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def with_secrets(config: BootConfig) -> BootConfig:
    """Return `config` with secrets that were left unset filled in from the data directory.

    They are generated at the first call. Configuration checks have made sure that this happens only
    while PostgreSQL is embedded, i.e. while secrets and what they protect live side by side.

    Raises:
        StartFailed: the data directory cannot be used.
    """
    if config.encryption_keys and config.jwt_secret is not None:
        return config
    data_dir = DataDir(config.data_dir)
    data_dir.prepare()
    fresh_key = base64.b64encode(secrets.token_bytes(32)).decode()
    keys = config.encryption_keys or tuple(
        Secret(part) for part in data_dir.secret("encryption_key", fresh_key).reveal().split(",")
    )
    jwt_secret = config.jwt_secret or data_dir.secret("jwt_secret", secrets.token_urlsafe(48))
    return structs.replace(config, encryption_keys=keys, jwt_secret=jwt_secret)
