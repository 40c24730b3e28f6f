"""A port is a promise: adapters say that they keep it, and one suite checks that all of them do."""

import ast
from dataclasses import dataclass

from tests.support.source_tree import ROOT, Module, base_names, classes, modules, package

# Ports without a contract suite of their own, each with the reason.
WITHOUT_CONTRACT_SUITE: dict[str, str] = {
    "UpstreamResponse": "what UpstreamTransport.send returns; that suite reads every kind of answer",
    "Backlog": "the read side of a journal; the suite of Journal reads back what was written",
    "DeadBacklog": "as Backlog",
    "DeadJournals": "only files outlive their process; tests/unit/journal kills writers of them",
}

Signature = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Port:
    """A Protocol of the application and the methods it asks for."""

    name: str
    where: str
    methods: frozenset[Signature]


def _signatures(cls: ast.ClassDef) -> frozenset[Signature]:
    return frozenset(
        (node.name, tuple(arg.arg for arg in (*node.args.args, *node.args.kwonlyargs)))
        for node in cls.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def _ports() -> list[Port]:
    protocols = {
        cls.name: (cls, module)
        for module in package("application.ports")
        for cls in classes(module)
        if "Protocol" in base_names(cls)
    }

    def methods(name: str) -> frozenset[Signature]:
        """What a port asks for, its base ports' methods included."""
        if name not in protocols:
            return frozenset()
        cls, _ = protocols[name]
        return _signatures(cls).union(*(methods(base) for base in base_names(cls)))

    return [Port(name, module.at(cls), methods(name)) for name, (cls, module) in protocols.items()]


def _adapter_classes() -> list[tuple[Module, ast.ClassDef]]:
    return [(module, cls) for module in package("adapters") for cls in classes(module)]


def test_every_method_of_a_port_is_abstract() -> None:
    """Without `@abstractmethod` an adapter that forgot a method is built and fails at night."""
    found = [
        f"{module.where}: {cls.name}.{node.name}"
        for module in package("application.ports")
        for cls in classes(module)
        if "Protocol" in base_names(cls)
        for node in cls.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if "abstractmethod" not in {ast.unparse(mark) for mark in node.decorator_list}
    ]
    assert found == []


def test_an_adapter_names_its_port_as_a_base() -> None:
    """Then the type checker reports drift at the class, not at some caller of it."""
    lineage = {
        cls.name: base_names(cls)
        for module in (*package("application.ports"), *package("adapters"))
        for cls in classes(module)
    }

    def ancestors(name: str) -> set[str]:
        direct = lineage.get(name, set())
        return direct | {up for base in direct if base != name for up in ancestors(base)}

    ports = _ports()

    def keeps(cls: ast.ClassDef, port: Port) -> bool:
        """Inherits the port, or one that asks for all its methods and more."""
        inherited = ancestors(cls.name)
        return any(port.methods <= other.methods for other in ports if other.name in inherited)

    found = [
        f"{module.at(cls)}: {cls.name} has the methods of {port.name} but does not inherit it"
        for module, cls in _adapter_classes()
        for port in ports
        if port.methods <= _signatures(cls) and not keeps(cls, port)
    ]
    assert found == []


def test_every_port_has_an_adapter() -> None:
    """A port nobody implements is a plan, not code."""
    implemented = {base for _, cls in _adapter_classes() for base in base_names(cls)}
    implemented |= {
        base
        for module in package("application.ports")
        for cls in classes(module)
        if cls.name in implemented
        for base in base_names(cls)
    }
    assert [f"{port.where}: {port.name}" for port in _ports() if port.name not in implemented] == []


def test_every_port_has_a_contract_suite() -> None:
    """Adapters of one port are interchangeable only as far as one suite has run over all of them."""
    suites = modules(ROOT / "tests" / "contract")
    named = {
        node.id if isinstance(node, ast.Name) else node.name
        for suite in suites
        for node in ast.walk(suite.tree)
        if isinstance(node, ast.Name | ast.alias)
    }
    of_file = {suite.path.stem.removeprefix("test").replace("_", "") for suite in suites}
    missing = {
        port.name
        for port in _ports()
        if port.name not in named and port.name.lower() not in of_file
    }
    assert missing - WITHOUT_CONTRACT_SUITE.keys() == set()
    assert WITHOUT_CONTRACT_SUITE.keys() - missing == set(), "these have one now"
