"""Coding agents, each started headless as its manual says, in a home of its own."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.clients.npm import MODULES, NODE, offline
from tests.support.clients.travel import Place
from tests.support.model.agents import AFTER, BEFORE, FILE, LAST_WORDS, MADE_BY_SHELL, prompt

TIMEOUT_S = 150.0


@dataclass(frozen=True, slots=True)
class Start:
    """A command and what is added to its environment."""

    command: list[str]
    environment: dict[str, str]


def _native(package: str, *path: str) -> str:
    """Return a binary of the package for this platform; the package's own starter is a script."""
    found = sorted(MODULES.glob(f"{package}-*"))
    assert found, f"there is no {package} for this platform in {MODULES}"
    return str(found[0].joinpath(*path))


def _node(*path: str) -> list[str]:
    return [str(NODE), str(MODULES.joinpath(*path))]


def claude_code(place: Place, home: Path, folder: Path, asked: str) -> Start:
    """https://docs.claude.com/en/docs/claude-code/llm-gateway ."""
    return Start(
        [
            _native("@anthropic-ai/claude-code", "claude"),
            *("--print", asked, "--model", place.model, "--output-format", "json"),
            *("--allowedTools", "Read,Edit,Bash"),
        ],
        {
            "ANTHROPIC_BASE_URL": place.url,
            "ANTHROPIC_API_KEY": place.key,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
        },
    )


def codex(place: Place, home: Path, folder: Path, asked: str) -> Start:
    """https://github.com/openai/codex/blob/main/docs/config.md ."""
    (home / ".codex").mkdir()
    (home / ".codex" / "config.toml").write_text(
        f"""
model = "{place.model}"
model_provider = "gateway"
check_for_update_on_startup = false
[model_providers.gateway]
name = "gateway"
base_url = "{place.url}/v1"
env_key = "GATEWAY_KEY"
wire_api = "responses"
[analytics]
enabled = false
"""
    )
    return Start(
        [
            *_node("@openai", "codex", "bin", "codex.js"),
            *("exec", "--json", "--skip-git-repo-check"),
            *("--dangerously-bypass-approvals-and-sandbox", "-C", str(folder), asked),
        ],
        {"GATEWAY_KEY": place.key},
    )


def opencode(place: Place, home: Path, folder: Path, asked: str) -> Start:
    """https://opencode.ai/docs/providers/ , as any server that is compatible with OpenAI's."""
    config = home / ".config" / "opencode"
    config.mkdir(parents=True)
    model = {"name": "Scripted", "tool_call": True, "limit": {"context": 200_000, "output": 8000}}
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Gateway",
        "options": {"baseURL": f"{place.url}/v1", "apiKey": place.key},
        "models": {place.model: model},
    }
    settings = {
        "autoupdate": False,
        "share": "disabled",
        "permission": {"*": "allow"},
        "provider": {"gateway": provider},
    }
    (config / "opencode.json").write_text(json.dumps(settings))
    quiet = ("MODELS_FETCH", "AUTOUPDATE", "DEFAULT_PLUGINS", "LSP_DOWNLOAD", "SHARE")
    return Start(
        [
            str(MODULES / "opencode-linux-x64" / "bin" / "opencode")
            if (MODULES / "opencode-linux-x64").exists()
            else _native("opencode", "bin", "opencode"),
            *("run", "--model", f"gateway/{place.model}", "--format", "json"),
            *("--dir", str(folder), asked),
        ],
        {
            "OPENCODE_FAST_BOOT": "1",
            "OPENCODE_EXPERIMENTAL_DISABLE_FILEWATCHER": "1",
            **{f"OPENCODE_DISABLE_{name}": "1" for name in quiet},
        },
    )


def gemini_cli(place: Place, home: Path, folder: Path, asked: str) -> Start:
    """https://geminicli.com/docs/reference/configuration/ ."""
    (home / ".gemini").mkdir()
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
        "general": {"enableAutoUpdate": False},
    }
    (home / ".gemini" / "settings.json").write_text(json.dumps(settings))
    return Start(
        [
            *_node("@google", "gemini-cli", "bundle", "gemini.js"),
            *("--model", place.model, "--yolo", "--skip-trust", "--output-format", "json"),
            *("--prompt", asked),
        ],
        {
            "GOOGLE_GEMINI_BASE_URL": place.url,
            "GEMINI_API_KEY": place.key,
            "GEMINI_CLI_NO_RELAUNCH": "true",
        },
    )


def qwen_code(place: Place, home: Path, folder: Path, asked: str) -> Start:
    """https://qwenlm.github.io/qwen-code-docs/en/ , as a server compatible with OpenAI's."""
    return Start(
        [
            *_node("@qwen-code", "qwen-code", "cli-entry.js"),
            *("--model", place.model, "--yolo", "--auth-type", "openai"),
            *("--openai-api-key", place.key, "--openai-base-url", f"{place.url}/v1"),
            *("--output-format", "json", "--prompt", asked),
        ],
        {"QWEN_CODE_SUPPRESS_YOLO_WARNING": "1"},
    )


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent, its package, and the API it speaks."""

    package: str
    api: str
    start: Callable[[Place, Path, Path, str], Start]


AGENTS = {
    "Claude Code": Agent("@anthropic-ai/claude-code", "Anthropic Messages", claude_code),
    "Codex CLI": Agent("@openai/codex", "OpenAI Responses", codex),
    "Gemini CLI": Agent("@google/gemini-cli", "Gemini", gemini_cli),
    "OpenCode": Agent("opencode-ai", "OpenAI Chat Completions", opencode),
    "Qwen Code": Agent("@qwen-code/qwen-code", "OpenAI Chat Completions", qwen_code),
}


def hold_session(agent: Agent, place: Place, directory: Path) -> None:
    """Run a whole session; the agent must end well and the folder must be as it was asked for."""
    home, folder = directory / "home", directory / "work"
    home.mkdir()
    folder.mkdir()
    file = folder / FILE
    file.write_text(BEFORE)
    start = agent.start(place, home, folder, prompt(str(file)))
    finished = subprocess.run(
        start.command,
        env=offline(HOME=str(home), TMPDIR=str(home), **start.environment),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    told = f"{finished.stdout[-3000:]}\n{finished.stderr[-3000:]}"
    assert finished.returncode == 0, told
    assert LAST_WORDS in finished.stdout, told
    assert file.read_text() == AFTER, told
    assert (folder / MADE_BY_SHELL).read_text() == "made\n", told
