"""Coding agents, unmodified, edit a file and run a command with models of other vendors' APIs."""

from pathlib import Path

import pytest

from tests.support.clients.coding_agents import AGENTS, hold_session
from tests.support.clients.travel import Place
from tests.support.compatibility import CODING_AGENTS, Findings
from tests.support.proving_ground import AGENT, ProvingGround, public_name

# None of them speaks the agent's own API.
ALWAYS = {
    "Claude Code": ("openai", "gemini"),
    "Codex CLI": ("anthropic", "bedrock"),
    "Gemini CLI": ("openai", "anthropic"),
    "OpenCode": ("anthropic", "bedrock"),
    "Qwen Code": ("anthropic", "gemini"),
}
# The rest: the other APIs, and the agent's own.
THOROUGH = {
    "Claude Code": ("azure-dated", "bedrock", "compatible", "anthropic"),
    "Codex CLI": ("gemini", "compatible", "azure-dated", "openai"),
    "Gemini CLI": ("azure-dated", "bedrock", "compatible", "gemini"),
    "OpenCode": ("gemini", "compatible"),
    "Qwen Code": ("bedrock", "compatible"),
}
SESSIONS = [(title, way) for title, ways in ALWAYS.items() for way in ways]
MORE_SESSIONS = [(title, way) for title, ways in THOROUGH.items() for way in ways]


def _hold(ground: ProvingGround, title: str, way: str, directory: Path) -> None:
    place = Place(ground.url, ground.key, public_name(AGENT, way))
    hold_session(AGENTS[title], place, directory)


@pytest.mark.parametrize(("title", "way"), SESSIONS)
def test_an_agent_finishes_its_work(
    ground: ProvingGround, directory: Path, findings: Findings, title: str, way: str
) -> None:
    _hold(ground, title, way, directory)
    findings.add(CODING_AGENTS, title, way)


@pytest.mark.parametrize(("title", "way"), MORE_SESSIONS)
def test_an_agent_finishes_its_work_elsewhere_too(
    ground: ProvingGround, directory: Path, *, thorough: bool, title: str, way: str
) -> None:
    if not thorough:
        pytest.skip("takes a minute more; --thorough runs it")
    _hold(ground, title, way, directory)
