"""The registry of settings is the only one: all of it is used, and all of it is documented."""

import ast

from domain.settings.catalog import CATALOG, SPECS
from entrypoints.config import SETTING_VARIABLES, VARIABLES
from tests.support.settings_page import PAGE, page
from tests.support.source_tree import ROOT

ACCESSORS = {"integer": int, "flag": bool, "text": str}


def _reads() -> dict[str, set[str]]:
    """Return by key the accessors that are called with it, anywhere in the program."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ACCESSORS
                and len(node.args) == 1
                and isinstance(node.args[0], ast.Constant)
                and isinstance(node.args[0].value, str)
            ):
                found.setdefault(node.args[0].value, set()).add(node.func.attr)
    return found


def test_every_setting_is_read_somewhere_and_by_its_type() -> None:
    reads = _reads()
    read = {key: {ACCESSORS[name] for name in reads.get(key, set())} for key in CATALOG}
    assert read == {key: {type(spec.default)} for key, spec in CATALOG.items()}


def test_the_page_is_what_the_registry_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.support.settings_page"


def test_every_setting_has_a_key_and_a_variable_of_its_own() -> None:
    names = [variable.name for variable in (*VARIABLES, *SETTING_VARIABLES)]
    assert len(names) == len(set(names))
    assert len(CATALOG) == len(SPECS)


def test_every_default_is_allowed() -> None:
    assert all(spec.check(spec.default) == spec.default for spec in SPECS)
