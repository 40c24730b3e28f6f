"""Streams as the vendor sends them, made of their events."""

import json
from collections.abc import Iterable
from typing import Any

Frame = dict[str, Any]

USAGE: Frame = {
    "input_tokens": 50,
    "input_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 5},
    "output_tokens": 30,
    "output_tokens_details": {"reasoning_tokens": 12},
    "total_tokens": 80,
}


def sse(*frames: Frame) -> bytes:
    """Return the frames as a stream, numbered."""
    return b"".join(
        f"event: {frame['type']}\ndata: {json.dumps(frame | {'sequence_number': number})}\n\n".encode()
        for number, frame in enumerate(frames)
    )


def response(status: str, output: Iterable[Frame] = (), **more: Any) -> Frame:
    """Return a response object."""
    return {
        "id": "resp_68af4b",
        "object": "response",
        "created_at": 1764000000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "model": "gpt-5.1-2025-11-13",
        "output": list(output),
        "parallel_tool_calls": True,
        "service_tier": "default",
        "store": False,
        "usage": None,
    } | more


def begun() -> list[Frame]:
    """Return how every stream begins."""
    start = response("in_progress")
    return [
        {"type": "response.created", "response": start},
        {"type": "response.in_progress", "response": start},
    ]


def ended(*output: Frame, status: str = "completed", **more: Any) -> Frame:
    """Return how a stream ends."""
    return {
        "type": f"response.{status}",
        "response": response(status, output, **({"usage": USAGE} | more)),
    }


def text_part(text: str, annotations: Iterable[Frame] = ()) -> Frame:
    """Return a part of a message."""
    return {
        "type": "output_text",
        "text": text,
        "annotations": list(annotations),
        "logprobs": [],
    }


def message(*parts: Frame, status: str = "completed") -> Frame:
    """Return a message item."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": list(parts),
    }


def item(place: int, whole: Frame, begun: Frame, *inner: Frame) -> list[Frame]:
    """Return the events of an item."""
    at = {"output_index": place, "item_id": whole.get("id")}
    return [
        {"type": "response.output_item.added", "output_index": place, "item": whole | begun},
        *(frame | at for frame in inner),
        {"type": "response.output_item.done", "output_index": place, "item": whole},
    ]


def said(place: int, *pieces: str, annotations: Iterable[Frame] = ()) -> list[Frame]:
    """Return the events of a message of one text."""
    text = "".join(pieces)
    part = text_part(text, annotations)
    notes = [
        {
            "type": "response.output_text.annotation.added",
            "content_index": 0,
            "annotation_index": index,
            "annotation": note,
        }
        for index, note in enumerate(part["annotations"])
    ]
    delta: Frame = {"type": "response.output_text.delta", "content_index": 0, "logprobs": []}
    return item(
        place,
        message(part),
        {"content": [], "status": "in_progress"},
        {"type": "response.content_part.added", "content_index": 0, "part": text_part("")},
        *(delta | {"delta": piece, "obfuscation": "x7Kq"} for piece in pieces),
        *notes,
        {"type": "response.output_text.done", "content_index": 0, "text": text, "logprobs": []},
        {"type": "response.content_part.done", "content_index": 0, "part": part},
    )


def refused(place: int, *pieces: str) -> list[Frame]:
    """Return the events of a message that is a refusal."""
    text = "".join(pieces)
    part: Frame = {"type": "refusal", "refusal": text}
    return item(
        place,
        message(part),
        {"content": [], "status": "in_progress"},
        {
            "type": "response.content_part.added",
            "content_index": 0,
            "part": {"type": "refusal", "refusal": ""},
        },
        *(
            {"type": "response.refusal.delta", "content_index": 0, "delta": piece}
            for piece in pieces
        ),
        {"type": "response.refusal.done", "content_index": 0, "refusal": text},
        {"type": "response.content_part.done", "content_index": 0, "part": part},
    )


def thought(place: int, *summary: str, encrypted: str | None = "gAAAA+/=") -> list[Frame]:
    """Return the events of reasoning with a summary of several parts."""
    whole: Frame = {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text} for text in summary],
        "encrypted_content": encrypted,
    }
    inner: list[Frame] = []
    for index, text in enumerate(summary):
        here = {"summary_index": index}
        empty = {"type": "summary_text", "text": ""}
        part = {"type": "summary_text", "text": text}
        inner += [
            {"type": "response.reasoning_summary_part.added", "part": empty, **here},
            {"type": "response.reasoning_summary_text.delta", "delta": text[:3], **here},
            {"type": "response.reasoning_summary_text.delta", "delta": text[3:], **here},
            {"type": "response.reasoning_summary_text.done", "text": text, **here},
            {"type": "response.reasoning_summary_part.done", "part": part, **here},
        ]
    return item(place, whole, {"summary": [], "encrypted_content": "gAAA"}, *inner)


def called(place: int, name: str, *pieces: str, call_id: str = "call_1") -> list[Frame]:
    """Return the events of a function call."""
    arguments = "".join(pieces)
    whole = {
        "id": f"fc_{place}",
        "type": "function_call",
        "status": "completed",
        "arguments": arguments,
        "call_id": call_id,
        "name": name,
    }
    kind = "response.function_call_arguments"
    return item(
        place,
        whole,
        {"arguments": "", "status": "in_progress"},
        *({"type": f"{kind}.delta", "delta": piece} for piece in pieces),
        {"type": f"{kind}.done", "arguments": arguments},
    )


def custom(place: int, name: str, *pieces: str, call_id: str = "call_1") -> list[Frame]:
    """Return the events of a call of a custom tool."""
    text = "".join(pieces)
    whole = {
        "id": f"ctc_{place}",
        "type": "custom_tool_call",
        "status": "completed",
        "input": text,
        "call_id": call_id,
        "name": name,
    }
    kind = "response.custom_tool_call_input"
    return item(
        place,
        whole,
        {"input": "", "status": "in_progress"},
        *({"type": f"{kind}.delta", "delta": piece} for piece in pieces),
        {"type": f"{kind}.done", "input": text},
    )


SEARCH: Frame = {
    "id": "ws_1",
    "type": "web_search_call",
    "status": "completed",
    "action": {"type": "search", "query": "weather"},
}
NOTE: Frame = {
    "type": "url_citation",
    "url": "https://media.example/w",
    "title": "Weather",
    "start_index": 0,
    "end_index": 3,
}


def searched(place: int) -> list[Frame]:
    """Return the events of a search by the vendor."""
    return item(
        place,
        SEARCH,
        {"status": "in_progress"},
        {"type": "response.web_search_call.in_progress"},
        {"type": "response.web_search_call.searching"},
        {"type": "response.web_search_call.completed"},
    )


def items_of(*frames: Frame) -> list[Frame]:
    """Return the items that are done in some frames."""
    return [each["item"] for each in frames if each["type"] == "response.output_item.done"]


def complete(*frames: Frame, **more: Any) -> bytes:
    """Return a whole stream around the events of its items."""
    return sse(*begun(), *frames, ended(*items_of(*frames), **more))


ALL = {
    "text": complete(*said(0, "It ", "is ", "sunny ☀.")),
    "cited": complete(*said(0, "It is.", annotations=[NOTE])),
    "refused": complete(*refused(0, "I can", "not.")),
    "thought": complete(*thought(0, "First this.", "Then that."), *said(1, "Yes.")),
    "hidden": complete(*thought(0), *said(1, "Yes.")),
    "called": complete(
        *called(0, "look", '{"ci', 'ty":"Ulm"}'), *called(1, "now", "{}", call_id="call_2")
    ),
    "custom": complete(*custom(0, "apply_patch", "*** Begin", " Patch\n")),
    "searched": complete(*searched(0), *said(1, "It is.", annotations=[NOTE])),
    "cut": complete(
        *said(0, "It is"), status="incomplete", incomplete_details={"reason": "max_output_tokens"}
    ),
    "filtered": complete(status="incomplete", incomplete_details={"reason": "content_filter"}),
}
