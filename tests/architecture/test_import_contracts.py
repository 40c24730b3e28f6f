"""The import contracts hold, and each of them would notice being broken."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.support.source_tree import ROOT

CONFIGURATION = ROOT / "pyproject.toml"

# One line per contract, added to a copy of the source: module -> what it must not import.
PLANTED = {
    "Dependencies point inward": ("domain/money.py", "import application.ports.clock"),
    "The domain knows no technology": ("domain/money.py", "import asyncio"),
    "Use cases know ports, not technology": ("application/gateway/call.py", "import time"),
    "Adapters are independent of one another": (
        "adapters/journal/frames.py",
        "import adapters.sql.engine",
    ),
    "Only the container builds adapters": (
        "entrypoints/gateway/app.py",
        "import adapters.sql.engine",
    ),
    "The two apps do not know each other": (
        "entrypoints/gateway/app.py",
        "import entrypoints.console.app",
    ),
    "Siblings form no cycles": ("domain/errors.py", "import domain.records.events"),
}


def _lint(source: Path) -> dict[str, bool]:
    """Run import-linter over a source tree; tell for every contract whether it is kept."""
    finished = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--config", CONFIGURATION],
        cwd=source,
        env={"PYTHONPATH": str(source), "PATH": "/usr/bin:/bin", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    verdicts = re.findall(r"^(.+?) (KEPT|BROKEN)\b", finished.stdout, re.MULTILINE)
    assert verdicts, finished.stdout + finished.stderr
    return {name: verdict == "KEPT" for name, verdict in verdicts}


def _contracts() -> set[str]:
    linter = tomllib.loads(CONFIGURATION.read_text())["tool"]["importlinter"]
    return {contract["name"] for contract in linter["contracts"]}


def test_the_source_keeps_every_contract() -> None:
    assert _lint(ROOT / "src") == dict.fromkeys(_contracts(), True)


def test_every_contract_notices_a_violation(tmp_path: Path) -> None:
    assert PLANTED.keys() == _contracts(), "a contract without a planted violation proves nothing"
    source = tmp_path / "src"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    for module, line in PLANTED.values():
        assert (source / module).is_file()
        with (source / module).open("a") as file:
            file.write(f"\n{line}\n")
    assert _lint(source) == dict.fromkeys(PLANTED, False)
