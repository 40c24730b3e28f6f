"""The OpenAPI document is complete: whoever generates a client from it needs nothing else."""

import inspect
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import msgspec
import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response
from litestar.routes import HTTPRoute

from adapters.memory.change_feed import MemoryChangeFeed
from adapters.memory.store import MemoryStore, MemoryUnitOfWork
from adapters.system.clock import SystemClock
from adapters.system.identifiers import UuidGenerator
from entrypoints.console.app import create_console_api
from tests.support.console import console_over

PROBLEM = "#/components/schemas/Problem"
DOCUMENTS = {"/api/audit/export", "/api/config/export"}
"""Answers that are a document with a form of its own: a stream of lines, a configuration."""
CHANGES = {"POST", "PUT", "PATCH", "DELETE"}


@pytest.fixture(scope="module")
def api() -> Litestar:
    clock = SystemClock()
    uow = MemoryUnitOfWork(MemoryStore(), MemoryChangeFeed(), clock, UuidGenerator())
    return create_console_api(console_over(uow, clock))


@pytest.fixture(scope="module")
def document(api: Litestar) -> dict[str, Any]:
    return msgspec.json.decode(msgspec.json.encode(api.openapi_schema.to_schema()))


def handlers(api: Litestar) -> Iterator[tuple[str, HTTPRouteHandler]]:
    """Yield the handlers of the REST API with the paths they are under."""
    for route in api.routes:
        if isinstance(route, HTTPRoute) and route.path.startswith("/api/"):
            for handler in route.route_handlers:
                if handler.resolve_include_in_schema():
                    yield route.path, handler


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (method, path, operation) of the REST API."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if path.startswith("/api/") and isinstance(operation, dict):
                yield method.upper(), path, operation


def test_every_handler_has_a_name_a_tag_and_a_description(api: Litestar) -> None:
    incomplete = [
        path
        for path, handler in handlers(api)
        if not (
            isinstance(handler.operation_id, str)
            and handler.resolve_tags()
            and inspect.getdoc(handler.fn)
        )
    ]
    assert incomplete == []


def test_every_handler_says_what_it_answers_with(api: Litestar) -> None:
    untyped: list[str] = []
    for path, handler in handlers(api):
        if path in DOCUMENTS:
            continue
        told = inspect.signature(handler.fn).return_annotation
        shape = get_args(told)[0] if get_origin(told) is Response else told
        if not (isinstance(shape, type) and issubclass(shape, msgspec.Struct)):
            untyped.append(f"{path}: {told}")
    assert untyped == []


def test_the_document_has_every_handler_once(api: Litestar, document: dict[str, Any]) -> None:
    named = [str(handler.operation_id) for _, handler in handlers(api)]
    assert len(named) > 40
    assert sorted(named) == sorted(each["operationId"] for _, _, each in operations(document))
    assert len(set(named)) == len(named)


def test_credentials_are_written_and_never_read(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["ProviderView"]["properties"]["credentials"]["type"] == "array"
    assert schemas["SsoProviderView"]["properties"]["has_client_secret"]["type"] == "boolean"
    assert "client_secret" not in schemas["SsoProviderView"]["properties"]
