"""A running installation with a scripted provider behind it, for end-to-end tests."""

import contextlib
import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.program import Finished, Program, Ready, free_port, program, wait_until

UPSTREAM_KEY = "sk-e2e-0123456789abcdefghijklmnop"
MODEL = "gpt-4o"
UPSTREAM_MODEL = "gpt-4o-2024-08-06"
DEAD_MODEL = "nobody-answers"
OTHER_MODEL = "of-its-own"
"""On a route of its own, for what is remembered of a route."""


@dataclass(slots=True)
class Installation:
    """The program, serving, with `MODEL` routed to a scripted upstream on `upstream_port`."""

    program: Program
    ready: Ready
    upstream_port: int
    key: str = field(repr=False)

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its base URL."""
        return f"http://127.0.0.1:{self.program.gateway_port}/v1"

    def client(self, key: str | None = None, **options: Any) -> httpx.AsyncClient:
        """Return a client of the gateway that sends a key (an empty one: none)."""
        key = self.key if key is None else key
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return httpx.AsyncClient(base_url=self.base_url, headers=headers, timeout=30, **options)

    def apply(self, document: dict[str, Any]) -> Finished:
        """Apply a document; the command must succeed."""
        path = self.program.directory / "document.json"
        path.write_text(json.dumps({"version": 1, **document}))
        finished = self.program.run("apply", "-f", str(path), "--json")
        assert finished.code == 0, finished.err
        return finished

    def new_key(self, name: str, *options: str) -> str:
        """Create a key with the command line and return its secret."""
        finished = self.program.run("keys", "create", "--json", "--name", name, *options)
        assert finished.code == 0, finished.err
        return str(finished.json()["secret"])

    def records(self, wanted: Sequence[str], *, within_s: float = 30.0) -> list[dict[str, Any]]:
        """Return all records of these request ids, once there is at least one of each."""

        def found() -> list[dict[str, Any]] | None:
            rows = [row for row in all_records(self.program) if row["request_id"] in set(wanted)]
            return rows if {row["request_id"] for row in rows} == set(wanted) else None

        rows = wait_until(found, within_s=within_s, what="a record of every request")
        assert rows is not None
        return rows

    def record(self, request_id: str) -> dict[str, Any]:
        """Return the one record of a request."""
        rows = self.records([request_id])
        assert len(rows) == 1
        return rows[0]


def all_records(running: Program) -> list[dict[str, Any]]:
    """Return what `thinkwatch requests --json` prints, oldest first."""
    finished = running.run("requests", "--json", "--limit", "1000")
    assert finished.code == 0, finished.err
    return [json.loads(line) for line in finished.out.splitlines()]


def catalogue(upstream_port: int, dead_port: int) -> dict[str, Any]:
    """Return a document with a scripted provider, and one that nobody listens for."""
    return {
        "providers": [
            {
                "name": "scripted",
                "kind": "openai_compatible",
                "base_url": f"http://127.0.0.1:{upstream_port}/v1",
                "credentials": {"api_key": UPSTREAM_KEY},
            },
            {
                "name": "dead",
                "kind": "openai_compatible",
                "base_url": f"http://127.0.0.1:{dead_port}/v1",
            },
        ],
        "models": [
            {
                "name": MODEL,
                "price": {"input": 2.50, "cache_read": 1.25, "output": 10.00},
                "routes": [{"provider": "scripted", "upstream_model": UPSTREAM_MODEL}],
            },
            {
                "name": OTHER_MODEL,
                "routes": [{"provider": "scripted", "upstream_model": UPSTREAM_MODEL}],
            },
            {"name": DEAD_MODEL, "routes": [{"provider": "dead", "upstream_model": "any"}]},
        ],
    }


@contextlib.contextmanager
def installed(*arguments: str) -> Generator[Installation]:
    """Start a fresh installation with the catalogue above."""
    with program() as running:
        ready = running.start(*arguments)
        assert ready.api_key is not None
        installation = Installation(running, ready, free_port(), ready.api_key)
        installation.apply(catalogue(installation.upstream_port, free_port()))
        yield installation
