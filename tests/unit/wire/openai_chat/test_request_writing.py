"""What requests of any dialect become at OpenAI and at its relatives."""

import base64
import json
from typing import Any

import pytest

from adapters.wire.codec import WireTarget
from domain.errors import UnsupportedField
from domain.inference.conversation import (
    AudioPart,
    CacheMark,
    DocumentPart,
    ImagePart,
    Media,
    Message,
    OpaqueState,
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
from domain.inference.dialect import Dialect, WireFormat
from domain.inference.request import (
    CustomTool,
    Effort,
    FunctionTool,
    InferenceRequest,
    Reasoning,
    Sampling,
    ToolChoice,
    VendorTool,
)
from tests.unit.wire.openai_chat.reaches import OPENAI, RELATIVE, WIRE, request

PNG = Media(media_type="image/png", data="iVBORw==")
CHAT = WireFormat.OPENAI_CHAT
F = FunctionTool(name="f", parameters={"type": "object"})
G = FunctionTool(name="g")
C = CustomTool(name="c", description="free", format={"type": "text"})


def written(
    given: InferenceRequest, target: WireTarget = OPENAI
) -> tuple[dict[str, Any], tuple[str, ...]]:
    encoded = WIRE.encode_request(given, target)
    return json.loads(encoded.body), encoded.dropped


def from_anthropic(*messages: Message, **changes: object) -> InferenceRequest:
    given = messages or (user(TextPart(text="Hello")),)
    return request(source=Dialect.ANTHROPIC_MESSAGES, messages=given, **changes)


def user(*parts: Part) -> Message:
    return Message(role=Role.USER, parts=parts)


def assistant(*parts: Part) -> Message:
    return Message(role=Role.ASSISTANT, parts=parts)


def test_a_result_with_an_image_keeps_its_bytes_in_the_message_that_follows() -> None:
    calls = (
        ToolCallPart(id="a", name="shoot", arguments="{}"),
        ToolCallPart(id="b", name="look", arguments="{}"),
    )
    results = (
        ToolResultPart(
            call_id="a", content=(TextPart(text="done"), ImagePart(source=PNG)), name="shoot"
        ),
        ToolResultPart(call_id="b", content=(ImagePart(source=PNG),)),
    )

    body, dropped = written(from_anthropic(assistant(*calls), user(*results, TextPart(text="So?"))))

    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}
    assert body["messages"][1:] == [
        {"role": "tool", "content": "done", "tool_call_id": "a"},
        {
            "role": "tool",
            "content": "The result follows in the next message.",
            "tool_call_id": "b",
        },
        {
            "role": "user",
            "content": [
                {"type": "text", "text": 'From the result of "shoot":'},
                image,
                {"type": "text", "text": 'From the result of "b":'},
                image,
                {"type": "text", "text": "So?"},
            ],
        },
    ]
    assert dropped == ()


def test_a_document_of_plain_text_becomes_text_and_others_follow_their_context() -> None:
    text = base64.b64encode("Grüße".encode()).decode()
    body, _ = written(
        from_anthropic(
            user(
                DocumentPart(
                    source=Media(media_type="text/plain", data=text), name="Letter", context="Old"
                ),
                DocumentPart(
                    source=Media(media_type="application/pdf", data="JVBE"),
                    name="b.pdf",
                    context="New",
                ),
            )
        )
    )

    assert body["messages"][0]["content"] == [
        {"type": "text", "text": "Letter\n\nOld\n\nGrüße"},
        {"type": "text", "text": "New"},
        {
            "type": "file",
            "file": {"file_data": "data:application/pdf;base64,JVBE", "filename": "b.pdf"},
        },
    ]


def test_several_texts_stay_several_at_openai_and_are_one_at_relatives() -> None:
    given = from_anthropic(user(TextPart(text="a"), TextPart(text="b")))

    assert written(given)[0]["messages"][0]["content"] == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b"},
    ]
    assert written(given, RELATIVE)[0]["messages"][0]["content"] == "a\nb"


def test_the_bound_goes_by_the_name_the_server_knows_and_the_gateways_own_comes_first() -> None:
    given = request(max_output_tokens=100)

    assert written(given)[0]["max_completion_tokens"] == 100
    assert written(given, RELATIVE)[0]["max_tokens"] == 100
    bounded = WireTarget(model="m", output_bound=7)
    assert written(given, bounded)[0]["max_completion_tokens"] == 7


def test_usage_is_asked_for_in_streams_where_that_is_allowed() -> None:
    silent = WireTarget(model="m", ask_for_usage=False)

    assert written(request(stream=True))[0]["stream_options"] == {"include_usage": True}
    assert "stream_options" not in written(request(stream=True), silent)[0]
    assert "stream" not in written(request())[0]


def test_thoughts_go_back_to_relatives_by_the_member_they_came_by() -> None:
    def thought(text: str, data: str) -> ThinkingPart:
        return ThinkingPart(text=text, state=OpaqueState(origin=CHAT, data=data))

    details = '[{"type":"reasoning.text","text":"c","signature":"c2ln","index":0}]'
    given = from_anthropic(
        assistant(thought("a", "reasoning_content"), TextPart(text="1")),
        assistant(thought("b", "reasoning"), TextPart(text="2")),
        assistant(thought("c", details), TextPart(text="3")),
        assistant(thought("d", "thinking"), TextPart(text="4")),
        assistant(thought("e", "[not json"), TextPart(text="5")),
        user(TextPart(text="go on")),
    )

    body, dropped = written(given, RELATIVE)

    assert body["messages"][:5] == [
        {"role": "assistant", "content": "1", "reasoning_content": "a"},
        {"role": "assistant", "content": "2", "reasoning": "b"},
        {
            "role": "assistant",
            "content": "3",
            "reasoning": "c",
            "reasoning_details": json.loads(details),
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "d"}]},
                {"type": "text", "text": "4"},
            ],
        },
        {"role": "assistant", "content": "5", "reasoning_content": "e"},
    ]
    assert dropped == ()
    body, dropped = written(given)
    assert body["messages"][0] == {"role": "assistant", "content": "1"}
    assert dropped == ("thinking.text", "thinking.state")


@pytest.mark.parametrize("target", [OPENAI, RELATIVE])
def test_thoughts_of_other_vendors_and_unsigned_ones_are_left_out(target: WireTarget) -> None:
    foreign = OpaqueState(origin=WireFormat.ANTHROPIC_MESSAGES, data="c2ln")
    body, dropped = written(
        from_anthropic(
            assistant(ThinkingPart(text="a", state=foreign), ThinkingPart(text="b")),
            user(TextPart(text="go on")),
        ),
        target,
    )

    assert body["messages"][0] == {"role": "assistant", "content": ""}
    assert set(dropped) == {"thinking.text", "thinking.foreign_state"}


def test_a_signature_of_geminis_goes_back_with_its_call_to_relatives_only() -> None:
    state = OpaqueState(origin=WireFormat.GEMINI_GENERATE, data="c2ln")
    given = from_anthropic(assistant(ToolCallPart(id="a", name="f", arguments="{}", state=state)))

    call = written(given, RELATIVE)[0]["messages"][0]["tool_calls"][0]
    assert call["extra_content"] == {"google": {"thought_signature": "c2ln"}}
    assert "extra_content" not in written(given)[0]["messages"][0]["tool_calls"][0]


def test_an_id_that_does_not_fit_is_another_for_call_and_result_alike() -> None:
    long = "call with spaces " * 5
    given = from_anthropic(
        assistant(ToolCallPart(id=long, name="f", arguments="{}")),
        user(ToolResultPart(call_id=long, content=(TextPart(text="1"),))),
    )

    messages = written(given)[0]["messages"]
    made = messages[0]["tool_calls"][0]["id"]
    assert made == messages[1]["tool_call_id"]
    assert len(made) <= 40
    assert " " not in made


def test_custom_tools_are_custom_at_openai_and_functions_at_relatives() -> None:
    call = ToolCallPart(id="a", name="c", arguments="ls", custom=True)
    given = request(
        messages=(assistant(call),), tools=(F, C), tool_choice=ToolChoice(mode="named", name="c")
    )

    body, _ = written(given)
    custom = {"name": "c", "description": "free", "format": {"type": "text"}}
    assert body["tools"][1] == {"type": "custom", "custom": custom}
    assert body["tool_choice"] == {"type": "custom", "custom": {"name": "c"}}
    assert body["messages"][0]["tool_calls"] == [
        {"id": "a", "type": "custom", "custom": {"name": "c", "input": "ls"}}
    ]
    body, dropped = written(given, RELATIVE)
    assert body["tools"][1]["function"]["parameters"]["required"] == ["input"]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "c"}}
    function = {"name": "c", "arguments": '{"input":"ls"}'}
    assert body["messages"][0]["tool_calls"][0]["function"] == function
    assert dropped == ()


def test_a_grammar_is_written_the_way_of_this_format() -> None:
    flat: dict[str, object] = {"type": "grammar", "syntax": "lark", "definition": "start: A"}
    given = request(source=Dialect.OPENAI_RESPONSES, tools=(CustomTool(name="c", format=flat),))

    assert written(given)[0]["tools"][0]["custom"]["format"] == {
        "type": "grammar",
        "grammar": {"syntax": "lark", "definition": "start: A"},
    }


def test_allowed_tools_are_named_to_openai_and_relatives_get_no_others() -> None:
    choice = ToolChoice(mode="required", allowed=("g",))
    given = request(tools=(F, G), tool_choice=choice)

    assert written(given)[0]["tool_choice"]["allowed_tools"] == {
        "mode": "required",
        "tools": [{"type": "function", "function": {"name": "g"}}],
    }
    body, dropped = written(given, RELATIVE)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["g"]
    assert body["tool_choice"] == "required"
    assert dropped == ()


def test_a_choice_among_no_tools_is_not_sent() -> None:
    body, dropped = written(
        request(tool_choice=ToolChoice(mode="required"), parallel_tool_calls=True)
    )

    assert body.keys() == {"model", "messages"}
    assert dropped == ("tool_choice.required",)


def test_a_search_of_the_web_is_the_member_it_was() -> None:
    search = VendorTool(origin=CHAT, kind="web_search_options", raw={"search_context_size": "low"})

    body, _ = written(request(tools=(search,)))

    assert body["web_search_options"] == {"search_context_size": "low"}
    assert "tools" not in body


@pytest.mark.parametrize(
    ("reasoning", "effort", "lost"),
    [
        (Reasoning(effort=Effort.NONE), "none", ()),
        (Reasoning(enabled=True, budget_tokens=2000), "low", ()),
        (Reasoning(enabled=True, budget_tokens=30000), "high", ()),
        (Reasoning(enabled=True), "medium", ()),
        (Reasoning(enabled=True, adaptive=True), None, ()),
        (Reasoning(enabled=False), None, ("reasoning.enabled",)),
        (Reasoning(budget_tokens=0), None, ("reasoning.budget_tokens",)),
        (Reasoning(effort=Effort.LOW, show=True), "low", ("reasoning.show",)),
        (Reasoning(effort=Effort.LOW, show=False), "low", ()),
        (Reasoning(effort=Effort.LOW, summary="auto"), "low", ("reasoning.summary",)),
    ],
)
def test_thinking_is_asked_for_as_an_effort(
    reasoning: Reasoning, effort: str | None, lost: tuple[str, ...]
) -> None:
    body, dropped = written(from_anthropic(reasoning=reasoning))

    assert body.get("reasoning_effort") == effort
    assert dropped == lost


@pytest.mark.parametrize(
    ("tier", "name"), [("standard_only", "default"), ("flex", "flex"), ("reserved", None)]
)
def test_a_service_tier_is_named_openais_way_or_left_out(tier: str, name: str | None) -> None:
    body, dropped = written(from_anthropic(service_tier=tier))

    assert body.get("service_tier") == name
    assert dropped == (("service_tier",) if name is None else ())


def test_tags_go_with_stored_answers_and_with_openais_own_dialects() -> None:
    tags = {"team": "a"}

    assert written(request(metadata=tags))[0]["metadata"] == tags
    assert written(from_anthropic(metadata=tags, store=True))[0]["metadata"] == tags
    body, dropped = written(from_anthropic(metadata=tags))
    assert "metadata" not in body
    assert dropped == ("metadata",)


def test_a_cache_mark_goes_to_openai_from_its_own_dialects_only() -> None:
    marked = user(TextPart(text="long", cache=CacheMark(ttl="30m")))

    body, dropped = written(request(messages=(marked,)))
    assert body["messages"][0]["content"][0]["prompt_cache_breakpoint"] == {
        "mode": "explicit",
        "ttl": "30m",
    }
    assert dropped == ()
    body, dropped = written(from_anthropic(marked))
    assert body["messages"][0]["content"] == "long"
    assert dropped == ("cache",)


def test_extensions_pass_within_the_family_and_are_named_elsewhere() -> None:
    own = {"prediction": {"type": "content", "content": "x"}}
    responses = {"prompt_cache_retention": "24h", "truncation": "auto"}

    assert written(request(extensions=own))[0]["prediction"] == own["prediction"]
    body, dropped = written(request(source=Dialect.OPENAI_RESPONSES, extensions=responses))
    assert body["prompt_cache_retention"] == "24h"
    assert dropped == ("extensions.truncation",)
    body, dropped = written(from_anthropic(extensions=own, unmapped=("system[0].citations",)))
    assert "prediction" not in body
    assert dropped == ("extensions.prediction", "system[0].citations")


def test_top_k_is_for_relatives() -> None:
    given = request(sampling=Sampling(top_k=5))

    assert written(given, RELATIVE)[0]["top_k"] == 5
    body, dropped = written(given)
    assert "top_k" not in body
    assert dropped == ("sampling.top_k",)


def test_refusals_and_spoken_answers_are_given_back_where_there_is_a_place() -> None:
    refused = assistant(RefusalPart(text="No."))
    heard = assistant(AudioPart(source=Media(data="AAAA"), transcript="Hi"))
    named = assistant(AudioPart(source=Media(), id="audio_1"))
    given = from_anthropic(refused, heard, named)

    assert written(given)[0]["messages"] == [
        {"role": "assistant", "content": None, "refusal": "No."},
        {"role": "assistant", "content": "Hi"},
        {"role": "assistant", "content": None, "audio": {"id": "audio_1"}},
    ]
    assert written(given, RELATIVE)[0]["messages"][0] == {"role": "assistant", "content": "No."}


def test_a_generated_image_goes_back_to_relatives() -> None:
    given = from_anthropic(assistant(ImagePart(source=PNG)))

    assert written(given, RELATIVE)[0]["messages"][0]["images"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}
    ]


FILE = Media(file_id="file_1")
ELSEWHERE = Media(url="https://a.example/x")
SEARCH = VendorTool(origin=WireFormat.ANTHROPIC_MESSAGES, kind="web_search", raw={})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"messages": (user(ImagePart(source=FILE)),)}, "image.file_id"),
        ({"messages": (user(DocumentPart(source=ELSEWHERE)),)}, "document.url"),
        ({"messages": (user(DocumentPart(source=FILE)),)}, "document.file_id"),
        ({"messages": (user(AudioPart(source=ELSEWHERE)),)}, "audio.url"),
        ({"messages": (user(VideoPart(source=ELSEWHERE)),)}, "video.url"),
        ({"messages": (assistant(ImagePart(source=PNG)),)}, "image.data"),
        ({"messages": (assistant(AudioPart(source=Media(data="AA"))),)}, "audio.data"),
        (
            {"tools": (SEARCH,), "tool_choice": ToolChoice(mode="required")},
            "vendor.anthropic_messages.web_search",
        ),
        (
            {
                "messages": (
                    user(
                        VendorPart(
                            origin=WireFormat.ANTHROPIC_MESSAGES, kind="search_result", raw={}
                        )
                    ),
                )
            },
            "vendor.anthropic_messages.search_result",
        ),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
    ],
)
def test_what_openai_cannot_be_given_is_refused_by_name(
    changes: dict[str, object], field: str
) -> None:
    with pytest.raises(UnsupportedField) as refused:
        WIRE.encode_request(request(source=Dialect.ANTHROPIC_MESSAGES, **changes), OPENAI)

    assert refused.value.param == field


def test_a_file_kept_at_openai_may_be_named_in_its_own_dialects() -> None:
    given = request(messages=(user(DocumentPart(source=FILE)),))

    assert written(given)[0]["messages"][0]["content"] == [
        {"type": "file", "file": {"file_id": "file_1"}}
    ]


def test_sounds_and_films_go_to_relatives_by_url() -> None:
    given = from_anthropic(
        user(
            AudioPart(source=ELSEWHERE),
            VideoPart(source=ELSEWHERE),
            VideoPart(source=Media(media_type="video/mp4", data="AAAA")),
        )
    )

    assert written(given, RELATIVE)[0]["messages"][0]["content"] == [
        {"type": "audio_url", "audio_url": {"url": "https://a.example/x"}},
        {"type": "video_url", "video_url": {"url": "https://a.example/x"}},
        {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}},
    ]
