"""What the documentation lists is what there is."""

import re

from entrypoints import tracing
from entrypoints.cli import COMMANDS
from entrypoints.config import VARIABLES
from tests.support.source_tree import ROOT

OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def _table(header: str) -> list[list[str]]:
    """Return the rows of the table with this first header cell."""
    after = OPERATIONS.split(f"| {header} |", 1)[1].splitlines()[2:]
    rows: list[list[str]] = []
    for line in after:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_every_variable_is_documented_with_its_default_and_none_that_is_gone() -> None:
    documented: dict[str, tuple[str | None, bool]] = {}
    for names, defaults, _ in _table("variable"):
        values = re.findall(r"`([^`]+)`", defaults)
        for index, name in enumerate(re.findall(r"`([A-Z_]+)`", names)):
            documented[name] = (values[index] if values else None, "†" in names)
    assert documented == {
        variable.name: (variable.default, variable.secret) for variable in VARIABLES
    }


def test_every_variable_of_traces_that_is_looked_at_is_documented() -> None:
    rows = _table("OpenTelemetry variable")
    documented = {name for row in rows for name in re.findall(r"`(OTEL_[A-Z_]+)`", row[0])}
    assert documented == set(tracing.VARIABLES)


def test_every_command_is_documented() -> None:
    documented = {name for row in _table("command") for name in re.findall(r"`([a-z]+)`", row[0])}
    assert documented == set(COMMANDS)


def test_links_between_documents_lead_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    broken = [
        f"{document.name}: {target}"
        for document in documents
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8"))
        if not (document.parent / target).exists()
    ]
    assert broken == []
