"""The official client reads thoughts, hosted items and what is made of others' ids."""

import json

from msgspec.structs import replace

from adapters.wire.opaque_state import unwrap_state
from application.ports.dialect import NOT_IN_URL
from domain.inference.conversation import (
    ImagePart,
    Media,
    OpaqueState,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    VendorPart,
)
from domain.inference.dialect import WireFormat
from domain.inference.events import (
    BlockDelta,
    BlockEnded,
    BlockStarted,
)
from domain.inference.request import (
    VendorTool,
)
from tests.unit.wire.openai_responses import sdk
from tests.unit.wire.openai_responses.answers import TEXT_STATE, reply, stream
from tests.unit.wire.openai_responses.reaches import CODEC, context, written


def test_thinking_is_a_summary_and_its_state_the_encrypted_content() -> None:
    state = OpaqueState(origin=WireFormat.ANTHROPIC_MESSAGES, data="EqQBCg==")
    body = written(
        stream(
            BlockStarted(index=0, kind="thinking"),
            BlockDelta(index=0, text="Let me "),
            BlockDelta(index=0, text="see."),
            BlockEnded(index=0, state=state),
            BlockStarted(index=1, kind="text"),
            BlockDelta(index=1, text="Yes."),
            BlockEnded(index=1),
        )
    )
    sdk.check(body)
    thought, answer = sdk.streamed(body).output
    assert thought.type == "reasoning"
    assert [part.text for part in thought.summary] == ["Let me see."]
    assert unwrap_state(thought.encrypted_content or "") == replace(state, id="")
    assert answer.type == "message"


def test_thinking_that_is_nothing_but_state_has_no_summary() -> None:
    state = OpaqueState(origin=WireFormat.ANTHROPIC_MESSAGES, data="EqQBCg==")
    body = written(
        stream(
            BlockStarted(index=0, kind="redacted_thinking", state=state),
            BlockEnded(index=0),
        )
    )
    sdk.check(body)
    (thought,) = sdk.streamed(body).output
    assert thought.type == "reasoning"
    assert thought.summary == []


def test_reasoning_of_the_vendor_itself_keeps_its_id_and_bytes() -> None:
    state = OpaqueState(origin=WireFormat.OPENAI_RESPONSES, data="gAAAAB+/=", id="rs_68af")
    body = CODEC.encode_reply(reply(ThinkingPart(text="Hm.", state=state)), context())
    (item,) = json.loads(body)["output"]
    assert (item["id"], item["encrypted_content"]) == ("rs_68af", "gAAAAB+/=")


def test_a_signature_that_comes_at_the_end_of_a_call_follows_it() -> None:
    body = written(
        stream(
            BlockStarted(index=0, kind="tool_call", id="c1", name="f"),
            BlockEnded(index=0, state=TEXT_STATE),
        )
    )
    sdk.check(body)
    items = json.dumps(sdk.frames(body)[-1]["response"]["output"]).encode()
    request = b'{"model":"m","input":%b}' % items
    (turn,) = CODEC.decode(request, NOT_IN_URL).messages
    assert turn.parts == (ToolCallPart(id="c1", name="f", arguments="{}", state=TEXT_STATE),)


def test_ids_of_items_are_of_their_kind_and_no_longer_than_the_vendor_takes_back() -> None:
    parts = (
        ThinkingPart(text="Hm."),
        TextPart(text="a"),
        ToolCallPart(id="c1", name="f", arguments="{}"),
        ToolCallPart(id="c2", name="g", arguments="raw", custom=True),
    )
    for answer in ("m1", "chatcmpl-" + "a" * 100, "odd/§id"):
        items = json.loads(CODEC.encode_reply(reply(*parts, id=answer), context()))["output"]
        prefixes = [item["id"].partition("_")[0] for item in items]
        assert prefixes == ["rs", "msg", "fc", "ctc"]
        assert len({item["id"] for item in items}) == 4
        assert all(len(item["id"]) <= 64 and item["id"].isascii() for item in items)


def test_an_image_is_the_work_of_the_tool_that_makes_images() -> None:
    image = ImagePart(source=Media(media_type="image/webp", data="UklGRg=="))
    whole = CODEC.encode_reply(reply(image), context())
    sdk.check_whole(whole)
    body = written(stream(BlockStarted(index=0, kind="image", image=image), BlockEnded(index=0)))
    sdk.check(body)
    (told,) = sdk.streamed(body).output
    assert told.type == "image_generation_call"
    assert told.result == "UklGRg=="
    assert json.loads(whole)["output"] == sdk.frames(body)[-1]["response"]["output"]


def test_of_a_spoken_answer_the_words_are_told() -> None:
    body = written(
        stream(
            BlockStarted(index=0, kind="audio", id="audio_1"),
            BlockDelta(index=0, text="UklGRg==", transcript="It "),
            BlockDelta(index=0, text="UklGRg==", transcript="is."),
            BlockEnded(index=0),
        )
    )
    sdk.check(body)
    assert sdk.streamed(body).output_text == "It is."


def test_the_vendor_s_own_items_are_told_as_they_are_and_others_not_at_all() -> None:
    search: dict[str, object] = {"id": "ws_1", "type": "web_search_call", "status": "completed"}
    own = VendorPart(origin=WireFormat.OPENAI_RESPONSES, kind="web_search_call", raw=search)
    other = VendorPart(
        origin=WireFormat.ANTHROPIC_MESSAGES, kind="server_tool_use", raw={"id": "x"}
    )
    assert json.loads(CODEC.encode_reply(reply(own, other), context()))["output"] == [search]
    body = written(
        stream(
            BlockStarted(index=0, kind="vendor", vendor=own),
            BlockEnded(index=0),
            BlockStarted(index=1, kind="vendor", vendor=other),
            BlockEnded(index=1),
        )
    )
    assert sdk.frames(body)[-1]["response"]["output"] == [search]


def test_hosted_tools_are_repeated_as_the_client_gave_them() -> None:
    raw: dict[str, object] = {"type": "web_search", "search_context_size": "low"}
    tool = VendorTool(origin=WireFormat.OPENAI_RESPONSES, kind="web_search", raw=raw)
    assert json.loads(CODEC.encode_reply(reply(), context(tool)))["tools"] == [raw]
