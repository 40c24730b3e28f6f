"""A Python client that is generated from the console's OpenAPI document, and calls made with it."""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Any

import httpx

COMMAND = Path(sys.executable).with_name("openapi-python-client")
TIMEOUT_S = 120.0
_numbers = count()


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as the generated code read it; `parsed` is None where it has no name for it."""

    status: int
    parsed: Any
    headers: httpx.Headers


@dataclass(frozen=True, slots=True)
class GeneratedClient:
    """The generated package, connected."""

    package: str
    client: Any

    def model(self, name: str) -> Any:
        """Return a generated class or enumeration, e.g. `RuleEntry`."""
        return getattr(importlib.import_module(f"{self.package}.models"), name)

    async def call(self, tag: str, operation: str, *path: str, **given: Any) -> Answer:
        """Make a call by the tag and the id of its operation."""
        module = importlib.import_module(f"{self.package}.api.{tag.replace('-', '_')}.{operation}")
        detailed: Callable[..., Coroutine[Any, Any, Any]] = module.asyncio_detailed
        answer = await detailed(*path, client=self.client, **given)
        return Answer(HTTPStatus(answer.status_code), answer.parsed, httpx.Headers(answer.headers))


def generate_client(document: dict[str, Any], directory: Path) -> str:
    """Generate the client into a directory that is on the path, and return its package's name.

    Raises:
        AssertionError: there is something that the generator could not read, or only in part.
    """
    package = f"console_client_{next(_numbers)}"
    source, config = directory / "openapi.json", directory / "generator.json"
    source.write_text(json.dumps(document))
    config.write_text(
        json.dumps(
            {
                "post_hooks": [],
                "content_type_overrides": {"application/jsonl": "application/octet-stream"},
            }
        )
    )
    finished = subprocess.run(
        [
            COMMAND, "generate", "--path", source, "--config", config, "--meta", "none",
            "--output-path", directory / package, "--fail-on-warning",
        ],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    said = finished.stdout + finished.stderr
    assert finished.returncode == 0, said
    assert "Warning(s) encountered" not in said, said
    return package


def connect(package: str, url: str, token: str) -> GeneratedClient:
    """Return the generated package with a client that sends this bearer token."""
    module = importlib.import_module(f"{package}.client")
    client = module.AuthenticatedClient(base_url=url, token=token, timeout=httpx.Timeout(30))
    return GeneratedClient(package, client)
