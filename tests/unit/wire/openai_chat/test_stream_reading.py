"""How streams of OpenAI and its relatives are read, with the habits each of them has."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.accounting.usage import TokenUsage
from domain.errors import (
    UpstreamFailure,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamUnavailable,
)
from domain.inference.conversation import (
    AudioPart,
    Citation,
    ImagePart,
    Media,
    OpaqueState,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from domain.inference.dialect import WireFormat
from domain.inference.events import BlockDelta, LogprobsAdded, StreamEvent
from domain.inference.response import Candidate, FinishReason, InferenceResponse
from tests.support.collected import collected
from tests.unit.wire.openai_chat.reaches import SCRUBBER, WIRE, head

DONE = b"data: [DONE]\n\n"


def frame(delta: dict[str, Any] | None = None, finish: str | None = None, **members: Any) -> bytes:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    base = {"id": "chatcmpl-1", "created": 1_750_000_000, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps({**base, **members}).encode() + b"\n\n"


def calls(*pieces: dict[str, Any]) -> bytes:
    return frame({"tool_calls": list(pieces)})


def piece(index: int | None, arguments: str | None = None, **members: Any) -> dict[str, Any]:
    """Return a piece of a call; `name` goes into the function."""
    function = {"name": members.pop("name", None), "arguments": arguments}
    position = {} if index is None else {"index": index}
    given = {name: value for name, value in function.items() if value is not None}
    return {**position, **members, "function": given}


def events(*frames: bytes, choices: int = 1, done: bytes = DONE) -> list[StreamEvent]:
    reader = WIRE.stream_decoder(head(choices), scrubber=SCRUBBER)
    read = reader.feed(b"".join(frames) + done)
    return read + reader.finish()


def read(*frames: bytes, choices: int = 1, done: bytes = DONE) -> InferenceResponse:
    return collected(events(*frames, choices=choices, done=done))


def parts(*frames: bytes) -> tuple[Part, ...]:
    return read(*frames, frame(finish="stop")).candidates[0].parts


def thought(text: str, member: str = "reasoning_content") -> ThinkingPart:
    return ThinkingPart(text=text, state=OpaqueState(origin=WireFormat.OPENAI_CHAT, data=member))


RECORDED = b"".join(
    (
        b": comment\n\n",
        frame({"role": "assistant", "content": "", "refusal": None}),
        frame({"reasoning_content": "Ro"}),
        frame({"reasoning_content": "me?"}),
        frame({"content": "Grüße "}),
        frame({"content": "aus \U0001f600"}),
        calls({"index": 0, "id": "a", "type": "function", **piece(0, "", name="f")}),
        calls(piece(0, '{"x":')),
        calls({"index": 1, "id": "b", "type": "function", **piece(1, "", name="g")}),
        calls(piece(1, '{"y":2}'), piece(0, "1}")),
        frame(finish="tool_calls"),
        b'event: extension\ndata: "not for us"\n\n',
        b'data: {"id":"chatcmpl-1","choices":[],\n',
        b'data:  "usage":{"prompt_tokens":7,"completion_tokens":3}}\n\n',
        DONE,
    )
)
RECORDED_ANSWER = InferenceResponse(
    id="chatcmpl-1",
    model="m",
    created_s=1_750_000_000,
    usage=TokenUsage(input_uncached=7, output=3),
    candidates=(
        Candidate(
            parts=(
                thought("Rome?"),
                TextPart(text="Grüße aus \U0001f600"),
                ToolCallPart(id="a", name="f", arguments='{"x":1}'),
                ToolCallPart(id="b", name="g", arguments='{"y":2}'),
            ),
            finish=FinishReason.TOOL_CALLS,
        ),
    ),
)


@settings(deadline=None)
@given(
    st.sampled_from([b"\n", b"\r", b"\r\n"]),
    st.lists(st.integers(0, len(RECORDED)), max_size=12).map(sorted),
)
def test_a_stream_is_read_the_same_wherever_it_is_cut(end: bytes, cuts: list[int]) -> None:
    body = RECORDED.replace(b"\n", end)
    reader = WIRE.stream_decoder(head(), scrubber=SCRUBBER)
    found: list[StreamEvent] = []

    for start, stop in zip([0, *cuts], [*cuts, len(body)], strict=True):
        found += reader.feed(body[start:stop])
    # A lone CR may be the first half of a CRLF: the last event is complete at the end only.
    found += reader.finish()

    assert reader.terminated
    assert collected(found) == RECORDED_ANSWER


def test_a_text_is_told_as_it_comes() -> None:
    reader = WIRE.stream_decoder(head(), scrubber=SCRUBBER)

    told = [
        [
            event.text
            for event in reader.feed(frame({"content": text}))
            if isinstance(event, BlockDelta)
        ]
        for text in ("a", "b")
    ]

    assert told == [["a"], ["b"]]


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param(
            (calls(piece(0, '{"a":1}', id="a", name="f"), piece(0, '{"b":2}', id="b", name="g")),),
            id="every call has number 0",
        ),
        pytest.param(
            (
                calls(piece(None, '{"a":1}', id="a", name="f")),
                calls(piece(None, '{"b":2}', id="b", name="g")),
            ),
            id="no numbers",
        ),
        pytest.param(
            (
                calls(piece(None, '{"a"', id="a", name="f")),
                calls(piece(None, ":1}")),
                calls(piece(None, '{"b":2}', id="b", name="g")),
            ),
            id="no numbers and in pieces",
        ),
        pytest.param(
            (
                calls(piece(0, "", id="a", name="f")),
                calls(piece(0, '{"a":1}', id="other")),
                calls(piece(1, "", id="b", name="g")),
                calls(piece(1, '{"b":2}', id="another")),
            ),
            id="a new id with every piece",
        ),
        pytest.param(
            (
                calls(piece(0, '{"a"', id="a", name="f")),
                calls(piece(0, ":1}", id="", name="")),
                calls(piece(1, '{"b":2}', id="b", name="g")),
            ),
            id="empty ids and names",
        ),
        pytest.param(
            (
                calls(piece(0, '{"a"', id="a")),
                calls(piece(0, ":1}", name="f")),
                calls(piece(1, '{"b":2}', id="b", name="g")),
            ),
            id="the name comes late",
        ),
        pytest.param(
            (
                calls(piece(0, '{"a"', id="a", name="f"), piece(1, '{"b"', id="b", name="g")),
                calls(piece(1, ":2}"), piece(0, ":1}")),
            ),
            id="mixed",
        ),
        pytest.param(
            (
                calls(piece(0, '{"a":1}', id="a", name="f")),
                frame({"content": "", "tool_calls": [piece(1, '{"b":2}', id="b", name="g")]}),
            ),
            id="empty content between",
        ),
    ],
)
def test_calls_are_put_together_however_a_server_numbers_them(frames: tuple[bytes, ...]) -> None:
    assert parts(*frames) == (
        ToolCallPart(id="a", name="f", arguments='{"a":1}'),
        ToolCallPart(id="b", name="g", arguments='{"b":2}'),
    )


def test_calls_without_ids_get_the_same_ones_every_time() -> None:
    frames = (calls(piece(0, "{}", name="f")), calls(piece(1, "{}", name="f")))

    ids = [part.id for part in parts(*frames) if isinstance(part, ToolCallPart)]

    assert len(set(ids)) == 2
    assert ids == [part.id for part in parts(*frames) if isinstance(part, ToolCallPart)]


def test_a_call_is_given_the_same_id_streamed_and_whole() -> None:
    whole = (
        b'{"id":"chatcmpl-1","choices":[{"message":{"tool_calls":[{"function":{"name":"f"}}]}}]}'
    )

    assert WIRE.decode_reply(whole, scrubber=SCRUBBER).candidates[0].parts == parts(
        calls(piece(0, None, name="f"))
    )


def test_a_call_without_arguments_has_an_empty_object() -> None:
    (call,) = parts(calls(piece(0, "", id="a", name="f")))

    assert isinstance(call, ToolCallPart)
    assert call.arguments == "{}"


def test_custom_and_older_calls_are_read() -> None:
    custom = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "c", "input": "l"}}
    assert parts(calls(custom), calls({"index": 0, "custom": {"input": "s"}})) == (
        ToolCallPart(id="a", name="c", arguments="ls", custom=True),
    )
    (call,) = parts(
        frame({"function_call": {"name": "f", "arguments": ""}}),
        frame({"function_call": {"arguments": '{"a":1}'}}),
    )
    assert isinstance(call, ToolCallPart)
    assert (call.name, call.arguments) == ("f", '{"a":1}')


def test_a_signature_of_geminis_comes_with_the_start_of_its_call() -> None:
    signed = piece(
        0, "{}", id="a", name="f", extra_content={"google": {"thought_signature": "c2ln"}}
    )

    (call,) = parts(calls(signed))
    assert isinstance(call, ToolCallPart)
    assert call.state == OpaqueState(origin=WireFormat.GEMINI_GENERATE, data="c2ln")


def test_thoughts_are_read_from_every_member() -> None:
    assert parts(frame({"reasoning": "h"}), frame({"reasoning": "m"})) == (
        thought("hm", "reasoning"),
    )
    listed = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]
    assert parts(
        frame({"content": listed}), frame({"content": [{"type": "text", "text": "4"}]})
    ) == (
        thought("hm", "thinking"),
        TextPart(text="4"),
    )


def test_pieces_of_signed_thoughts_are_one_again() -> None:
    def details(**members: Any) -> bytes:
        detail = {"type": "reasoning.text", "index": 0, **members}
        return frame({"reasoning": members.get("text"), "reasoning_details": [detail]})

    (part,) = parts(details(text="h"), details(text="m"), details(signature="c2ln"))

    assert isinstance(part, ThinkingPart)
    assert part.text == "hm"
    assert part.state is not None
    assert json.loads(part.state.data) == [
        {"type": "reasoning.text", "index": 0, "text": "hm", "signature": "c2ln"}
    ]


def test_an_encrypted_thought_has_no_text() -> None:
    secret = {"type": "reasoning.encrypted", "data": "ZGF0YQ==", "id": "rs_1"}

    (part, text) = parts(frame({"reasoning_details": [secret]}), frame({"content": "4"}))

    assert text == TextPart(text="4")
    assert isinstance(part, ThinkingPart)
    assert (part.text, part.state and json.loads(part.state.data)) == ("", [secret])


def test_sources_refusals_sounds_and_images_are_read() -> None:
    source = {"url": "https://a.example", "title": "A", "start_index": 1, "end_index": 2}
    cited = frame({"annotations": [{"type": "url_citation", "url_citation": source}]})
    assert parts(frame({"content": "abc"}), cited) == (
        TextPart(
            text="abc",
            citations=(Citation(url="https://a.example", title="A", start=1, end=2),),
        ),
    )
    refused = read(frame({"refusal": "N"}), frame({"refusal": "o."}), frame(finish="stop"))
    assert refused.candidates[0] == Candidate(
        parts=(RefusalPart(text="No."),), finish=FinishReason.REFUSAL
    )
    assert parts(
        frame({"audio": {"id": "audio_1", "transcript": "H"}}),
        frame({"audio": {"data": "AAAA", "transcript": "i"}}),
        frame({"audio": {"expires_at": 5}}),
    ) == (AudioPart(source=Media(data="AAAA"), id="audio_1", transcript="Hi"),)
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}
    assert parts(frame({"content": "Here"}), frame({"images": [image]})) == (
        TextPart(text="Here"),
        ImagePart(source=Media(media_type="image/png", data="iVBO")),
    )


def test_log_probabilities_follow_the_text_they_belong_to() -> None:
    tokens: dict[str, object] = {"content": [{"token": "a", "logprob": -0.1}], "refusal": None}
    choice = {"index": 0, "delta": {"content": "a"}, "logprobs": tokens}

    found = events(frame(choices=[choice]), frame(finish="stop"))

    at = found.index(LogprobsAdded(logprobs=tokens))
    assert isinstance(found[at - 1], BlockDelta)


def test_candidates_mix_and_end_when_all_is_said() -> None:
    def of(index: int, text: str, finish: str | None = None) -> bytes:
        choice = {"index": index, "delta": {"content": text}, "finish_reason": finish}
        return frame(choices=[choice])

    reply = read(of(0, "a"), of(1, "x"), of(0, "b", "stop"), of(1, "y", "length"), choices=2)

    assert reply.candidates == (
        Candidate(parts=(TextPart(text="ab"),), finish=FinishReason.STOP),
        Candidate(parts=(TextPart(text="xy"),), finish=FinishReason.LENGTH),
    )


def test_content_after_the_reason_is_not_lost() -> None:
    reply = read(frame({"content": "a"}, "stop"), frame({"content": "b"}), frame(finish="stop"))

    assert reply.candidates[0].parts == (TextPart(text="ab"),)


def test_the_filters_preamble_of_azure_is_not_the_start() -> None:
    preamble = b'data: {"id":"","model":"","choices":[],"prompt_filter_results":[]}\n\n'

    assert read(preamble, frame({"content": "a"}, "stop")).id == "chatcmpl-1"


@pytest.mark.parametrize(
    "usage",
    [
        {"usage": {"prompt_tokens": 7, "completion_tokens": 3}},
        {"x_groq": {"usage": {"prompt_tokens": 7, "completion_tokens": 3}}},
        {"timings": {"prompt_n": 7, "predicted_n": 3}},
    ],
)
def test_usage_is_found_wherever_a_server_puts_it(usage: dict[str, Any]) -> None:
    reply = read(frame({"content": "a"}), frame(finish="stop", **usage))

    assert reply.usage == TokenUsage(input_uncached=7, output=3)


def test_usage_that_is_null_or_missing_is_none() -> None:
    assert read(frame({"content": "a"}, usage=None), frame(finish="stop")).usage is None


def test_a_stream_without_terminator_is_complete_when_every_choice_said_why_it_stopped() -> None:
    assert read(frame({"content": "a"}, "stop"), done=b"").candidates[0].parts == (
        TextPart(text="a"),
    )


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param((), id="nothing"),
        pytest.param((frame({"content": "a"}),), id="no reason"),
        pytest.param((frame({"content": "a"}, "stop"), b"data: {"), id="inside a frame"),
    ],
)
def test_a_cut_stream_is_a_protocol_error(frames: tuple[bytes, ...]) -> None:
    with pytest.raises(UpstreamProtocolError):
        events(*frames, done=b"")


def test_a_choice_that_is_missing_is_a_cut_stream_too() -> None:
    with pytest.raises(UpstreamProtocolError):
        events(frame({"content": "a"}, "stop"), choices=2, done=b"")


@pytest.mark.parametrize(
    "bad",
    [
        b"data: <html>\n\n",
        b"data: {\n\n",
        b"data: []\n\n",
        b'data: {"choices":5}\n\n',
        frame({"content": 5}),
        frame({"tool_calls": [{"index": "x"}]}),
        calls(piece(None, "{}")),
        b"data: \xff\n\n",
        DONE,
    ],
)
def test_a_frame_that_is_none_is_a_protocol_error(bad: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        events(bad)


@pytest.mark.parametrize(
    "frames",
    [
        (calls(piece(0, "{}", id="a")),),
        (
            calls(piece(0, "{}", id="a", name="f")),
            frame({"content": "x"}),
            calls(piece(0, "more")),
        ),
    ],
)
def test_calls_that_make_no_sense_are_a_protocol_error(frames: tuple[bytes, ...]) -> None:
    with pytest.raises(UpstreamProtocolError):
        events(*frames)


def test_a_giant_event_is_a_protocol_error() -> None:
    reader = WIRE.stream_decoder(head(), scrubber=SCRUBBER)

    reader.feed(b"x" * (16 << 20))

    with pytest.raises(UpstreamProtocolError):
        reader.feed(b"x")


def error(**members: Any) -> bytes:
    return b"data: " + json.dumps({"error": members}).encode() + b"\n\n"


def test_an_error_before_content_is_classified_and_after_it_the_provider_is_unavailable() -> None:
    limited = error(message="slow down", code=429)
    reader = WIRE.stream_decoder(head(), scrubber=SCRUBBER)
    with pytest.raises(UpstreamRateLimited):
        reader.feed(limited)

    reader = WIRE.stream_decoder(head(), scrubber=SCRUBBER)
    told = reader.feed(frame({"content": "a"}) + limited)
    assert [event.text for event in told if isinstance(event, BlockDelta)] == ["a"]
    for _ in range(2):
        with pytest.raises(UpstreamUnavailable):
            reader.feed(b"")
    with pytest.raises(UpstreamUnavailable):
        reader.finish()


def test_a_fault_as_reason_is_a_failure_and_not_an_end() -> None:
    with pytest.raises(UpstreamFailure):
        events(frame({"content": "half"}, "error"))


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, len(RECORDED)))
def test_nothing_but_a_failure_of_the_provider_comes_of_garbage(noise: bytes, at: int) -> None:
    reader = WIRE.stream_decoder(head(), scrubber=SCRUBBER)

    try:
        reader.feed(RECORDED[:at] + noise + RECORDED[at:])
        reader.finish()
    except UpstreamFailure:
        pass
