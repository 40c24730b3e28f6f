"""The domain decides; it does not wait, read the clock, roll dice, or know how it is stored.

A rule that can be asked with plain values can be tested with plain values, at any moment of time.
Imports of technology are forbidden by import-linter; these are the parts it cannot see.
"""

import ast

from tests.support.source_tree import dotted_uses, imported_names, package

HASHED_TEXT = "src/domain/records/audit.py"
"""The exact text of an event is what the chain is made over: there it is the domain's matter."""


def test_nothing_in_the_domain_waits() -> None:
    waiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    found = [
        module.at(node)
        for module in package("domain")
        for node in ast.walk(module.tree)
        if isinstance(node, waiting)
    ]
    assert found == []


def test_the_domain_knows_no_serialisation() -> None:
    """Structs are values; that they also become JSON is a matter for adapters."""
    forbidden = (
        "msgspec.json",
        "msgspec.msgpack",
        "msgspec.yaml",
        "msgspec.toml",
        "msgspec.convert",
    )
    found = [
        f"{module.at(node)} {name}"
        for module in package("domain")
        for node, name in (*imported_names(module), *dotted_uses(module))
        if name.startswith(forbidden) and not module.at(node).startswith(HASHED_TEXT)
    ]
    assert found == []


def test_the_domain_raises_no_http_status() -> None:
    """Statuses live in the error tables of the two apps; a use case has other callers than HTTP."""
    found = [
        f"{module.at(node)} {name}"
        for module in package("domain")
        for node, name in imported_names(module)
        if name.split(".")[0] in {"http", "litestar", "starlette"}
    ]
    assert found == []
