"""The console as its OpenAPI document describes it, for tests that go over every operation."""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from click.testing import CliRunner

from entrypoints.cli.openapi import command

_METHODS = ("get", "put", "post", "delete", "patch")


@dataclass(frozen=True, slots=True)
class Described:
    """One operation."""

    id: str
    method: str
    path: str
    spec: dict[str, Any]

    @property
    def statuses(self) -> set[int]:
        """What it may end with."""
        return {int(status) for status in self.spec["responses"]}

    @property
    def body(self) -> dict[str, Any] | None:
        """The schema of its JSON body; None when it takes none."""
        content = self.spec.get("requestBody", {}).get("content", {})
        return content.get("application/json", {}).get("schema")

    def parameters(self, where: str) -> list[dict[str, Any]]:
        """Return its parameters in `path`, `query` or `header`."""
        return [each for each in self.spec.get("parameters", ()) if each["in"] == where]


@cache
def document() -> dict[str, Any]:
    """Return the document as the command prints it, which needs no store."""
    printed = CliRunner().invoke(command, ["--json"])
    assert printed.exit_code == 0, printed.output
    return json.loads(printed.stdout)


def operations() -> list[Described]:
    """Return every operation, in the order of the document."""
    return [
        Described(item[method]["operationId"], method, path, item[method])
        for path, item in document()["paths"].items()
        for method in _METHODS
        if method in item
    ]


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Return what a schema refers to."""
    while "$ref" in schema:
        schema = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def an_instance(schema: dict[str, Any], text: str, number: int, depth: int = 0) -> Any:
    """Return a value of the form of `schema` with all its members.

    Every free text in it is `text`, and every integer is `number`.
    """
    schema = resolved(schema)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for choices in (schema.get("oneOf"), schema.get("anyOf"), schema.get("allOf")):
        if choices:
            return an_instance(choices[0], text, number, depth)
    kind = schema.get("type")
    if kind == "object":
        members = schema.get("properties", {})
        if depth > 5:
            members = {name: members[name] for name in schema.get("required", ())}
        return {name: an_instance(each, text, number, depth + 1) for name, each in members.items()}
    if kind == "array":
        return [an_instance(schema.get("items", {}), text, number, depth + 1)]
    return {"string": text, "integer": number, "number": number, "boolean": True}.get(str(kind))
