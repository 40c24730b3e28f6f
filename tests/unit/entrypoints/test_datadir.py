"""The data directory: one holder at a time, secrets made once, nothing for others to see."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import structs

from domain.secret import Secret
from entrypoints.config import BootConfig
from entrypoints.datadir import DataDir, DataDirInUse, with_secrets
from entrypoints.failures import StartFailed
from entrypoints.roles import StoreUrls
from tests.support.processes import as_nobody, python_environment

URLS = StoreUrls(database_url="postgresql://x", redis_url="unix:///y")


def test_a_second_holder_is_told_in_one_line_who_the_first_one_is(tmp_path: Path) -> None:
    data_dir = DataDir(tmp_path / "data")
    with data_dir.lock("serve") as lock:
        lock.publish(ports={"gateway": 3000, "console": 3001}, stores=URLS)
        with pytest.raises(DataDirInUse) as caught, data_dir.lock("serve"):
            pass
        assert caught.value.exit_code == 78
        assert caught.value.holder is not None
        assert caught.value.holder.stores == URLS
        line = str(caught.value)
        assert f"in use by 'thinkwatch serve' (pid {os.getpid()}, since 2" in line
        assert "gateway port 3000, console port 3001) - stop it, or name another" in line
        assert "\n" not in line
        assert data_dir.running_holder() == caught.value.holder


def test_the_lock_is_free_again_after_the_holder_ended(tmp_path: Path) -> None:
    data_dir = DataDir(tmp_path / "data")
    with data_dir.lock("serve"):
        pass
    assert data_dir.running_holder() is None
    with data_dir.lock("apply"):
        assert data_dir.running_holder() is not None


def test_roles_share_a_directory_but_two_of_one_role_do_not(tmp_path: Path) -> None:
    data_dir = DataDir(tmp_path / "data")
    with data_dir.lock("gateway", name="lock-gateway"), data_dir.lock("worker", name="lock-worker"):
        with (
            pytest.raises(DataDirInUse, match="in use by 'thinkwatch gateway'"),
            data_dir.lock("gateway", name="lock-gateway"),
        ):
            pass
        assert data_dir.running_holder() is None


def test_a_killed_holder_blocks_nobody_and_its_stores_are_not_used(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from entrypoints.datadir import *;"
        "lock = DataDir(Path(sys.argv[1])).lock('serve'); held = lock.__enter__();"
        "held.publish(stores=StoreUrls(database_url='a', redis_url='b'));"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "data")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=python_environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        data_dir = DataDir(tmp_path / "data")
        assert data_dir.running_holder() is not None
        process.kill()
    assert data_dir.running_holder() is None
    with data_dir.lock("serve"):
        holder = data_dir.holder()
        assert holder is not None
        assert holder.stores is None


def test_everything_in_it_is_private(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.mkdir(mode=0o755)
    with_secrets(BootConfig(data_dir=path))
    DataDir(path).setup_token()
    DataDir(path).operator_token()
    assert path.stat().st_mode & 0o777 == 0o700
    names = {"encryption_key", "jwt_secret", "setup_token", "operator_token"}
    assert {found.name for found in path.iterdir()} == names
    assert all((path / name).stat().st_mode & 0o777 == 0o600 for name in names)


def test_secrets_are_generated_once_and_stay(tmp_path: Path) -> None:
    config = BootConfig(data_dir=tmp_path / "data")
    first = with_secrets(config)
    assert len(first.key_ring()) == 1
    assert first.jwt_secret is not None
    assert with_secrets(config) == first
    assert with_secrets(first) is first
    assert with_secrets(BootConfig(data_dir=tmp_path / "other")).key_ring() != first.key_ring()


def test_a_configured_secret_is_not_replaced(tmp_path: Path) -> None:
    config = BootConfig(data_dir=tmp_path / "data", jwt_secret=Secret("mine"))
    complete = with_secrets(config)
    assert complete.jwt_secret == Secret("mine")
    assert not (tmp_path / "data" / "jwt_secret").exists()
    assert structs.replace(complete, encryption_keys=()) == config


def test_a_lost_secret_is_an_error_and_not_made_anew_behind_the_back(tmp_path: Path) -> None:
    with_secrets(BootConfig(data_dir=tmp_path))
    (tmp_path / "encryption_key").write_text("")
    with pytest.raises(StartFailed, match="encryption_key is empty - restore it") as caught:
        with_secrets(BootConfig(data_dir=tmp_path))
    assert caught.value.exit_code == 78


def test_a_data_directory_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartFailed, match=r"file cannot be used: .* - correct its permissions"):
        DataDir(tmp_path / "file").prepare()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_somebody_elses_data_directory_is_one_clear_line(tmp_path: Path) -> None:
    DataDir(tmp_path / "data").prepare()
    script = (
        "import sys; from pathlib import Path; from entrypoints.datadir import *;"
        "DataDir(Path(sys.argv[1])).prepare()"
    )
    done = subprocess.run(
        as_nobody([sys.executable, "-c", script, str(tmp_path / "data")]),
        env=python_environment(),
        capture_output=True,
        check=False,
    )
    last = done.stderr.decode().strip().splitlines()[-1]
    assert "StartFailed" in last
    assert "cannot be used: Permission denied - correct its permissions" in last
