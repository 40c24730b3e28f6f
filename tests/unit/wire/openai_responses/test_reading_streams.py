import contextlib
import itertools
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.accounting.usage import TokenUsage
from domain.errors import (
    UpstreamFailure,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from domain.inference.conversation import (
    Citation,
    OpaqueState,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    VendorPart,
)
from domain.inference.dialect import WireFormat
from domain.inference.events import BlockDelta, Finished, LogprobsAdded, Started, StreamEvent
from domain.inference.response import Candidate, FinishReason, InferenceResponse
from tests.support.collected import collected
from tests.unit.wire.openai_responses.reaches import HEAD, SCRUBBER, WIRE, read
from tests.unit.wire.openai_responses.recorded import (
    ALL,
    NOTE,
    SEARCH,
    USAGE,
    Frame,
    begun,
    called,
    complete,
    ended,
    item,
    message,
    response,
    said,
    sse,
    text_part,
    thought,
)

OWN = WireFormat.OPENAI_RESPONSES
STATE = OpaqueState(origin=OWN, data="gAAAA+/=", id="rs_1")
PAGE = Citation(url="https://media.example/w", title="Weather", start=0, end=3)


def split(raw: bytes, cuts: Iterable[int]) -> list[StreamEvent]:
    edges = [0, *cuts, len(raw)]
    return read(*(raw[start:end] for start, end in itertools.pairwise(edges)))


def parts(raw: bytes) -> tuple[Part, ...]:
    return collected(read(raw)).candidates[0].parts


EXPECTED: dict[str, Candidate] = {
    "text": Candidate(parts=(TextPart(text="It is sunny ☀."),), finish=FinishReason.STOP),
    "cited": Candidate(
        parts=(TextPart(text="It is.", citations=(PAGE,)),), finish=FinishReason.STOP
    ),
    "refused": Candidate(parts=(RefusalPart(text="I cannot."),), finish=FinishReason.REFUSAL),
    "thought": Candidate(
        parts=(
            ThinkingPart(text="First this.\n\nThen that.", state=STATE),
            TextPart(text="Yes."),
        ),
        finish=FinishReason.STOP,
    ),
    "hidden": Candidate(
        parts=(ThinkingPart(state=STATE), TextPart(text="Yes.")), finish=FinishReason.STOP
    ),
    "called": Candidate(
        parts=(
            ToolCallPart(id="call_1", name="look", arguments='{"city":"Ulm"}'),
            ToolCallPart(id="call_2", name="now", arguments="{}"),
        ),
        finish=FinishReason.TOOL_CALLS,
    ),
    "custom": Candidate(
        parts=(
            ToolCallPart(
                id="call_1", name="apply_patch", arguments="*** Begin Patch\n", custom=True
            ),
        ),
        finish=FinishReason.TOOL_CALLS,
    ),
    "searched": Candidate(
        parts=(
            VendorPart(origin=OWN, kind="web_search_call", raw=SEARCH),
            TextPart(text="It is.", citations=(PAGE,)),
        ),
        finish=FinishReason.STOP,
    ),
    "cut": Candidate(parts=(TextPart(text="It is"),), finish=FinishReason.LENGTH),
    "filtered": Candidate(parts=(), finish=FinishReason.CONTENT_FILTER),
}
USED = TokenUsage(input_uncached=25, cache_read=20, cache_write_5m=5, output=18, reasoning=12)


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_stream_means_what_its_events_say(name: str) -> None:
    events = read(ALL[name])
    if name == "filtered":  # without any content
        assert events[1:-1] == [Finished(reason=FinishReason.CONTENT_FILTER)]
        return
    assert collected(events) == InferenceResponse(
        id="resp_68af4b",
        model="gpt-5.1-2025-11-13",
        created_s=1764000000,
        candidates=(EXPECTED[name],),
        usage=USED,
        service_tier="default",
    )


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_whole_answer_means_the_same_as_its_stream(name: str) -> None:
    last = json.loads(ALL[name].strip().rpartition(b"data: ")[2])["response"]
    reply = WIRE.decode_reply(json.dumps(last).encode(), scrubber=SCRUBBER)
    assert reply.candidates == (EXPECTED[name],)
    assert reply.usage == USED


@pytest.mark.parametrize("name", sorted(ALL))
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_stream_split_at_any_byte_in_any_spelling_gives_the_same_events(
    name: str, data: st.DataObject
) -> None:
    end = data.draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
    raw = ALL[name].replace(b"\n\n", b"\n: comment\nid: 3\n\n")
    if data.draw(st.booleans()):
        raw = raw.replace(b"data: ", b"data:")
    if data.draw(st.booleans()):
        raw = raw.replace(b', "sequence_number"', b',\ndata: "sequence_number"')
    if data.draw(st.booleans()):
        raw = raw.replace(b"event: ", b"x-other: ")
    raw = raw.replace(b"\n", end)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=9)))
    assert split(raw, cuts) == read(ALL[name])


def test_a_stream_of_single_bytes_gives_the_same_events() -> None:
    raw = ALL["thought"]
    assert split(raw, range(1, len(raw))) == read(raw)


def test_events_come_as_soon_as_their_frames_are_complete() -> None:
    reader = WIRE.stream_decoder(HEAD, scrubber=SCRUBBER)
    frames = [*begun(), *said(0, "Hello")]
    delta = next(frame for frame in frames if frame["type"].endswith(".delta"))
    reader.feed(sse(*frames[: frames.index(delta)]))
    raw = sse(delta)
    assert reader.feed(raw[:-1]) == []
    assert BlockDelta(index=0, text="Hello") in reader.feed(raw[-1:])
    assert not reader.terminated


def test_what_follows_the_end_is_not_read() -> None:
    reader = WIRE.stream_decoder(HEAD, scrubber=SCRUBBER)
    reader.feed(ALL["text"])
    assert reader.terminated
    assert reader.feed(b"data: [DONE]\n\ndata: nonsense\n\n") == []
    assert reader.finish() == []


def test_a_last_event_without_its_empty_line_counts() -> None:
    assert read(ALL["text"].rstrip()) == read(ALL["text"])


def test_events_of_kinds_unknown_so_far_are_passed_over() -> None:
    new: list[Frame] = [
        {"type": "response.telepathy.delta", "delta": {"odd": 1}, "item": 5, "text": []},
        {"type": "response.steer.failed", "error": {"message": "not an error of the answer"}},
        {"type": "keepalive"},
    ]
    frames = said(0, "Yes.")
    raw = sse(*begun(), *frames[:3], *new, *frames[3:], ended())
    assert parts(raw) == (TextPart(text="Yes."),)


def test_servers_that_send_no_deltas_are_understood() -> None:
    frames = [
        frame
        for frame in [*thought(0, "Hm."), *said(1, "Yes."), *called(2, "f", '{"a":1}')]
        if not frame["type"].endswith(".delta")
    ]
    assert parts(sse(*begun(), *frames, ended())) == (
        ThinkingPart(text="Hm.", state=STATE),
        TextPart(text="Yes."),
        ToolCallPart(id="call_1", name="f", arguments='{"a":1}'),
    )


def test_servers_that_only_send_items_when_they_are_done_are_understood() -> None:
    frames = [
        frame
        for frame in [*thought(0, "Hm."), *said(1, "Yes."), *called(2, "f", '{"a":1}')]
        if frame["type"] == "response.output_item.done"
    ]
    assert parts(sse(*begun(), *frames, ended())) == (
        ThinkingPart(text="Hm.", state=STATE),
        TextPart(text="Yes."),
        ToolCallPart(id="call_1", name="f", arguments='{"a":1}'),
    )


def test_servers_that_only_send_the_end_are_understood() -> None:
    whole = [message(text_part("Yes.", [NOTE]))]
    assert parts(sse(ended(*whole))) == (TextPart(text="Yes.", citations=(PAGE,)),)


def test_nothing_that_was_streamed_is_said_again_by_the_end() -> None:
    frames = [frame for frame in said(0, "Yes.") if not frame["type"].endswith(".done")]
    raw = sse(*begun(), *frames, ended(message(text_part("Yes."))))
    assert parts(raw) == (TextPart(text="Yes."),)


def test_arguments_of_a_call_are_taken_from_the_end_if_no_event_has_them() -> None:
    frames = called(0, "f", '{"a":1}')
    raw = sse(*begun(), frames[0], ended(frames[-1]["item"]))
    assert parts(raw) == (ToolCallPart(id="call_1", name="f", arguments='{"a":1}'),)


def test_a_call_without_arguments_has_an_empty_object() -> None:
    frames = [frame for frame in called(0, "f") if "arguments" not in frame["type"]]
    raw = sse(*begun(), *frames, ended())
    assert parts(raw) == (ToolCallPart(id="call_1", name="f", arguments="{}"),)


def test_calls_whose_events_come_in_turns_keep_their_arguments() -> None:
    first = called(0, "f", '{"a":', "1}", call_id="c0")
    second = called(1, "g", '{"b":', "2}", call_id="c1")
    mixed = [frame for pair in zip(first, second, strict=True) for frame in pair]
    assert parts(sse(*begun(), *mixed, ended())) == (
        ToolCallPart(id="c0", name="f", arguments='{"a":1}'),
        ToolCallPart(id="c1", name="g", arguments='{"b":2}'),
    )


def test_raw_reasoning_is_read_where_there_is_no_summary() -> None:
    whole: Frame = {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "Hm."}],
    }
    kind = "response.reasoning_text"
    frames = item(
        0,
        whole,
        {"content": []},
        {"type": f"{kind}.delta", "content_index": 0, "delta": "Hm."},
        {"type": f"{kind}.done", "content_index": 0, "text": "Hm."},
    )
    assert parts(sse(*begun(), *frames, ended())) == (ThinkingPart(text="Hm."),)
    body = json.dumps(response("completed", [whole])).encode()
    (candidate,) = WIRE.decode_reply(body, scrubber=SCRUBBER).candidates
    assert candidate.parts == (ThinkingPart(text="Hm."),)


def test_log_probabilities_are_passed_on() -> None:
    token = {"token": "Yes", "bytes": [89], "logprob": -0.1, "top_logprobs": []}
    frames = said(0, "Yes")
    frames[2]["logprobs"] = [token]
    assert LogprobsAdded(logprobs={"content": [token]}) in read(sse(*begun(), *frames, ended()))


def test_half_a_character_costs_no_more_than_itself() -> None:
    raw = ALL["text"].replace(b'"It "', b'"\\ud83d "').replace(b'"is "', b'"\\ud83d\\ude00 "')
    (part,) = parts(raw)
    assert part == TextPart(text="\ufffd \U0001f600 sunny ☀.")


def failure(*frames: Frame) -> UpstreamFailure:
    with pytest.raises(UpstreamFailure) as raised:
        read(sse(*frames))
    return raised.value


def test_a_failed_response_is_the_failure_its_code_means() -> None:
    error = {"code": "rate_limit_exceeded", "message": "Slow down."}
    failed = {"type": "response.failed", "response": response("failed", error=error)}
    assert isinstance(failure(*begun(), failed), UpstreamRateLimited)


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "error", "code": "server_error", "message": "Oops.", "param": None},
        {"type": "error", "error": {"type": "server_error", "code": None, "message": "Oops."}},
        {"type": "response.failed", "response": {"status": "failed"}},
    ],
)
def test_errors_without_a_telling_code_are_faults_of_the_provider(frame: Frame) -> None:
    assert isinstance(failure(*begun(), frame), UpstreamUnavailable)


@pytest.mark.parametrize(
    "error",
    [
        {"code": "context_length_exceeded", "message": "Too long.", "param": "input"},
        {"code": "invalid_prompt", "message": "Too long.", "param": "input"},
        {"code": "image_too_large", "message": "Too long.", "param": "input"},
    ],
)
@pytest.mark.parametrize("nested", [True, False])
def test_errors_of_the_request_are_told_to_the_client(error: Frame, nested: bool) -> None:
    frame: Frame = {"type": "error"} | ({"error": error} if nested else error)
    found = failure(frame)
    assert isinstance(found, UpstreamRejected)
    assert found.message == "Too long."
    assert (found.param, found.upstream_code) == ("input", error["code"])


def test_what_came_before_an_error_in_one_chunk_is_returned_first() -> None:
    reader = WIRE.stream_decoder(HEAD, scrubber=SCRUBBER)
    frames = [*begun(), *said(0, "Yes.")[:3], {"type": "error", "message": "Oops."}]
    events = reader.feed(sse(*frames))
    assert BlockDelta(index=0, text="Yes.") in events
    with pytest.raises(UpstreamUnavailable):
        reader.feed(b"")
    with pytest.raises(UpstreamUnavailable):
        reader.finish()


def test_a_stream_that_ends_before_its_terminator_is_broken() -> None:
    raw = ALL["text"]
    for cut in range(len(raw) - 2):
        with pytest.raises(UpstreamProtocolError):
            read(raw[:cut])


@pytest.mark.parametrize(
    "raw",
    [
        b"<html>Bad gateway</html>",
        b"data: <html>\n\n",
        b"data: {\n\n",
        b"data: 5\n\n",
        b"data: \xff\n\n",
        b'data: {"type": 5}\n\n',
        b'data: {"type": "response.completed"}\n\n',
        b'data: {"type": "response.completed", "response": []}\n\n',
        b'data: {"type": "response.completed", "response": {"output": [5]}}\n\n',
        sse(ended({"type": "message", "content": 5})),
        b'data: {"type": "response.output_item.added", "item": {"type": "function_call"}}\n\n',
        b'data: {"type": "response.output_item.done"}\n\n',
        b'data: {"type": "response.output_text.delta", "delta": {}}\n\n',
        b'data: {"type": "response.output_text.delta", "output_index": "0", "delta": "a"}\n\n',
        b"data: " + b"[" * 100_000 + b"\n\n",
    ],
)
def test_a_stream_that_is_not_what_the_format_says_is_broken(raw: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        read(raw)


def test_an_event_larger_than_any_is_refused() -> None:
    reader = WIRE.stream_decoder(HEAD, scrubber=SCRUBBER)
    for _ in range(16):
        reader.feed(b"a" * (1 << 20))
    with pytest.raises(UpstreamProtocolError):
        reader.feed(b"a")


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_stream_is_read_or_broken_and_nothing_else(data: st.DataObject) -> None:
    raw = bytearray(ALL[data.draw(st.sampled_from(sorted(ALL)))])
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=4)):
        raw[place] = data.draw(st.integers(0, 255))
    try:
        events = read(bytes(raw))
    except UpstreamFailure:
        return
    assert sum(isinstance(event, Finished) for event in events) == 1
    assert isinstance(events[0], Started)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just(1e300),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=3,
)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_members_of_any_type_are_read_or_broken_and_nothing_else(data: st.DataObject) -> None:
    frames = [
        json.loads(line.removeprefix(b"data: "))
        for line in ALL[data.draw(st.sampled_from(sorted(ALL)))].split(b"\n")
        if line.startswith(b"data: ")
    ]
    frame = data.draw(st.sampled_from(frames))
    target = data.draw(
        st.sampled_from([frame, frame.get("response", frame), frame.get("item", frame)])
    )
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(VALUES)
    raw = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in frames)
    with contextlib.suppress(UpstreamFailure):
        read(raw)


def test_usage_is_that_of_the_end() -> None:
    raw = complete(*said(0, "Yes."), usage=USAGE | {"output_tokens": 99})
    usage = collected(read(raw)).usage
    assert usage is not None
    assert usage.output_total == 99
