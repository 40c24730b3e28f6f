"""Configuration documents as files: YAML or JSON in, YAML out."""

import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import msgspec
import yaml

from application.console.configuration.interpolation import Interpolated, Lookup, interpolate

_LARGEST_DOCUMENT = 8 * 1024 * 1024
_LARGEST_INCLUSION = 64 * 1024
_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """Plain values only, and no member twice: PyYAML would silently take the last one."""

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        """Look at the text's own members, before `<<` adds those that they may override."""
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                if key.value in seen:
                    line = key.start_mark.line + 1
                    raise click.ClickException(
                        f"the document has '{key.value}' twice, again in line {line}"
                    )
                seen.add(key.value)
        return node


class _Dumper(yaml.SafeDumper):
    """Amounts as plain numbers, lists indented, no anchors."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        super().increase_indent(flow, False)  # noqa: FBT003 - PyYAML's signature


def _amount(dumper: yaml.SafeDumper, value: Decimal) -> yaml.ScalarNode:
    text = f"{value:f}"
    kind = "float" if "." in text else "int"
    return dumper.represent_scalar(f"tag:yaml.org,2002:{kind}", text)


_Dumper.add_representer(Decimal, _amount)


class LocalLookup(Lookup):
    """The environment and files of whoever runs the command; paths are relative to the document."""

    def __init__(self, environment: Mapping[str, str], directory: Path) -> None:
        """Take the variables and the directory of the document."""
        self._environment = environment
        self._directory = directory

    def variable(self, name: str) -> str:
        """Return a variable. Raises `LookupError` when it is not set."""
        if name not in self._environment:
            raise LookupError(f"the environment variable {name} is not set")
        return self._environment[name]

    def file(self, path: str) -> str:
        """Return a file's text without the last line break. Raises `LookupError` with the reason."""
        where = self._directory / path
        try:
            if not where.is_file():
                raise LookupError(f"the file {path} does not exist")
            with where.open("rb") as opened:
                content = opened.read(_LARGEST_INCLUSION + 1)
            if len(content) > _LARGEST_INCLUSION:
                raise LookupError(f"the file {path} is larger than {_LARGEST_INCLUSION} bytes")
            return content.decode().removesuffix("\n").removesuffix("\r")
        except OSError as error:
            raise LookupError(f"the file {path} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise LookupError(f"the file {path} is not text in UTF-8") from error


def load_document(path: Path, environment: Mapping[str, str]) -> Interpolated:
    """Read a document (`-`: standard input) and resolve its references.

    Raises:
        ClickException: it cannot be read, or is neither YAML nor JSON.
    """
    text = _read(path)
    try:
        tree = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader, made stricter
    except yaml.YAMLError as error:
        raise click.ClickException(f"{path} is not YAML or JSON: {_where(error)}") from error
    except RecursionError as error:
        raise click.ClickException(f"{path} is nested too deeply") from error
    directory = Path.cwd() if str(path) == "-" else path.resolve().parent
    return interpolate(tree, LocalLookup(environment, directory))


def dump_yaml(document: object) -> str:
    """Return a document as YAML."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def dump_json(document: object) -> bytes:
    """Return a document as indented JSON."""
    encoded = msgspec.json.encode(document, enc_hook=None)
    return msgspec.json.format(encoded, indent=2)


def _read(path: Path) -> str:
    try:
        if str(path) == "-":
            content = sys.stdin.buffer.read(_LARGEST_DOCUMENT + 1)
        else:
            with path.open("rb") as opened:
                content = opened.read(_LARGEST_DOCUMENT + 1)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > _LARGEST_DOCUMENT:
        raise click.ClickException(f"{path} is larger than {_LARGEST_DOCUMENT} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{path} is not text in UTF-8") from error


def _where(error: yaml.YAMLError) -> str:
    """Return the place and the problem, without quoting the document: it may hold secrets."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it cannot be read"
    return f"line {mark.line + 1}: {problem}" if mark is not None else str(problem)
