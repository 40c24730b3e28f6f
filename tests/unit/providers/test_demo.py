import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from adapters.providers.demo import DemoConfig, DemoProvider, configure_demo
from adapters.providers.demo_answer import count_tokens, split_words
from application.ports.upstream import UpstreamTimeouts
from application.runtime.large_bodies import LargeBodies
from domain.errors import InvalidRequest, UpstreamRejected, UpstreamTimeout
from domain.routing.catalog import ProviderKind
from tests.support.provider_calls import (
    StoppedClock,
    chat_body,
    frames,
    provider_call,
    provider_spec,
    relayed,
)

CLOCK = StoppedClock()
DEMO = DemoProvider(DemoConfig(), clock=CLOCK, bodies=LargeBodies())


def function(name: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


WEATHER = function("get_weather", city={"type": "string"}, days={"type": "integer", "minimum": 2})
TIME = function("get_time")


async def whole(**members: Any) -> ChatCompletion:
    (body,) = frames(await relayed(await DEMO.open(provider_call(**members))))
    return ChatCompletion.model_validate(body, strict=True)


async def streamed(**members: Any) -> list[ChatCompletionChunk]:
    members |= {"stream": True, "stream_options": {"include_usage": True}}
    *events, done = frames(await relayed(await DEMO.open(provider_call(**members))))
    assert done == "[DONE]"
    return [ChatCompletionChunk.model_validate(event, strict=True) for event in events]


def said(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


async def text_of(**members: Any) -> str:
    content = (await whole(**members)).choices[0].message.content
    assert content is not None
    return content


async def calls_of(**members: Any) -> list[tuple[str, Any]]:
    """Return name and arguments of the tool calls, the same streamed and not."""
    choice = (await whole(**members)).choices[0]
    calls = choice.message.tool_calls or []
    found = [
        (call.id, call.function.name, call.function.arguments)
        for call in calls
        if call.type == "function"
    ]
    pieces: dict[int, list[str]] = {}
    for chunk in await streamed(**members):
        for delta in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            assert delta.function is not None
            if delta.id is not None:
                pieces[delta.index] = [delta.id, delta.function.name or "", ""]
            pieces[delta.index][2] += delta.function.arguments or ""
    if "tool_choice" not in members or isinstance(members["tool_choice"], str):
        assert [(name, arguments) for _, name, arguments in found] == [
            (name, arguments) for _, name, arguments in pieces.values()
        ]
    assert choice.finish_reason == ("tool_calls" if found else "stop")
    return [(name, json.loads(arguments)) for _, name, arguments in found]


async def test_it_greets_and_quotes_the_last_user_message() -> None:
    messages = [*said("First"), {"role": "assistant", "content": "Yes"}, *said("What  now?")]
    assert await text_of(messages=messages) == (
        'Hello from the demo model! You said: "What now?". '
        "This answer was made inside the gateway, without any provider."
    )


async def test_the_same_request_gets_the_same_bytes() -> None:
    first, second = [
        await relayed(await DEMO.open(provider_call(stream=True, n=2))) for _ in range(2)
    ]
    assert first == second


async def test_content_parts_are_read() -> None:
    parts = [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": "x"}}]
    assert '"Look"' in await text_of(messages=[{"role": "user", "content": parts}])


@given(text=st.text(max_size=200))
def test_words_joined_are_the_text(text: str) -> None:
    assert "".join(split_words(text)) == text
    assert (count_tokens(text) == 0) is (text == "")


async def test_a_stream_says_the_same_word_by_word() -> None:
    answer = await whole(messages=said("Tell me"))
    chunks = await streamed(messages=said("Tell me"))
    words = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(word for word in words if word) == answer.choices[0].message.content
    assert len([word for word in words if word]) > 10
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage == answer.usage


async def test_usage_is_counted_and_adds_up() -> None:
    answer = await whole(messages=said("four"), max_tokens=3)
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 4 + 1
    assert answer.usage.completion_tokens == 3
    assert answer.usage.total_tokens == 8
    longer = await whole(messages=said("four four four"), tools=[WEATHER])
    assert longer.usage is not None
    assert longer.usage.prompt_tokens > 4 + 3


@pytest.mark.parametrize("limit", range(1, 40))
async def test_an_answer_never_exceeds_the_token_limit(limit: int) -> None:
    answer = await whole(max_completion_tokens=limit)
    assert answer.usage is not None
    assert answer.usage.completion_tokens <= limit
    assert (answer.choices[0].finish_reason == "length") is (limit < 28)


@pytest.mark.parametrize("stop", ["demo", ["zzz", "demo"]])
async def test_an_answer_ends_before_a_stop_sequence(stop: str | list[str]) -> None:
    answer = await whole(stop=stop)
    assert answer.choices[0].message.content == "Hello from the "
    assert answer.choices[0].finish_reason == "stop"


async def test_choices_are_numbered_and_counted() -> None:
    answer = await whole(n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in answer.choices}) == 3
    chunks = await streamed(n=3)
    assert {choice.index for chunk in chunks for choice in chunk.choices} == {0, 1, 2}
    assert chunks[-1].usage == answer.usage


async def test_a_tool_is_called_when_its_name_is_mentioned() -> None:
    tools = [WEATHER, TIME]
    example = {"city": "example", "days": 2}
    assert await calls_of(messages=said("Use Get_Weather!"), tools=tools) == [
        ("get_weather", example)
    ]
    assert await calls_of(messages=said("get_time and get_weather"), tools=tools) == [
        ("get_weather", example),
        ("get_time", {}),
    ]
    assert await calls_of(messages=said("budget_time get_times"), tools=tools) == []
    assert await calls_of(messages=said("hello"), tools=tools) == []


async def test_the_tool_choice_decides() -> None:
    tools = [WEATHER, TIME]
    both = said("get_time and get_weather")
    one = {"type": "function", "function": {"name": "get_time"}}
    assert await calls_of(messages=both, tools=tools, tool_choice="none") == []
    assert await calls_of(messages=said("hello"), tools=[TIME], tool_choice="required") == [
        ("get_time", {})
    ]
    assert await calls_of(messages=both, tools=tools, tool_choice=one) == [("get_time", {})]
    single = await calls_of(messages=both, tools=tools, parallel_tool_calls=False)
    assert [name for name, _ in single] == ["get_weather"]


async def test_tool_results_are_answered_with_text() -> None:
    asked = (await whole(messages=said("get_time, get_weather"), tools=[TIME, WEATHER])).choices[0]
    calls = asked.message.tool_calls
    assert calls is not None
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": f"{index} o'clock"}
        for index, call in enumerate(calls)
    ]
    messages = [
        *said("get_time, get_weather"),
        {"role": "assistant", "tool_calls": [call.model_dump() for call in calls]},
        *results,
    ]
    text = await text_of(messages=messages, tools=[TIME, WEATHER])
    assert text == 'The tool results are "0 o\'clock" and "1 o\'clock". Nothing else is needed.'


async def test_json_is_answered_when_asked_for() -> None:
    answer = json.loads(await text_of(response_format={"type": "json_object"}))
    assert answer["answer"].startswith("Hello from the demo model!")
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}
    assert json.loads(await text_of(response_format=wanted)) == {"n": 1}
    chunks = await streamed(response_format=wanted)
    words = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert json.loads("".join(words)) == {"n": 1}


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        (
            {"messages": [{"role": "tool", "tool_call_id": "c1", "content": "x"}]},
            "messages[0].tool_call_id",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [CALL]}, *said("x")]},
            "messages[1]",
        ),
        ({"messages": [{"role": "assistant", "tool_calls": [CALL]}]}, "messages"),
        ({"tools": [{"type": "custom"}]}, "tools[0].type"),
        ({"tools": [function("a b")]}, "tools[0].function.name"),
        ({"tools": [TIME] * 129}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [TIME], "tool_choice": "sometimes"}, "tool_choice"),
        (
            {"tools": [TIME], "tool_choice": {"type": "function", "function": {"name": "x"}}},
            "tool_choice",
        ),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"stop": ""}, "stop"),
    ],
)
async def test_bad_requests_are_rejected_like_a_real_provider_does(
    members: dict[str, Any], param: str
) -> None:
    with pytest.raises(UpstreamRejected) as caught:
        await DEMO.open(provider_call(**members))
    assert (caught.value.status, caught.value.kind) == (400, "invalid_request_error")
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"latency_ms": -1}, "options.latency_ms"),
        ({"latency_ms": "5"}, "options.latency_ms"),
        ({"latency_ms": True}, "options.latency_ms"),
        ({"chunk_latency_ms": 10**9}, "options.chunk_latency_ms"),
        ({"speed": 1}, "options.speed"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        configure_demo(provider_spec(ProviderKind.DEMO, options=options))
    assert caught.value.param == param


def test_it_takes_neither_url_nor_credentials() -> None:
    for param, spec in (
        ("base_url", provider_spec(ProviderKind.DEMO, base_url="http://x/v1")),
        ("credentials", provider_spec(ProviderKind.DEMO, credentials={"api_key": "k"})),
    ):
        with pytest.raises(InvalidRequest) as caught:
            configure_demo(spec)
        assert caught.value.param == param


@pytest.mark.parametrize(
    ("options", "bounds", "phase"),
    [
        ({"latency_ms": 60_000}, {"first_byte": 0.01}, "first_byte"),
        ({"latency_ms": 60_000}, {"total": 0.01}, "total"),
        ({"chunk_latency_ms": 60_000}, {"idle": 0.01}, "idle"),
        ({"chunk_latency_ms": 60_000}, {"total": 0.01}, "total"),
    ],
)
async def test_artificial_latency_meets_the_same_bounds_as_a_real_server(
    options: dict[str, Any], bounds: dict[str, float], phase: str
) -> None:
    config = configure_demo(provider_spec(ProviderKind.DEMO, options=options))
    provider = DemoProvider(config, clock=CLOCK, bodies=LargeBodies())
    timeouts = UpstreamTimeouts(
        **({"connect": 5, "first_byte": 30, "idle": 30, "total": 90} | bounds)
    )
    with pytest.raises(UpstreamTimeout) as caught:
        await relayed(await provider.open(provider_call(stream=True, timeouts=timeouts)))
    assert caught.value.phase == phase


async def test_frames_are_made_only_when_they_are_read() -> None:
    reply = await DEMO.open(provider_call(chat_body(stream=True, messages=said("x " * 140))))
    chunks = reply.chunks()
    assert b'"role":"assistant"' in await anext(chunks)
    assert b'"content":"Hello"' in await anext(chunks)
    await reply.aclose()
    assert [chunk async for chunk in chunks] == []
