"""Writes docs/settings.md from the registry: `python -m tests.support.settings_page`."""

from itertools import groupby

from domain.settings.catalog import SPECS, SettingSpec
from tests.support.source_tree import ROOT

PAGE = ROOT / "docs" / "settings.md"
_INTRODUCTION = """\
# Settings

Written from the registry by `python -m tests.support.settings_page`; a test fails when it is out of
date.

Settings may change while the program runs, and a change is in force in every process within a
second; those marked † are read when a process starts. What is fixed at start is in
[operations.md](operations.md#configuration).

A stored value (console, API, `thinkwatch apply`) wins over the environment variable, and the
variable over the default: what was stored was set later, on purpose, and takes effect everywhere at
once, while variables may differ from machine to machine. A variable with a wrong value keeps the
program from starting (exit code 78).
"""


def page() -> str:
    """Return the text of docs/settings.md."""
    parts = [_INTRODUCTION]
    for group, specs in groupby(sorted(SPECS, key=lambda spec: spec.group), lambda s: s.group):
        lines = [
            f"## {group}",
            "",
            "| setting | default | allowed | meaning |",
            "|---|---|---|---|",
        ]
        parts.append("\n".join([*lines, *map(_row, specs)]) + "\n")
    return "\n".join(parts)


def _row(spec: SettingSpec) -> str:
    mark = " †" if spec.restart else ""
    name = f"`{spec.key}`{mark}<br>`{spec.env}`"
    return f"| {name} | `{_text(spec.default)}` | {_allowed(spec)} | {spec.description} |"


def _allowed(spec: SettingSpec) -> str:
    if spec.choices is not None:
        return ", ".join(f"`{choice}`" for choice in spec.choices)
    if isinstance(spec.default, bool):
        return "`true`, `false`"
    if spec.minimum is not None or spec.maximum is not None:
        return f"{_bound(spec.minimum)} to {_bound(spec.maximum)}"
    return f"any {spec.type_name}"


def _bound(value: int | None) -> str:
    return "" if value is None else str(value)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
