"""House rules about files: short, finished, and the same on every machine."""

import re
import subprocess

import pytest

from tests.support.source_tree import ROOT, dotted_uses, imported_names, modules

LONGEST_MODULE = 500
ENVIRONMENT_READER = "entrypoints.config"


def _tracked_text_files() -> list[str]:
    """Files git knows or would add; locks are machine-made and checked on their own."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return [
        name
        for name in listed.stdout.splitlines()
        if (ROOT / name).is_file() and name != "LICENSE" and not name.endswith((".lock", ".svg"))
    ]


def test_no_module_is_longer_than_one_idea() -> None:
    """The gateways that are hard to change have one file in which every concern meets."""
    everything = (*modules(), *modules(ROOT / "tests"), *modules(ROOT / "bench"))
    lengths = {module.where: module.text.count("\n") for module in everything}
    assert {name: count for name, count in lengths.items() if count > LONGEST_MODULE} == {}


def test_only_the_configuration_reads_the_environment() -> None:
    """A setting read somewhere else is missing from `doctor` and from the documentation."""
    readers = ("os.environ", "os.getenv", "os.putenv")
    found = [
        f"{module.at(node)} {name}"
        for module in modules()
        if module.name != ENVIRONMENT_READER
        for node, name in (*imported_names(module), *dotted_uses(module))
        if name.startswith(readers)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("unfinished", r"\b(T[O]DO|F[I]XME|X[X]X)\b|NotImplemented[E]rror$"),
        ("a path of one machine", r"(^|[^A-Za-z0-9_.])/(w[o]rk|f[a]rm|r[o]ot|home/[a-z]+)/"),
        ("a private key", r"BEGIN [A-Z ]*PRIVATE K[E]Y"),
    ],
)
def test_no_file_contains(what: str, pattern: str) -> None:
    wanted = re.compile(pattern, re.MULTILINE)
    found = [
        f"{name}: {match.group(0)}"
        for name in _tracked_text_files()
        if (match := wanted.search((ROOT / name).read_text(encoding="utf-8")))
    ]
    assert found == [], what


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_pins_every_package_by_hash_and_names_no_index(lock: str) -> None:
    """Who installs decides where from; what is installed is decided here."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text
    packages = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(packages) > 50
    assert [entry.split()[0] for entry in packages if "--hash=sha256:" not in entry] == []
    assert [entry.split()[0] for entry in packages if "==" not in entry.split()[0]] == []


def test_the_locks_agree_with_each_other() -> None:
    """What is tested is what runs."""
    pins = {
        lock: set(re.findall(r"^[a-z0-9][^ ]*==[^ ]+", (ROOT / lock).read_text(), re.MULTILINE))
        for lock in ("requirements.lock", "requirements-dev.lock")
    }
    assert pins["requirements.lock"] - pins["requirements-dev.lock"] == set()
