"""Servers from npm and PyPI that pretend to be providers, each as a process of its own."""

import contextlib
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.clients.npm import MODULES, NODE, offline
from tests.support.model import signing
from tests.support.program import free_port, wait_until

QUESTION = "hello, who are you?"
ANSWER = 'I am nobody\'s model: "21 °C" 東京'
KEY = "sk-stand-in-0123456789abcdefghij"
_START_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Role:
    """What a server plays: a kind of provider, where, with which options."""

    kind: str
    path: str = ""
    options: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class StandIn:
    """A server by name, the roles it plays, and what it says (None: anything, but not nothing).

    Attributes:
        own_faults: role, API and whether streamed, where an official SDK cannot read what the
            server writes, which passes through the gateway as it is.
    """

    name: str
    roles: dict[str, Role]
    says: str | None
    own_faults: frozenset[tuple[str, str, bool]] = frozenset()


AIMOCK = StandIn(
    "`@copilotkit/aimock` (npm)",
    {
        "OpenAI Chat Completions": Role("openai", "/v1", {"api": "chat_completions"}),
        "OpenAI Responses": Role("openai", "/v1", {"api": "responses"}),
        "Anthropic Messages": Role("anthropic"),
        "Gemini": Role("gemini"),
        "Azure OpenAI": Role("azure_openai", "", {"api_version": "2024-10-21"}),
        "Bedrock Converse": Role("bedrock", "", {"region": signing.REGION}),
        "a compatible server": Role("openai_compatible", "/v1"),
    },
    ANSWER,
    # It starts a block of text with an empty `start`, which AWS's SDK refuses.
    frozenset({("Bedrock Converse", "converse", True)}),
)
FAKELLM = StandIn(
    "`fakellm` (PyPI)",
    {
        "a compatible server": Role("openai_compatible", "/v1"),
        "Anthropic Messages": Role("anthropic"),
    },
    ANSWER,
)
LLMOCK = StandIn(
    "`llmock` (PyPI)",
    {
        "a compatible server": Role("openai_compatible", "/v1"),
        "Anthropic Messages": Role("anthropic", "/anthropic"),
        "Gemini": Role("gemini", "/gemini"),
    },
    None,
)
ALL = (AIMOCK, FAKELLM, LLMOCK)


def credentials(role: Role) -> dict[str, str]:
    """Return what a provider of that kind is given."""
    if role.kind == "bedrock":
        return {"access_key_id": signing.ACCESS_KEY, "secret_access_key": signing.SECRET_KEY}
    return {"api_key": KEY}


@contextlib.contextmanager
def running(stand_in: StandIn, directory: Path) -> Generator[str]:
    """Run a server and yield its URL."""
    port = free_port()
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(
            _command(stand_in, directory, port),
            env=offline(HOME=str(directory)),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until(
                lambda: process.poll() is not None or _answers(url),
                within_s=_START_TIMEOUT_S,
                what=f"{stand_in.name} listens",
            )
            assert process.poll() is None, (directory / "log").read_text()[-2000:]
            yield url
        finally:
            process.terminate()
            process.wait(20)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _command(stand_in: StandIn, directory: Path, port: int) -> list[str]:
    scripts = Path(sys.executable).parent
    if stand_in is AIMOCK:
        fixtures = directory / "fixtures.json"
        match = {"match": {"userMessage": "hello"}, "response": {"content": ANSWER}}
        fixtures.write_text(json.dumps({"fixtures": [match]}))
        start = str(MODULES / "@copilotkit" / "aimock" / "dist" / "cli.js")
        return [str(NODE), start, "-p", str(port), "-f", str(fixtures), "--strict"]
    if stand_in is FAKELLM:
        config = directory / "fakellm.yaml"
        rule = {
            "name": "hello",
            "when": {"messages_contain": "hello"},
            "respond": {"content": ANSWER},
        }
        config.write_text(json.dumps({"version": 1, "rules": [rule]}))
        return [
            str(scripts / "fakellm"), "serve", "--port", str(port), "--config", str(config),
        ]  # fmt: skip
    return [str(scripts / "llmock"), "serve", "--port", str(port), "--response-style", "echo"]
