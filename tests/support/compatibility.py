"""The page that says which clients were run against which providers, written from what was found."""

from collections.abc import Iterable, Mapping, Sequence

from tests.support.clients.coding_agents import AGENTS
from tests.support.clients.registry import npm_versions, python_versions
from tests.support.proving_ground import WAYS
from tests.support.source_tree import ROOT

PAGE = ROOT / "docs" / "compatibility.md"
PYTHON_CLIENTS = "Python clients"
NPM_CLIENTS = "npm clients"
NO_CLIENTS = frozenset({"oidc-provider", "openapi-typescript"})
"""What else the tests take from npm: an identity provider, and a generator of types."""
CODING_AGENTS = "Coding agents"
STAND_INS = "Stand-ins"
COLUMNS = {
    "openai": "OpenAI",
    "openai-chat": "OpenAI, Chat",
    "anthropic": "Anthropic",
    "gemini": "Gemini",
    "azure": "Azure",
    "azure-dated": "Azure, dated",
    "bedrock": "Bedrock",
    "compatible": "compatible",
}
_HEAD = """\
# Compatibility

Written by `make test` from what the clients found; a test fails when it is out of date. Everything
here ran unmodified, as its authors publish it, through the installed program, against a scripted
model that is as strict as the vendors are: tests/support/model holds their rules.
"""
_TOUR = """\
Each cell is one client at one provider, with whole answers and with streams: a system prompt, a
picture, thinking, three parallel calls of tools (one without arguments) whose results come back in
another order, a second round, a follow-up, an answer held to a JSON schema, and the tokens used.
The client's own parser reads the answers; the model checks that every text, picture, argument,
result and signature of thought reached it unchanged.

* ● all of it;
* ○ all of it, but the client is not shown what the model thought: its API has no place for it, the
  provider's does not tell, or the client asked for thinking without asking to see it.
"""
_PROVIDERS = """\
The columns are these providers:

"""
_AGENTS = """\
Each ran headless in a home of its own, without a network: it read a file, edited it and ran a shell
command (the last two called in parallel), and came to its end. In no cell does the provider speak
the agent's API. Codex CLI offers OpenAI's own search to every model; other vendors' are not offered
it, and the answer says so in `x-thinkwatch-warnings`.
`make test PYTEST=--thorough` runs every agent at more providers.
"""
_STAND_INS = """\
Servers that nobody here wrote, as upstreams. Each was asked by the official SDK of every API below,
whole and streamed; the last column says with which of its own APIs.
"""


class Findings:
    """What was found, by section of the page, client and provider."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._found: dict[str, dict[str, dict[str, str]]] = {}

    def add(self, section: str, client: str, way: str, *, thoughts: bool = True) -> None:
        """Note that a client came through."""
        cells = self._found.setdefault(section, {}).setdefault(client, {})
        cells[way] = "●" if thoughts else "○"

    def complete(self, expected: Mapping[str, Iterable[tuple[str, str]]]) -> bool:
        """Whether every client that is expected in a section was run."""
        return all(
            way in self._found.get(section, {}).get(client, {})
            for section, pairs in expected.items()
            for client, way in pairs
        )

    def page(self) -> str:
        """Return the whole page."""
        names = [way.name for way in WAYS]
        providers = "".join(f"* {COLUMNS[way.name]}: {way.title}\n" for way in WAYS)
        agents = {
            f"{title} ({agent.api})": self._of(CODING_AGENTS, title)
            for title, agent in AGENTS.items()
        }
        versions = npm_versions()
        sdks = {name: versions[name] for name in versions if _is_sdk(name)}
        return "\n".join(
            [
                _HEAD,
                "## Clients\n",
                _TOUR,
                _PROVIDERS + providers,
                "### Python\n",
                _listed(python_versions()),
                _table("client", names, self._found.get(PYTHON_CLIENTS, {})),
                "### npm\n",
                _listed(sdks),
                _table("client", names, self._found.get(NPM_CLIENTS, {})),
                "## Coding agents\n",
                _AGENTS,
                _listed({agent.package: versions[agent.package] for agent in AGENTS.values()}),
                _table("agent", names, agents),
                "## Stand-ins\n",
                _STAND_INS,
                self._stand_ins(),
            ]
        )

    def _of(self, section: str, client: str) -> dict[str, str]:
        return self._found.get(section, {}).get(client, {})

    def _stand_ins(self) -> str:
        lines = ["| server | as |", "|---|---|"]
        for server, ways in sorted(self._found.get(STAND_INS, {}).items()):
            lines.append(f"| {server} | {', '.join(sorted(ways))} |")
        return "\n".join(lines) + "\n"


def _is_sdk(name: str) -> bool:
    agents = {agent.package for agent in AGENTS.values()}
    return name not in agents and "aimock" not in name and name not in NO_CLIENTS


def _listed(versions: Mapping[str, str]) -> str:
    return "".join(f"`{name}` {number}, " for name, number in versions.items())[:-2] + "\n"


def _table(first: str, ways: Sequence[str], rows: Mapping[str, Mapping[str, str]]) -> str:
    lines = [
        f"| {first} | {' | '.join(COLUMNS[way] for way in ways)} |",
        f"|---|{':-:|' * len(ways)}",
    ]
    for client in sorted(rows):
        cells = [rows[client].get(way, "") for way in ways]
        lines.append(f"| {client} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
