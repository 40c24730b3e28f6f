"""A running installation in front of the scripted model, which it reaches in every way it can."""

import contextlib
import json
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from tests.support.model import signing
from tests.support.model.agents import agent
from tests.support.model.server import KEY, ModelServer
from tests.support.model.talk import Scenario
from tests.support.model.tour import tour
from tests.support.program import Program, program

# What a model is called at a vendor; the name tells the program what the model takes. At Bedrock it
# may have colons and slashes that must survive in a path.
_PROFILE = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic."
_OPENAI = ("gpt-5.2", "gpt-5.2-codex")
_CLAUDE = ("claude-sonnet-4-5-20250929", "claude-opus-5-5")
_GEMINI = ("gemini-3-pro-preview", "gemini-2.5-pro")
_BEDROCK = (f"{_PROFILE}claude-sonnet-4-5-20250929-v1:0", f"{_PROFILE}claude-opus-4-6-v1:0")
_OPEN = ("qwen3-32b", "org/glm-5:latest")
TOUR = "tour"
AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Way:
    """How the installation reaches the model.

    Attributes:
        title: for people; the kind of provider and what it is set to.
        upstream: what the model of the tour, and that of the agents, is called there.
    """

    name: str
    title: str
    kind: str
    path: str
    api: str
    upstream: tuple[str, str]
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    credentials: dict[str, str] = field(default_factory=lambda: {"api_key": KEY})


WAYS = (
    Way("openai", "`openai`", "openai", "/v1", "responses", _OPENAI),
    Way(
        "openai-chat",
        "`openai`, `api: chat_completions`",
        "openai",
        "/v1",
        "chat",
        _OPENAI,
        {"api": "chat_completions"},
    ),
    Way("anthropic", "`anthropic`", "anthropic", "", "anthropic", _CLAUDE),
    Way("gemini", "`gemini`", "gemini", "", "gemini", _GEMINI),
    Way("azure", "`azure_openai`", "azure_openai", "", "responses", _OPENAI),
    Way(
        "azure-dated",
        "`azure_openai`, `api_version: 2024-10-21`",
        "azure_openai",
        "",
        "chat",
        _OPENAI,
        {"api_version": "2024-10-21"},
    ),
    Way(
        "bedrock",
        "`bedrock`",
        "bedrock",
        "",
        "converse",
        _BEDROCK,
        {"region": signing.REGION},
        {"access_key_id": signing.ACCESS_KEY, "secret_access_key": signing.SECRET_KEY},
    ),
    Way("compatible", "`openai_compatible`", "openai_compatible", "/compatible/v1", "chat", _OPEN),
)
BY_NAME = {way.name: way for way in WAYS}
# A client of Bedrock's reads in the model's name whose model it is.
PREFIX_FOR_AWS = "anthropic."


def public_name(scenario: str, way: str) -> str:
    """Return what clients of the gateway call a scenario that is reached in that way."""
    return f"{scenario}-{way}"


@dataclass(slots=True)
class ProvingGround:
    """The program, serving, and the model behind it."""

    program: Program
    key: str = field(repr=False)
    model: ModelServer

    @property
    def url(self) -> str:
        """Where clients go."""
        return f"http://127.0.0.1:{self.program.gateway_port}"

    def apply(self, document: dict[str, Any]) -> None:
        """Apply a document; the command must succeed."""
        path = self.program.directory / "document.json"
        path.write_text(json.dumps({"version": 1, **document}))
        finished = self.program.run("apply", "-f", str(path), "--json")
        assert finished.code == 0, finished.err


def _catalogue(model_url: str) -> dict[str, Any]:
    providers = [
        {
            "name": way.name,
            "kind": way.kind,
            "base_url": f"{model_url}{way.path}",
            "options": way.options,
            "credentials": way.credentials,
        }
        for way in WAYS
    ]
    models = [
        {
            "name": f"{prefix}{public_name(scenario, way.name)}",
            "routes": [{"provider": way.name, "upstream_model": upstream}],
        }
        for way in WAYS
        for scenario, upstream in zip((TOUR, AGENT), way.upstream, strict=True)
        for prefix in ("", PREFIX_FOR_AWS)
    ]
    return {"providers": providers, "models": models}


@contextlib.contextmanager
def proving_ground() -> Generator[ProvingGround]:
    """Start the model and a fresh installation that reaches it in every way."""
    scenarios: dict[str, Scenario] = {}
    for way in WAYS:
        scenarios |= dict(zip(way.upstream, (tour, agent), strict=True))
    with ModelServer(scenarios) as model, program() as running:
        ready = running.start()
        assert ready.api_key is not None
        ground = ProvingGround(running, ready.api_key, model)
        ground.apply(_catalogue(model.url))
        yield ground
        assert running.stop() == 0
