"""Requests of other dialects' clients, as Gemini gets them."""

import json
from typing import Any

import pytest

from adapters.wire.codec import WireTarget
from adapters.wire.gemini_generate.signatures import DUMMY, write_signature
from domain.errors import InvalidRequest, UnsupportedField
from domain.inference.conversation import (
    AudioPart,
    DocumentPart,
    ImagePart,
    Media,
    Part,
    RefusalPart,
    Role,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    VendorPart,
    VideoPart,
)
from domain.inference.dialect import WireFormat
from domain.inference.head import RequestHead
from tests.unit.wire.gemini_generate.writing import (
    IMAGE,
    THREE,
    WIRE,
    answered,
    body,
    call,
    encoded,
    result,
    said,
    state,
)


def written(part: Part, **members: Any) -> list[Any]:
    return body(said(part), **members)["contents"][0]["parts"]


def test_the_smallest_request_has_neither_model_nor_stream() -> None:
    assert body(stream=True) == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


def test_turns_of_one_role_become_one_and_all_system_texts_the_instruction() -> None:
    found = body(
        said(TextPart(text="S1"), role=Role.SYSTEM),
        said(TextPart(text="a")),
        said(TextPart(text="S2"), role=Role.SYSTEM),
        said(TextPart(text="b")),
        answered(TextPart(text="c")),
        answered(TextPart(text="d"), TextPart(text="")),
    )
    assert found == {
        "systemInstruction": {"parts": [{"text": "S1"}, {"text": "S2"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]},
            {"role": "model", "parts": [{"text": "c"}, {"text": "d"}]},
        ],
    }


def test_turns_that_say_nothing_to_gemini_do_not_come_between() -> None:
    thought = ThinkingPart(text="Hm.", state=state(WireFormat.ANTHROPIC_MESSAGES))
    found = body(said(TextPart(text="a")), answered(thought), said(TextPart(text="b")))
    assert found["contents"] == [{"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}]


def test_a_request_of_system_texts_only_is_the_users_turn() -> None:
    found = body(said(TextPart(text="S"), role=Role.SYSTEM))
    assert found == {"contents": [{"role": "user", "parts": [{"text": "S"}]}]}


def test_an_empty_conversation_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="empty"):
        body(said(TextPart(text="")))


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        (
            ImagePart(source=Media(media_type="image/webp", data="AAAA")),
            "inlineData",
            {"mimeType": "image/webp", "data": "AAAA"},
        ),
        (
            ImagePart(source=Media(url="https://a.example/b.PNG?x=1")),
            "fileData",
            {"mimeType": "image/png", "fileUri": "https://a.example/b.PNG?x=1"},
        ),
        (
            ImagePart(source=Media(url="https://a.example/b")),
            "fileData",
            {"mimeType": "image/jpeg", "fileUri": "https://a.example/b"},
        ),
        (
            DocumentPart(source=Media(url="gs://a/b")),
            "fileData",
            {"mimeType": "application/pdf", "fileUri": "gs://a/b"},
        ),
        (
            AudioPart(source=Media(media_type="audio/wav", data="AAAA")),
            "inlineData",
            {"mimeType": "audio/wav", "data": "AAAA"},
        ),
        (
            VideoPart(source=Media(url="https://youtu.be/1")),
            "fileData",
            {"fileUri": "https://youtu.be/1"},
        ),
        (
            DocumentPart(source=Media(media_type="text/csv", file_id="files/abc-1")),
            "fileData",
            {"mimeType": "text/csv", "fileUri": "files/abc-1"},
        ),
    ],
)
def test_media_go_as_bytes_or_by_their_place(part: Part, name: str, value: Any) -> None:
    assert written(part) == [{name: value}]


@pytest.mark.parametrize(
    ("part", "field"),
    [
        (ImagePart(source=Media(file_id="file-abc")), "image.file_id"),
        (DocumentPart(source=Media(file_id="file_0123")), "document.file_id"),
        (VideoPart(source=Media(url="s3://a/b.mp4")), "video.url"),
        (AudioPart(source=Media(), id="audio-1"), "audio.id"),
        (
            VendorPart(origin=WireFormat.OPENAI_RESPONSES, kind="computer_call", raw={}),
            "vendor.openai_responses.computer_call",
        ),
    ],
)
def test_what_google_cannot_get_at_is_refused_by_name(part: Part, field: str) -> None:
    with pytest.raises(UnsupportedField) as caught:
        encoded(said(part))
    assert caught.value.param == field


def test_what_audio_said_stands_for_it() -> None:
    assert written(AudioPart(source=Media(), transcript="Hello")) == [{"text": "Hello"}]


def test_a_refusal_is_text() -> None:
    assert written(RefusalPart(text="No.")) == [{"text": "No."}]


def test_calls_and_results_keep_their_ids() -> None:
    found = body(
        said(TextPart(text="Hi")),
        answered(call(state=state())),
        said(result()),
    )
    assert found["contents"][1:] == [
        {
            "role": "model",
            "parts": [
                {
                    "functionCall": {"id": "c1", "name": "look", "args": {}},
                    "thoughtSignature": "c2ln",
                }
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "c1", "name": "look", "response": {"output": "ok"}}}
            ],
        },
    ]


def test_ids_that_were_made_up_are_left_out_and_results_come_in_the_order_of_calls() -> None:
    found = body(
        said(TextPart(text="Hi")),
        answered(call("gmn_0_look"), call("gmn_1_look"), call("gmn_2_go", "go")),
        said(
            result("gmn_2_go", TextPart(text="3")),
            result("gmn_1_look", TextPart(text="2")),
        ),
        said(result("gmn_0_look", TextPart(text="1")), TextPart(text="Go on.")),
    )
    assert [part["functionCall"] for part in found["contents"][1]["parts"]] == [
        {"name": "look", "args": {}},
        {"name": "look", "args": {}},
        {"name": "go", "args": {}},
    ]
    *results, text = found["contents"][2]["parts"]
    assert [part["functionResponse"] for part in results] == [
        {"name": "look", "response": {"output": "1"}},
        {"name": "look", "response": {"output": "2"}},
        {"name": "go", "response": {"output": "3"}},
    ]
    assert text == {"text": "Go on."}


@pytest.mark.parametrize(
    ("arguments", "custom", "args"),
    [
        ('{"a":[1]}', False, {"a": [1]}),
        ("", False, {}),
        ('{"a":', False, {"arguments": '{"a":'}),
        ("[1]", False, {"arguments": "[1]"}),
        ("print(1)", True, {"input": "print(1)"}),
    ],
)
def test_arguments_are_never_lost(arguments: str, custom: bool, args: Any) -> None:
    part = ToolCallPart(id="1", name="look", arguments=arguments, custom=custom)
    (found,) = body(answered(part))["contents"][0]["parts"]
    assert found["functionCall"]["args"] == args


BLOB = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}


@pytest.mark.parametrize(
    ("part", "response"),
    [
        (result("c", TextPart(text="a"), TextPart(text="b")), {"output": ["a", "b"]}),
        (result("c", TextPart(text="a"), is_error=True), {"error": "a"}),
        (result("c", TextPart(text='{"a":1}')), {"output": '{"a":1}'}),
        (result("c", TextPart(text='{"a":1}'), structured=True), {"a": 1}),
        (result("c", TextPart(text="[1]"), structured=True), {"output": [1]}),
        (result("c", TextPart(text="{"), structured=True), {"output": "{"}),
        (result("c", TextPart(text='{"a":1}'), structured=True, is_error=True), {"error": {"a": 1}}),
        (result("c", TextPart(text='{"error":1}'), structured=True, is_error=True), {"error": 1}),
        (ToolResultPart(call_id="c", content=(), is_error=True), {"error": ""}),
        (ToolResultPart(call_id="c", content=()), {}),
    ],
)  # fmt: skip
def test_results_are_objects(part: ToolResultPart, response: Any) -> None:
    assert written(part)[0]["functionResponse"]["response"] == response


def test_an_image_of_a_result_is_part_of_it_from_gemini_3_on_and_follows_it_before() -> None:
    part = result("c", TextPart(text="see"), IMAGE, name="look")
    head = {"id": "c", "name": "look", "response": {"output": "see"}}
    assert written(part) == [{"functionResponse": {**head, "parts": [BLOB]}}]
    assert written(part, model="gemini-2.5-pro") == [{"functionResponse": head}, BLOB]


def test_calls_that_others_made_get_the_documented_signature_the_first_of_each_turn() -> None:
    foreign = state(WireFormat.ANTHROPIC_MESSAGES)
    turns = (
        said(TextPart(text="Hi")),
        answered(TextPart(text="a"), call("1", state=foreign), call("2")),
        said(result("1"), result("2")),
        answered(call("3", state=state())),
        said(result("3")),
    )
    contents = body(*turns)["contents"]
    assert [part.get("thoughtSignature") for part in contents[1]["parts"]] == [None, DUMMY, None]
    assert contents[3]["parts"][0]["thoughtSignature"] == "c2ln"
    for model in ("gemini-2.5-flash", "models/gemini-2.0-flash-001"):
        unsigned = body(*turns, model=model)["contents"][1]["parts"]
        assert all("thoughtSignature" not in part for part in unsigned)
    for model in ("gemini-3.1-pro", "gemini-flash-latest", "tunedModels/mine", "gemini-10-pro"):
        signed = body(*turns, model=model)["contents"][1]["parts"]
        assert signed[1]["thoughtSignature"] == DUMMY


def test_gemini_is_told_its_own_thoughts_only() -> None:
    found = encoded(
        said(TextPart(text="Hi")),
        answered(
            ThinkingPart(text="A's", state=state(WireFormat.ANTHROPIC_MESSAGES)),
            ThinkingPart(text="nobody's"),
            ThinkingPart(text="own", state=state()),
            TextPart(text="So", state=state(data="dGV4dA==")),
        ),
    )
    assert json.loads(found.body)["contents"][1]["parts"] == [
        {"text": "own", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "So", "thoughtSignature": "dGV4dA=="},
    ]
    assert found.dropped == ("thinking.foreign_state", "thinking.text")


def test_signatures_of_others_are_replaced_on_the_way_through() -> None:
    claude = state(WireFormat.ANTHROPIC_MESSAGES, "claude's")
    thought = ThinkingPart(text="Hm.", state=claude)
    foreign = write_signature((thought,), claude)
    mixed = write_signature((thought,), state(data="c2ln+/=="))
    assert foreign is not None
    assert mixed is not None
    parts = [
        {"text": foreign, "thoughtSignature": foreign},
        {"text": "a", "thought_signature": mixed.replace("+", "-").replace("/", "_")},
        {"text": "b", "thoughtSignature": "b3du"},
    ]
    raw = json.dumps({"contents": [{"role": "model", "parts": parts}]}).encode()
    sent = json.loads(WIRE.edit_request(raw, RequestHead(model="m"), WireTarget(model=THREE)))
    assert sent["contents"][0]["parts"] == [
        {"text": foreign, "thoughtSignature": DUMMY},
        {"text": "a", "thought_signature": "c2ln+/=="},
        {"text": "b", "thoughtSignature": "b3du"},
    ]
