import json

import pytest

from adapters.wire.codec import WireTarget
from domain.inference.conversation import (
    Citation,
    DocumentPart,
    ImagePart,
    Media,
    Message,
    OpaqueState,
    RefusalPart,
    Role,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)
from domain.inference.dialect import WireFormat
from domain.inference.request import (
    FunctionTool,
    InferenceRequest,
)
from tests.unit.wire.openai_responses.reaches import WIRE
from tests.unit.wire.openai_responses.writing import (
    ANTHROPIC,
    OWN,
    assistant,
    body,
    encoded,
    items,
    user,
)

STATE = OpaqueState(origin=OWN, data="gAAAA+/=", id="rs_1")


def test_a_request_of_another_vendor_s_client_is_neither_stored_nor_strict() -> None:
    tool = FunctionTool(name="look", parameters={"type": "object"})
    assert body(tools=(tool,), max_output_tokens=9) == {
        "model": "gpt-5.1",
        "input": [{"type": "message", "role": "user", "content": "Hi"}],
        "tools": [
            {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}
        ],
        "max_output_tokens": 9,
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }


def test_the_bound_of_the_gateway_replaces_that_of_the_client() -> None:
    request = InferenceRequest(
        source=ANTHROPIC, model="public", messages=(user(),), max_output_tokens=99, stream=True
    )
    written = json.loads(WIRE.encode_request(request, WireTarget(model="m", output_bound=7)).body)
    assert (written["model"], written["max_output_tokens"], written["stream"]) == ("m", 7, True)


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        ("gpt-5.1", True),
        ("o3", True),
        ("my-deployment", True),
        ("openai/gpt-oss-120b", True),
        ("gpt-4.1-mini", False),
        ("gpt-4o", False),
        ("openai/gpt-4o", False),
        ("gpt-3.5-turbo", False),
        ("chatgpt-4o-latest", False),
        ("gpt-5-chat-latest", False),
    ],
)
def test_reasoning_is_asked_for_unless_it_is_stored_or_never_happens(
    model: str, asked: bool
) -> None:
    wanted = ["reasoning.encrypted_content"] if asked else None
    assert body(model=model).get("include") == wanted
    assert body(model=model, store=False).get("include") == wanted
    assert "include" not in body(model=model, store=True)


def test_a_leading_system_text_is_the_instructions() -> None:
    system = Message(role=Role.SYSTEM, parts=(TextPart(text="Be brief."),))
    later = Message(role=Role.SYSTEM, parts=(TextPart(text="Now."),))
    written = body(system, user(), later)
    assert written["instructions"] == "Be brief."
    assert written["input"] == [
        {"type": "message", "role": "user", "content": "Hi"},
        {"type": "message", "role": "system", "content": "Now."},
    ]


def test_several_system_texts_stay_several() -> None:
    system = Message(role=Role.SYSTEM, parts=(TextPart(text="a"), TextPart(text="b")))
    written = body(system, user())
    assert "instructions" not in written
    assert written["input"][0] == {
        "type": "message",
        "role": "system",
        "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}],
    }


def test_a_system_text_alone_is_input_as_there_must_be_some() -> None:
    system = Message(role=Role.SYSTEM, parts=(TextPart(text="Be brief."),))
    assert body(system)["input"] == [{"type": "message", "role": "system", "content": "Be brief."}]


def test_a_turn_with_everything_is_items_in_their_order() -> None:
    written = items(
        assistant(
            ThinkingPart(text="Hm.", state=STATE),
            TextPart(text="a"),
            RefusalPart(text="b"),
            ToolCallPart(id="c", name="f", arguments='{"x":1}'),
            TextPart(text="d"),
            ToolCallPart(id="e", name="g", arguments="raw", custom=True),
        ),
        user(
            ToolResultPart(call_id="c", content=(TextPart(text="1"),)),
            ToolResultPart(call_id="e", content=(TextPart(text="2"),), custom=True),
            TextPart(text="Go on."),
        ),
    )
    assert written == [
        {
            "id": "rs_1",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Hm."}],
            "encrypted_content": "gAAAA+/=",
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "a", "annotations": []},
                {"type": "refusal", "refusal": "b"},
            ],
        },
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"x":1}'},
        {"type": "message", "role": "assistant", "content": "d"},
        {"type": "custom_tool_call", "call_id": "e", "name": "g", "input": "raw"},
        {"type": "function_call_output", "call_id": "c", "output": "1"},
        {"type": "custom_tool_call_output", "call_id": "e", "output": "2"},
        {"type": "message", "role": "user", "content": "Go on."},
    ]


def test_a_result_with_an_image_and_a_document_keeps_their_bytes() -> None:
    (result,) = items(
        user(
            ToolResultPart(
                call_id="c",
                content=(
                    TextPart(text="Here:"),
                    ImagePart(source=Media(media_type="image/png", data="iVBO")),
                    DocumentPart(source=Media(media_type="application/pdf", data="JVBE")),
                ),
            )
        )
    )
    assert result["output"] == [
        {"type": "input_text", "text": "Here:"},
        {"type": "input_image", "image_url": "data:image/png;base64,iVBO"},
        {
            "type": "input_file",
            "file_data": "data:application/pdf;base64,JVBE",
            "filename": "document.pdf",
        },
    ]


def test_thinking_of_others_and_without_state_is_left_out_and_named() -> None:
    foreign = ThinkingPart(
        text="a", state=OpaqueState(origin=WireFormat.ANTHROPIC_MESSAGES, data="x")
    )
    turn = assistant(foreign, ThinkingPart(text="b"), TextPart(text="c"))
    written = encoded(user(), turn, user())
    assert written.dropped == ("thinking.foreign_state", "thinking.text")
    assert len(json.loads(written.body)["input"]) == 3
    only_foreign = encoded(user(), assistant(foreign, TextPart(text="c")), user())
    assert only_foreign.dropped == ("thinking.foreign_state",)


def test_reasoning_that_led_to_nothing_is_left_out_and_named() -> None:
    thought = ThinkingPart(text="Hm.", state=STATE)
    for turns in (
        (user(), assistant(thought), user()),
        (user(), assistant(TextPart(text="a"), thought), user()),
        (user(), assistant(thought)),
    ):
        written = encoded(*turns)
        assert written.dropped == ("thinking.state",)
        assert all(each["type"] == "message" for each in json.loads(written.body)["input"])
    whole = encoded(user(), assistant(thought), assistant(TextPart(text="a")), user())
    assert whole.dropped == ()


def test_ids_of_calls_that_are_too_long_are_shortened_alike() -> None:
    long, other = "a" * 65, "a" * 66
    first, second, result = items(
        assistant(
            ToolCallPart(id=long, name="f", arguments="{}"),
            ToolCallPart(id=other, name="f", arguments="{}"),
        ),
        user(ToolResultPart(call_id=long, content=(TextPart(text="1"),))),
    )
    assert first["call_id"] == result["call_id"] != second["call_id"]
    assert len(first["call_id"]) <= 64
    (kept,) = items(assistant(ToolCallPart(id="a" * 64, name="f", arguments="{}")))
    assert kept["call_id"] == "a" * 64


def test_end_users_and_cache_keys_that_are_too_long_are_hashed() -> None:
    long = "user_" + "a" * 154
    written = body(end_user=long, cache_key=long)
    assert len(written["safety_identifier"]) == 64
    assert written["prompt_cache_key"] == written["safety_identifier"]
    assert body(end_user="u1")["safety_identifier"] == "u1"


def test_citations_of_pages_go_along_and_others_are_named() -> None:
    page = Citation(url="https://media.example/a", title="A", start=0, end=1)
    own = Citation(origin=OWN, raw={"type": "file_path", "file_id": "f", "index": 0})
    book = Citation(title="A book", cited_text="x")
    written = encoded(assistant(TextPart(text="a", citations=(page, own, book))), user())
    assert written.dropped == ("text.citations",)
    (part,) = json.loads(written.body)["input"][0]["content"]
    assert [note["type"] for note in part["annotations"]] == ["url_citation", "file_path"]
    assert encoded(assistant(TextPart(text="a", citations=(page,))), user()).dropped == ()
