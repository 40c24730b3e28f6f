"""The source as data, for rules that linters cannot say."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"


@dataclass(frozen=True, slots=True)
class Module:
    """One parsed file. `name` is dotted, as it is imported."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def where(self) -> str:
        """Path relative to the repository."""
        return str(self.path.relative_to(ROOT))

    def at(self, node: ast.stmt | ast.expr) -> str:
        """Return `file:line` of a node."""
        return f"{self.where}:{node.lineno}"


@cache
def modules(folder: Path = SRC) -> tuple[Module, ...]:
    """Every Python file under `folder`, sorted by path."""
    return tuple(_read(path) for path in sorted(folder.rglob("*.py")))


def package(name: str) -> tuple[Module, ...]:
    """The modules of one package of `src`, itself included."""
    found = tuple(m for m in modules() if m.name == name or m.name.startswith(f"{name}."))
    assert found, f"there is no package {name}"
    return found


def _read(path: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    base = SRC if path.is_relative_to(SRC) else ROOT
    parts = path.relative_to(base).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return Module(name, path, text, ast.parse(text, filename=str(path)))


def classes(module: Module) -> Iterator[ast.ClassDef]:
    """Classes at the top of a module."""
    return (node for node in module.tree.body if isinstance(node, ast.ClassDef))


def base_names(cls: ast.ClassDef) -> set[str]:
    """Last parts of the names of the bases: `ports.Clock` and `Clock` are both `Clock`."""
    bases = (base.value if isinstance(base, ast.Subscript) else base for base in cls.bases)
    return {ast.unparse(base).rpartition(".")[2] for base in bases}


def imported_names(module: Module) -> Iterator[tuple[ast.stmt, str]]:
    """Every dotted name a module imports: `from a import b` gives `a.b`."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


def dotted_uses(module: Module) -> Iterator[tuple[ast.expr, str]]:
    """Every dotted name a module uses, as written, e.g. `os.environ`."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute):
            yield node, ast.unparse(node)
