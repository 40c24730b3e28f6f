"""The tour that every client takes: a picture, thought, parallel tools, a second round, a follow-up.

A traveller asks about the weather. The model looks at the picture, asks three tools at once (one
without arguments), then one more, then answers; a further question follows. Another conversation
asks for an answer that fits a schema. The model checks everything that reaches it to the letter.
"""

import base64
import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any, cast

from tests.support.model.talk import (
    Call,
    Conversation,
    Image,
    Json,
    Result,
    Text,
    Thinking,
    Tokens,
    Turn,
    inside,
    need,
)

MODEL = "scripted-tour"
SYSTEM = "You are a travel agent. Answer “briefly”."
QUESTION = "What is the weather in these cities, and which trips are booked?"
FOLLOW_UP = "Thanks — where is it warmest?"
PLACES = ("Paris", "São Paulo", "東京")
THOUGHTS = ("The picture shows a map.", "One city is missing.")
LOOKING = "Let me look that up."
ANSWER = 'It is 21 °C in Paris, 31 °C in São Paulo, 16 °C in 東京. No trip is "booked" \N{WHITE SUN WITH RAYS}'
LAST_ANSWER = "In São Paulo."
TOKENS = Tokens(uncached=100, cache_read=40, output=25, reasoning=15)

DESCRIBE = "Describe the capital of Norway."
CITY: Json = {"name": "Oslo", "population": 717710, "tags": ["fjord", 'the "Tiger" city', "Ås"]}
CITY_SCHEMA: Json = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "population": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name", "population", "tags"],
    "additionalProperties": False,
}

WEATHER = "get_weather"
TRIPS = "list_trips"
DESCRIPTIONS = {WEATHER: "Current weather of a city", TRIPS: "All booked trips"}
WEATHER_SCHEMA: Json = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "Name of the city"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
    },
    "required": ["city"],
}
TRIPS_SCHEMA: Json = {"type": "object", "properties": {}}
SCHEMAS = {WEATHER: WEATHER_SCHEMA, TRIPS: TRIPS_SCHEMA}

FIRST_CALLS = (
    Call(WEATHER, {"city": PLACES[0]}),
    Call(WEATHER, {"city": PLACES[1], "unit": "celsius"}),
    Call(TRIPS, {}),
)
SECOND_CALLS = (Call(WEATHER, {"city": PLACES[2]}),)
ROUNDS = (FIRST_CALLS, SECOND_CALLS)
REQUESTS = 4


def run_tool(name: str, arguments: Mapping[str, Any]) -> str:
    """Do what a tool does; the texts look like something that somebody might want to parse."""
    if name == TRIPS:
        return '{"trips": []}'
    return f'{arguments["city"]}: 21 °C, "fine"\n\\ {arguments.get("unit", "no unit")}'


def picture() -> bytes:
    """Return a small PNG: 16 by 16, with noise that no text encoding survives."""
    pixels = b"".join(b"\0" + bytes((x * y * 7) % 256 for x in range(48)) for y in range(16))

    def block(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))
        )

    head = struct.pack("!IIBBBBB", 16, 16, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + block(b"IHDR", head)
        + block(b"IDAT", zlib.compress(pixels))
        + block(b"IEND", b"")
    )


PICTURE = picture()
PICTURE_BASE64 = base64.b64encode(PICTURE).decode()


def tour(asked: Conversation) -> Turn:
    """Say the next thing of either conversation."""
    if asked.schema is not None or DESCRIBE in asked.user_text:
        return _describe(asked)
    need(asked.system.endswith(SYSTEM), f"the system prompt is {asked.system!r}")
    _check_question(asked)
    _check_tools(asked)
    need(asked.wants_thinking, "nobody asked for thinking")
    rounds = sum(bool(_calls_of(message.parts)) for message in asked.messages)
    for number in range(rounds):
        _check_round(asked, number)
    if rounds < len(ROUNDS):
        _check_thought_of_last_round(asked)
        text = LOOKING if rounds == 0 else ""
        return Turn(text=text, thought=THOUGHTS[rounds], calls=ROUNDS[rounds], tokens=TOKENS)
    if FOLLOW_UP not in asked.user_text:
        _check_thought_of_last_round(asked)
        return Turn(text=ANSWER, tokens=TOKENS)
    said = [part.text for part in asked.messages[-2].parts if isinstance(part, Text)]
    need("".join(said) == ANSWER, f"the model had not said {said}")
    return Turn(text=LAST_ANSWER, tokens=TOKENS)


def _describe(asked: Conversation) -> Turn:
    # A client that does not know its model makes it call a tool whose arguments are the answer.
    by_tool = asked.schema is None and len(asked.tools) == 1
    schema = next(iter(asked.tools.values())) if by_tool else asked.schema or {}
    names = set(inside(schema, "properties"))
    need(names == set(CITY), f"the schema did not arrive: {schema}")
    tags = inside(inside(schema, "properties"), "tags")
    need(str(inside(tags, "items").get("type")).lower() == "string", f"tags are {tags}")
    if by_tool:
        return Turn(calls=(Call(next(iter(asked.tools)), CITY),), tokens=TOKENS)
    return Turn(text=json.dumps(CITY, ensure_ascii=False), tokens=TOKENS)


def _check_question(asked: Conversation) -> None:
    first = asked.messages[0].parts
    texts = [part.text for part in first if isinstance(part, Text)]
    images = [part for part in first if isinstance(part, Image)]
    # Some clients give thought that nobody signed back as such a text.
    own = [text for text in texts if not text.startswith("<assistant_thinking>")]
    need(own == [QUESTION], f"the question is {texts}")
    need(images == [Image(PICTURE, "image/png")], f"the picture is {images!r:.200}")


def _check_tools(asked: Conversation) -> None:
    need(set(asked.tools) == {WEATHER, TRIPS}, f"the tools are {sorted(asked.tools)}")
    schema = asked.tools[WEATHER]
    properties = inside(schema, "properties")
    need(set(properties) == {"city", "unit"}, f"the weather has {sorted(properties)}")
    need("city" in schema.get("required", []), f"required are {schema.get('required')}")


def _calls_of(parts: tuple[Any, ...]) -> list[Call]:
    return [part for part in parts if isinstance(part, Call)]


def _check_round(asked: Conversation, number: int) -> None:
    speeches = [message for message in asked.messages if message.role == "assistant"]
    calls = _calls_of(speeches[number].parts)
    made = [(call.name, _given(call.arguments)) for call in calls]
    expected = [(call.name, call.arguments) for call in ROUNDS[number]]
    need(made == expected, f"the calls of round {number} came back as {made}")
    results = {result.id: result.text for result in asked.parts(Result)}
    for call in calls:
        text = run_tool(call.name, _given(call.arguments))
        need(
            _says(results.get(call.id, ""), text), f"{call.name} answered {results.get(call.id)!r}"
        )


def _says(given: str, text: str) -> bool:
    """Whether a result is this text; clients of Gemini wrap it, or parse it when it is JSON."""
    if given == text:
        return True
    try:
        parsed = json.loads(given)
    except ValueError:
        return False
    wrapped = list(cast("Json", parsed).values()) if isinstance(parsed, dict) else []
    return text in wrapped or (text.startswith("{") and parsed == json.loads(text))


def _given(arguments: Json) -> Json:
    """Return arguments without those that a client filled in with nothing."""
    return {name: value for name, value in arguments.items() if value is not None}


def _check_thought_of_last_round(asked: Conversation) -> None:
    speeches = [message for message in asked.messages if message.role == "assistant"]
    if not speeches or not asked.gives_state:
        return
    states = [p for p in speeches[-1].parts if isinstance(p, Thinking) and p.state is not None]
    need(states, "the state of what was thought did not come back")
