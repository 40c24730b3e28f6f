"""The page of compatibility is what the clients found in this very run."""

import pytest

from tests.e2e.clients.test_coding_agents import SESSIONS
from tests.support.clients.registry import PYTHON
from tests.support.clients.stand_ins import ALL
from tests.support.compatibility import (
    CODING_AGENTS,
    NPM_CLIENTS,
    PAGE,
    PYTHON_CLIENTS,
    STAND_INS,
    Findings,
)
from tests.support.proving_ground import WAYS

NPM = ("openai, Responses", "@anthropic-ai/sdk", "ai with @ai-sdk/google")
EXPECTED = {
    PYTHON_CLIENTS: [(client, way.name) for client in PYTHON for way in WAYS],
    NPM_CLIENTS: [(client, way.name) for client in NPM for way in WAYS],
    CODING_AGENTS: SESSIONS,
    STAND_INS: [(server.name, role) for server in ALL for role in server.roles],
}


def test_the_page_of_compatibility_is_up_to_date(findings: Findings) -> None:
    """It is written when it differs, so that the next run passes and the change is reviewed."""
    if not findings.complete(EXPECTED):
        pytest.skip("not every client was run")
    found = findings.page()
    written = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if found != written:
        PAGE.write_text(found, encoding="utf-8")
    assert written == found, f"{PAGE.name} was out of date; it is written anew"
