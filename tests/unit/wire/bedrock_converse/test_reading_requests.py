"""Requests as boto3 writes them, read into the canonical model."""

import json
from typing import Any

import pytest

from adapters.wire.bedrock_converse.carried import write_redacted, write_signature_of_previous
from adapters.wire.bedrock_converse.dialect import BedrockConverseCodec
from adapters.wire.opaque_state import wrap_state
from application.ports.dialect import RequestTarget
from domain.errors import InvalidRequest
from domain.inference.conversation import (
    AudioPart,
    CacheMark,
    DocumentPart,
    ImagePart,
    Media,
    Message,
    OpaqueState,
    Part,
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
    FunctionTool,
    InferenceRequest,
)
from tests.unit.wire.bedrock_converse import sdk

CODEC = BedrockConverseCodec()
OWN = WireFormat.BEDROCK_CONVERSE
TARGET = RequestTarget(model="claude-public", stream=True)
PNG = b"\x89PNG"


def decode(**request: Any) -> InferenceRequest:
    """Return what is read of a request that boto3 has checked and written."""
    return CODEC.decode(sdk.written(**request), TARGET)


def raw(**members: Any) -> InferenceRequest:
    return CODEC.decode(json.dumps(sdk.QUESTION | members).encode(), TARGET)


def user(*content: dict[str, Any], role: str = "user") -> list[dict[str, Any]]:
    return [{"role": role, "content": list(content)}]


def parts(*content: dict[str, Any], role: str = "user") -> tuple[Part, ...]:
    return decode(messages=user(*content, role=role)).messages[0].parts


def test_the_smallest_request_is_read() -> None:
    assert decode() == InferenceRequest(
        source=Dialect.BEDROCK_CONVERSE,
        model="claude-public",
        stream=True,
        messages=(Message(role=Role.USER, parts=(TextPart(text="Hi"),)),),
    )


S3 = {"s3Location": {"uri": "s3://bucket/key", "bucketOwner": "111122223333"}}
BYTES = Media(media_type="image/png", data="iVBORw==")


@pytest.mark.parametrize(
    ("block", "part"),
    [
        ({"image": {"format": "png", "source": {"bytes": PNG}}}, ImagePart(source=BYTES)),
        (
            {"image": {"format": "jpeg", "source": S3}},
            ImagePart(source=Media(media_type="image/jpeg", url="s3://bucket/key")),
        ),
        (
            {
                "document": {
                    "format": "pdf",
                    "name": "My Paper",
                    "source": {"bytes": b"%PDF"},
                    "context": "A paper.",
                    "citations": {"enabled": True},
                }
            },
            DocumentPart(
                source=Media(media_type="application/pdf", data="JVBERg=="),
                name="My Paper",
                context="A paper.",
                cite=True,
            ),
        ),
        (
            {"document": {"name": "t", "source": {"text": "abc"}}},
            DocumentPart(source=Media(media_type="text/plain", data="YWJj"), name="t"),
        ),
        (
            {"document": {"name": "t", "source": {"content": [{"text": "a"}, {"text": "b"}]}}},
            DocumentPart(source=Media(media_type="text/plain", data="YQoKYg=="), name="t"),
        ),
        (
            {"video": {"format": "three_gp", "source": {"bytes": b"abc"}}},
            VideoPart(source=Media(media_type="video/3gpp", data="YWJj")),
        ),
        (
            {"audio": {"format": "mp3", "source": {"bytes": b"abc"}}},
            AudioPart(source=Media(media_type="audio/mpeg", data="YWJj")),
        ),
        (
            {"guardContent": {"text": {"text": "Q", "qualifiers": ["query"]}}},
            TextPart(text="Q"),
        ),
        (
            {"guardContent": {"image": {"format": "png", "source": {"bytes": PNG}}}},
            ImagePart(source=BYTES),
        ),
        (
            {
                "searchResult": {
                    "source": "https://a.example",
                    "title": "A",
                    "content": [{"text": "x"}, {"text": "y"}],
                    "citations": {"enabled": True},
                }
            },
            DocumentPart(
                source=Media(media_type="text/plain", data="eAoKeQ=="),
                name="A",
                context="https://a.example",
                cite=True,
            ),
        ),
        (
            {"toolResult": {"toolUseId": "t", "content": [{"json": {"a": [1]}}]}},
            ToolResultPart(call_id="t", content=(TextPart(text='{"a":[1]}'),), structured=True),
        ),
        (
            {
                "toolResult": {
                    "toolUseId": "t",
                    "status": "error",
                    "content": [
                        {"json": {"a": 1}},
                        {"text": "b"},
                        {"image": {"format": "png", "source": {"bytes": PNG}}},
                        {"video": {"format": "mp4", "source": {"bytes": b"abc"}}},
                        {"searchResult": {"source": "s", "title": "t", "content": [{"text": "x"}]}},
                    ],
                }
            },
            ToolResultPart(
                call_id="t",
                is_error=True,
                content=(
                    TextPart(text='{"a":1}'),
                    TextPart(text="b"),
                    ImagePart(source=BYTES),
                    VideoPart(source=Media(media_type="video/mp4", data="YWJj")),
                    DocumentPart(
                        source=Media(media_type="text/plain", data="eA=="), name="t", context="s"
                    ),
                ),
            ),
        ),
    ],
)
def test_a_users_block_is_the_part_it_stands_for(block: dict[str, Any], part: Part) -> None:
    assert parts(block) == (part,)


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (
            {"toolUse": {"toolUseId": "t.1", "name": "look", "input": {"a": 1}}},
            ToolCallPart(id="t.1", name="look", arguments='{"a":1}'),
        ),
        (
            {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "Eq="}}},
            ThinkingPart(text="Hm", state=OpaqueState(origin=OWN, data="Eq=")),
        ),
        ({"reasoningContent": {"reasoningText": {"text": "Hm"}}}, ThinkingPart(text="Hm")),
        (
            {"reasoningContent": {"redactedContent": b"\x00\x01"}},
            ThinkingPart(redacted=True, state=OpaqueState(origin=OWN, data="AAE=")),
        ),
        (
            {
                "toolUse": {
                    "toolUseId": "s",
                    "name": "g",
                    "input": {},
                    "type": "server_tool_use",
                }
            },
            VendorPart(
                origin=OWN,
                kind="toolUse",
                raw={
                    "toolUse": {
                        "toolUseId": "s",
                        "name": "g",
                        "input": {},
                        "type": "server_tool_use",
                    }
                },
            ),
        ),
        (
            {"toolResult": {"toolUseId": "s", "type": "x", "content": [{"text": "y"}]}},
            VendorPart(
                origin=OWN,
                kind="toolResult",
                raw={"toolResult": {"toolUseId": "s", "type": "x", "content": [{"text": "y"}]}},
            ),
        ),
    ],
)
def test_an_assistants_block_is_the_part_it_stands_for(block: dict[str, Any], part: Part) -> None:
    assert parts(block, role="assistant") == (part,)


def test_changes_of_the_tools_are_kept_whole_in_their_place() -> None:
    block: dict[str, Any] = {"toolAddition": {"tool": {"name": "f"}}}
    request = decode(messages=[*sdk.QUESTION["messages"], *user(block, role="system")])
    assert request.messages[1] == Message(
        role=Role.SYSTEM, parts=(VendorPart(origin=OWN, kind="toolAddition", raw=block),)
    )


FOREIGN = OpaqueState(origin=WireFormat.GEMINI_GENERATE, data="sig", id="i")


def test_the_state_of_other_vendors_is_taken_out_of_where_it_was_put() -> None:
    def signed(signature: str, text: str = "") -> dict[str, Any]:
        return {"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}

    content: list[dict[str, Any]] = [
        signed(wrap_state(FOREIGN), "Hm"),
        signed(wrap_state(FOREIGN)),
        {"reasoningContent": {"redactedContent": write_redacted(FOREIGN)}},
        {"text": "So"},
        signed(write_signature_of_previous(FOREIGN)),
        {"toolUse": {"toolUseId": "t", "name": "f", "input": {}}},
        signed(write_signature_of_previous(FOREIGN)),
    ]
    found = raw(messages=user(*content, role="assistant")).messages[0].parts
    assert found == (
        ThinkingPart(text="Hm", state=FOREIGN),
        ThinkingPart(state=FOREIGN),
        ThinkingPart(state=FOREIGN, redacted=True),
        TextPart(text="So", state=FOREIGN),
        ToolCallPart(id="t", name="f", arguments="{}", state=FOREIGN),
    )


def test_a_cache_point_marks_what_stands_before_it() -> None:
    point = {"cachePoint": {"type": "default"}}
    hour = {"cachePoint": {"type": "default", "ttl": "1h"}}
    spec = {"name": "f", "inputSchema": {"json": {"type": "object"}}}
    request = decode(
        system=[{"text": "Be brief."}, point],
        messages=user({"text": "a"}, hour, {"text": "b"}),
        toolConfig={"tools": [{"toolSpec": spec}, hour]},
    )
    assert request.messages[0].parts == (TextPart(text="Be brief.", cache=CacheMark()),)
    assert request.messages[1].parts == (
        TextPart(text="a", cache=CacheMark(ttl="1h")),
        TextPart(text="b"),
    )
    tool = request.tools[0]
    assert isinstance(tool, FunctionTool)
    assert tool.cache == CacheMark(ttl="1h")
    assert request.unmapped == ()


def test_a_cache_point_with_nothing_before_it_is_named() -> None:
    point = {"cachePoint": {"type": "default"}}
    request = decode(messages=user(point, {"text": "a"}), toolConfig={"tools": [point]})
    assert request.unmapped == (
        "messages[0].content[0].cachePoint",
        "toolConfig.tools[0].cachePoint",
    )


def test_what_is_deeper_inside_and_has_no_place_is_named() -> None:
    request = decode(
        messages=user(
            {"image": {"format": "png", "source": S3}},
            {"guardContent": {"text": {"text": "Q"}}},
            {"document": {"name": "t", "source": {"content": [{"text": "a"}, {"text": "b"}]}}},
        )
    )
    assert set(request.unmapped) == {
        "messages[0].content[0].image.source.s3Location.bucketOwner",
        "messages[0].content[1].guardContent",
        "messages[0].content[2].document.source.content",
    }


def test_unknown_members_become_extensions() -> None:
    assert raw(fromTheFuture={"x": 1}).extensions == {"fromTheFuture": {"x": 1}}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"messages": None}, "messages"),
    ({"messages": {}}, "messages"),
    ({"messages": [7]}, "messages[0]"),
    ({"messages": [{"content": []}]}, "messages[0].role"),
    ({"messages": [{"role": "tool", "content": []}]}, "messages[0].role"),
    ({"messages": user({})}, "messages[0].content[0]"),
    ({"messages": user({"text": "a", "image": {}})}, "messages[0].content[0]"),
    ({"messages": user({"text": 7})}, "messages[0].content[0].text"),
    ({"messages": user({"image": "x"})}, "messages[0].content[0].image"),
    ({"messages": user({"image": {}})}, "messages[0].content[0].image.source"),
    (
        {"messages": user({"image": {"source": {}}})},
        "messages[0].content[0].image.source.bytes",
    ),
    ({"messages": user({"toolUse": {}})}, "messages[0].content[0].toolUse.toolUseId"),
    (
        {"messages": user({"toolResult": {"content": []}})},
        "messages[0].content[0].toolResult.toolUseId",
    ),
    ({"system": [{"text": None}]}, "system[0]"),
    ({"inferenceConfig": {"temperature": "hot"}}, "inferenceConfig.temperature"),
    ({"inferenceConfig": {"stopSequences": [1]}}, "inferenceConfig.stopSequences[0]"),
    ({"toolConfig": {"tools": [{}]}}, "toolConfig.tools[0]"),
    ({"toolConfig": {"tools": [{"toolSpec": {}}]}}, "toolConfig.tools[0].toolSpec.name"),
    ({"requestMetadata": {"a": 1}}, "requestMetadata.a"),
    ({"outputConfig": {"effort": "gigantic"}}, "outputConfig.effort"),
    ({"outputConfig": {"textFormat": {"type": "text"}}}, "outputConfig.textFormat"),
    (
        {
            "outputConfig": {
                "textFormat": {
                    "type": "json_schema",
                    "structure": {"jsonSchema": {"schema": "[]"}},
                }
            }
        },
        "outputConfig.textFormat.structure.jsonSchema.schema",
    ),
    ({"additionalModelRequestFields": {"top_k": "x"}}, "additionalModelRequestFields.top_k"),
    ({"additionalModelRequestFields": []}, "additionalModelRequestFields"),
]


@pytest.mark.parametrize(("members", "param"), WRONG)
def test_a_member_of_the_wrong_shape_is_refused_by_its_path(
    members: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        raw(**members)
    assert caught.value.param == param


def test_a_number_nobody_can_read_is_refused() -> None:
    body = b'{"messages":[],"x":1e999}'
    with pytest.raises(InvalidRequest):
        CODEC.decode(body, TARGET)
