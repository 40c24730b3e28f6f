"""A newcomer's first five minutes: one command, the official SDK, and the records of it."""

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from tests.support.installation import all_records
from tests.support.program import Program, Ready, program, wait_until

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
QUESTION: Any = [{"role": "user", "content": "What is the weather in Paris?"}]


@pytest.fixture(scope="module")
def newcomer() -> Iterator[tuple[Program, Ready]]:
    with program() as running:
        ready = running.start()
        yield running, ready
        assert running.stop() == 0


@pytest.fixture
def client(newcomer: tuple[Program, Ready]) -> Iterator[OpenAI]:
    running, ready = newcomer
    assert ready.api_key is not None
    with OpenAI(
        base_url=f"http://127.0.0.1:{running.gateway_port}/v1",
        api_key=ready.api_key,
        max_retries=0,
        timeout=30,
    ) as client:
        yield client


def test_the_ready_line_says_all_that_is_needed(newcomer: tuple[Program, Ready]) -> None:
    running, ready = newcomer
    assert ready.gateway_url == f"http://127.0.0.1:{running.gateway_port}"
    assert ready.console_url == f"http://127.0.0.1:{running.console_port}"
    assert ready.api_key is not None
    assert ready.api_key.startswith("tw-")
    assert "demo" in ready.models
    for port in (running.gateway_port, running.console_port):
        assert httpx.get(f"http://127.0.0.1:{port}/health/live").status_code == 200


def test_the_official_sdk_gets_answers_streams_and_tools_and_each_is_recorded(
    newcomer: tuple[Program, Ready], client: OpenAI
) -> None:
    running, _ = newcomer
    before = len(all_records(running))

    whole = client.chat.completions.with_raw_response.create(model="demo", messages=QUESTION)
    completion = whole.parse()
    assert completion.choices[0].message.content
    assert completion.usage is not None
    assert completion.usage.completion_tokens > 0

    streamed = client.chat.completions.with_raw_response.create(
        model="demo", messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(streamed.parse())
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert len(chunks) > 3
    assert text
    assert chunks[-1].usage is not None

    called = client.chat.completions.with_raw_response.create(
        model="demo", messages=QUESTION, tools=[TOOL], tool_choice="required"
    )
    calls = called.parse().choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].type == "function"
    assert calls[0].function.name == "get_weather"

    with pytest.raises(openai.NotFoundError) as refused:
        client.chat.completions.create(model="no-such-model", messages=QUESTION)

    answers = [*(reply.headers["x-request-id"] for reply in (whole, streamed, called))]
    wanted = {*answers, refused.value.request_id}

    def recorded() -> list[dict[str, Any]] | None:
        rows = all_records(running)
        return rows if len(rows) >= before + len(wanted) else None

    rows = wait_until(recorded, what="a record of each request")
    assert rows is not None
    assert len(rows) == before + len(wanted)
    mine = {row["request_id"]: row for row in rows if row["request_id"] in wanted}
    assert mine.keys() == wanted
    assert mine[refused.value.request_id]["status"] == 404
    for request_id in answers:
        row = mine[request_id]
        assert (row["status"], row["outcome"], row["model_requested"]) == (200, "ok", "demo")
        assert row["tokens_output"] > 0
    first = mine[answers[0]]
    assert first["tokens_input_uncached"] == completion.usage.prompt_tokens
    assert first["tokens_output"] == completion.usage.completion_tokens


def test_the_sdk_lists_the_models(client: OpenAI) -> None:
    assert "demo" in {model.id for model in client.models.list()}


def test_a_second_start_keeps_the_installation(newcomer: tuple[Program, Ready]) -> None:
    running, first = newcomer
    assert running.stop() == 0
    again = running.start()
    assert again.api_key is None
    assert again.admin_password is None
    reply = httpx.post(
        f"http://127.0.0.1:{running.gateway_port}/v1/chat/completions",
        headers={"authorization": f"Bearer {first.api_key}"},
        json={"model": "demo", "messages": QUESTION},
        timeout=30,
    )
    assert reply.status_code == 200


def test_a_second_program_on_the_same_data_says_who_holds_it(
    newcomer: tuple[Program, Ready],
) -> None:
    running, _ = newcomer
    assert running.process is not None
    refused = running.run("serve", "--gateway-port", "0", "--console-port", "0")
    assert refused.code != 0
    assert len(refused.err.splitlines()) == 1
    assert str(running.process.pid) in refused.err
