"""What the demo provider says: a fixed function of the request.

Rules, so that a newcomer can foresee every answer:

* After tool results it repeats them in a sentence.
* With `tools`, it calls the function that `tool_choice` names; every function whose name stands in
  the last user message (in any letter case), as parallel calls unless `parallel_tool_calls` is
  false; or, when a call is `required` and none is named, the first function. Arguments are an
  example for the function's schema.
* With `response_format` it answers with JSON: `{"answer": …}`, or an example for the given schema.
* Otherwise it greets, quotes the last user message, and says what it is.

A word costs a quarter of its characters in tokens, rounded up, at least one; a message four more.
"""

import re

import msgspec
from msgspec import Struct

from adapters.providers.demo_json import example_of
from adapters.providers.demo_request import DemoRequest, FunctionSpec, Message, NamedTool

_WORD = re.compile(r"\s*\S+\s*$|\s*\S+|\s+")
_CHARACTERS_PER_TOKEN = 4
_TOKENS_PER_MESSAGE = 4
_LONGEST_QUOTE = 300


class Call(Struct, frozen=True):
    """A tool call; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


class DemoAnswer(Struct, frozen=True, kw_only=True):
    """One choice. `words` joined give the text; each is one frame of a stream."""

    words: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    finish_reason: str
    tokens: int


def answer(request: DemoRequest, choice: int, seed: str) -> DemoAnswer:
    """Return the choice of that index; `seed` makes the ids of tool calls differ by request."""
    calls = _wanted_calls(request)
    if calls:
        made = tuple(
            Call(f"call_{seed}{choice:02d}{index:02d}", function.name, _example_arguments(function))
            for index, function in enumerate(calls)
        )
        tokens = sum(count_tokens(f"{call.name} {call.arguments}") for call in made)
        return DemoAnswer(calls=made, finish_reason="tool_calls", tokens=tokens)
    text = _text(request, choice)
    for stop in request.stops:
        text = text.partition(stop)[0]
    return _cut(split_words(text), request.token_limit)


def prompt_tokens(request: DemoRequest) -> int:
    """Return the tokens of all messages and tool definitions."""
    messages = sum(
        _TOKENS_PER_MESSAGE
        + count_tokens(message.text)
        + sum(
            count_tokens(f"{call.function.name} {call.function.arguments}")
            for call in message.tool_calls or ()
            if call.function is not None
        )
        for message in request.messages
    )
    tools = count_tokens(msgspec.json.encode(request.tools).decode()) if request.tools else 0
    return messages + tools


def count_tokens(text: str) -> int:
    """Return the tokens of a text."""
    return sum(map(_word_tokens, split_words(text)))


def split_words(text: str) -> tuple[str, ...]:
    """Cut a text into words with the white space before them; joined they are the text."""
    return tuple(_WORD.findall(text))


def _word_tokens(word: str) -> int:
    return max(1, -(-len(word.strip()) // _CHARACTERS_PER_TOKEN))


def _cut(words: tuple[str, ...], limit: int | None) -> DemoAnswer:
    used = 0
    for index, word in enumerate(words):
        cost = _word_tokens(word)
        if limit is not None and used + cost > limit:
            return DemoAnswer(words=words[:index], finish_reason="length", tokens=used)
        used += cost
    return DemoAnswer(words=words, finish_reason="stop", tokens=used)


def _wanted_calls(request: DemoRequest) -> tuple[FunctionSpec, ...]:
    functions = request.functions
    choice = request.tool_choice
    if isinstance(choice, NamedTool) and choice.function is not None:
        name = choice.function.name
        return tuple(function for function in functions if function.name == name)[:1]
    last = request.messages[-1]
    if not functions or choice == "none" or last.role != "user":
        return ()
    named = tuple(function for function in functions if _mentions(last.text, function.name))
    if not named and choice == "required":
        named = functions[:1]
    return named[:1] if request.parallel_tool_calls is False else named


def _mentions(text: str, name: str) -> bool:
    """Tell whether `name` stands in `text` as a word of its own."""
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text, re.IGNORECASE) is not None


def _example_arguments(function: FunctionSpec) -> str:
    value = example_of({"type": "object", **(function.parameters or {})})
    return msgspec.json.encode(value).decode()


def _text(request: DemoRequest, choice: int) -> str:
    sentence = _sentence(request.messages)
    if choice:
        sentence += f" This is choice {choice + 1}."
    wanted = request.response_format
    if wanted is None or wanted.type == "text":
        return sentence
    if wanted.json_schema is not None and wanted.json_schema.schema is not None:
        value = example_of(wanted.json_schema.schema)
    else:
        value = {"answer": sentence}
    return msgspec.json.encode(value).decode()


def _sentence(messages: list[Message]) -> str:
    results: list[str] = []
    for message in reversed(messages):
        if message.role != "tool":
            break
        results.insert(0, f'"{_quote(message.text)}"')
    if results:
        noun = "result is" if len(results) == 1 else "results are"
        return f"The tool {noun} {' and '.join(results)}. Nothing else is needed."
    asked = next((message for message in reversed(messages) if message.role == "user"), None)
    said = f'You said: "{_quote(asked.text)}".' if asked is not None else "You said nothing yet."
    return (
        f"Hello from the demo model! {said} "
        "This answer was made inside the gateway, without any provider."
    )


def _quote(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _LONGEST_QUOTE else words[: _LONGEST_QUOTE - 1] + "…"
