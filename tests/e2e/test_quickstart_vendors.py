"""Every vendor whose credentials are in the environment, from there to an answer."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.model.server import KEY, ModelServer
from tests.support.model.signing import ACCESS_KEY, REGION, SECRET_KEY
from tests.support.model.talk import Conversation, Tokens, Turn
from tests.support.program import Program, Ready, program

# One model of each vendor; the last one is only in the list of the stand-in for OpenAI.
MODELS = {
    "gpt-4o": "openai",
    "claude-sonnet-5-5": "anthropic",
    "gemini-2.5-pro": "gemini",
    "deployed": "azure-openai",
    "global.amazon.nova-2-lite-v1:0": "bedrock",
    "only-listed": "openai",
}


def greeting(asked: Conversation) -> Turn:
    return Turn(text=f"Hello from {asked.model}.", tokens=Tokens(uncached=5, output=4))


@pytest.fixture(scope="module")
def started() -> Iterator[tuple[Program, Ready]]:
    with ModelServer(dict.fromkeys(MODELS, greeting)) as server, program() as running:
        running.environment |= {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": f"{server.url}/v1",
            "ANTHROPIC_API_KEY": KEY,
            "ANTHROPIC_BASE_URL": server.url,
            "GEMINI_API_KEY": KEY,
            "GEMINI_BASE_URL": server.url,
            "AZURE_OPENAI_API_KEY": KEY,
            "AZURE_OPENAI_ENDPOINT": server.url,
            "AZURE_OPENAI_DEPLOYMENT": "deployed",
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "BEDROCK_BASE_URL": server.url,
        }
        ready = running.start()
        yield running, ready
        assert running.stop() == 0


@pytest.mark.parametrize("upstream_model", MODELS)
def test_a_model_of_every_vendor_answers_at_once(
    started: tuple[Program, Ready], upstream_model: str
) -> None:
    _, ready = started
    model = "nova-2-lite" if "nova" in upstream_model else upstream_model
    assert model in ready.models
    answer = httpx.post(
        f"{ready.gateway_url}/v1/chat/completions",
        headers={"authorization": f"Bearer {ready.api_key}"},
        json={"model": model, "messages": [{"role": "user", "content": "Hi"}]},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    (choice,) = answer.json()["choices"]
    assert choice["message"]["content"] == f"Hello from {upstream_model}."


@pytest.mark.parametrize("provider", ["demo", *dict.fromkeys(MODELS.values())])
def test_every_vendor_passes_its_test(started: tuple[Program, Ready], provider: str) -> None:
    running, _ = started
    tested = running.run(
        "providers", "test", provider, "--json", "--data-dir", str(running.data_dir)
    )
    assert tested.code == 0, tested.err
    assert tested.json()["ok"]


def test_a_vendor_that_is_away_fails_its_test_and_stops_nothing_else(
    started: tuple[Program, Ready],
) -> None:
    running, _ = started
    document = running.directory / "away.yaml"
    document.write_text(
        "version: 1\nproviders:\n"
        "  - {name: away, kind: openai_compatible, base_url: 'http://127.0.0.1:9/v1'}\n"
    )
    applied = running.run("apply", "-f", str(document), "--data-dir", str(running.data_dir))
    assert applied.code == 0, applied.err
    tested = running.run("providers", "test", "away", "--data-dir", str(running.data_dir))
    assert tested.code == 1
    assert "could not be reached" in tested.err
    assert "check the base_url" in tested.err
