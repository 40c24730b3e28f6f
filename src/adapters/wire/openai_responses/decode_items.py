"""The `input` of a request as messages: items in a row of one side become one turn.

https://platform.openai.com/docs/api-reference/responses/create: `input`. What the model did
(reasoning, texts, calls, work of hosted tools) is the assistant's; results of calls are the
user's. Ids and states of items only mean something to the provider that made them: the place of an
item says as much.
"""

from collections.abc import Iterator, Sequence
from typing import cast

from adapters.wire.opaque_state import split_id
from adapters.wire.openai_responses.content import read_part, read_result_part
from adapters.wire.openai_responses.naming import flat_name
from adapters.wire.openai_responses.thoughts import place_thought
from adapters.wire.openai_responses.tools import read_tools
from adapters.wire.reading import Members, wrong_type
from domain.errors import InvalidRequest
from domain.inference.conversation import (
    Message,
    Part,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    VendorPart,
)
from domain.inference.dialect import WireFormat
from domain.inference.request import Tool

_ROLES = {
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
}
# Items of the client's side whose types do not end in `_output`.
_GIVEN = frozenset({"mcp_approval_response", "configuration_update", "compaction_trigger"})


class ItemReader:
    """Takes the items of one request, in order."""

    def __init__(self, unmapped: list[str]) -> None:
        """`unmapped` collects the paths of what is not understood."""
        self.messages: list[Message] = []
        self.tools: list[Tool] = []
        """Tools given in the middle of the conversation."""
        self._unmapped = unmapped
        self._turn: list[Part] = []
        self._role = Role.ASSISTANT
        self._names: dict[str, str] = {}

    def take(self, value: object) -> None:
        """Take the `input` member.

        Raises:
            InvalidRequest: neither a text nor a list of items, or an item is not what its type
                says.
        """
        if isinstance(value, str):
            self.messages.append(Message(role=Role.USER, parts=(TextPart(text=value),)))
        elif value is not None:
            for item in _objects(value, self._unmapped, "input"):
                self._take_item(item)
            self._end_turn()

    def _take_item(self, item: Members) -> None:
        kind = item.text("type") or ("message" if item.has("role") else "item_reference")
        if kind == "message":
            self._take_message(item)
        elif kind == "reasoning":
            self._take_reasoning(item)
        elif kind in {"function_call", "custom_tool_call"}:
            self._take_call(item, custom=kind == "custom_tool_call")
        elif kind in {"function_call_output", "custom_tool_call_output"}:
            self._take_result(item, custom=kind == "custom_tool_call_output")
        elif kind == "additional_tools":
            self.tools += read_tools(item.objects("tools"))
            _done(item, "role")
        else:
            given = kind.endswith("_output") or kind in _GIVEN
            self._begin(Role.USER if given else Role.ASSISTANT)
            self._turn.append(
                VendorPart(
                    origin=WireFormat.OPENAI_RESPONSES, kind=kind, raw={"type": kind, **item.rest()}
                )
            )

    def _take_message(self, item: Members) -> None:
        role = item.choice("role", _role)
        if role is None:
            raise InvalidRequest(
                f"The field '{item.name('role')}' is missing.", param=item.name("role")
            )
        parts = tuple(self._content(item))
        _done(item)
        if role is Role.ASSISTANT:
            self._begin(role)
            self._turn += parts
        else:
            self._end_turn()
            self.messages.append(Message(role=role, parts=parts))

    def _content(self, item: Members) -> Sequence[Part]:
        value = item.any("content")
        if isinstance(value, str):
            return [TextPart(text=value)]
        return [read_part(part) for part in _objects(value, self._unmapped, item.name("content"))]

    def _take_reasoning(self, item: Members) -> None:
        self._begin(Role.ASSISTANT)
        summary = _texts(item, "summary")
        content = _texts(item, "content")
        if any(summary) and any(content):
            item.note("content")
        place_thought(
            self._turn,
            summary=summary,
            content=content,
            encrypted=item.text("encrypted_content") or "",
            identifier=item.text("id") or "",
        )
        _done(item)

    def _take_call(self, item: Members, *, custom: bool) -> None:
        self._begin(Role.ASSISTANT)
        call_id, carried = split_id(item.required_text("call_id"))
        name = flat_name(item.required_text("name"), item.text("namespace") or "")
        text = item.required_text("input" if custom else "arguments")
        self._turn += carried.thinking
        self._turn.append(
            ToolCallPart(
                id=call_id,
                name=name,
                arguments=text if custom or text.strip() else "{}",
                custom=custom,
                state=carried.state,
            )
        )
        self._names[call_id] = name
        _done_direct(item)

    def _take_result(self, item: Members, *, custom: bool) -> None:
        self._begin(Role.USER)
        call_id, _ = split_id(item.required_text("call_id"))
        own_name = flat_name(item.text("name") or "", item.text("namespace") or "")
        value = item.any("output")
        if isinstance(value, str):
            content = (TextPart(text=value),)
        else:
            parts = _objects(value, self._unmapped, item.name("output"))
            content = tuple(read_result_part(part) for part in parts)
        self._turn.append(
            ToolResultPart(
                call_id=call_id,
                content=content,
                name=self._names.get(call_id, own_name),
                custom=custom,
            )
        )
        _done_direct(item)

    def _begin(self, role: Role) -> None:
        if self._role is not role:
            self._end_turn()
            self._role = role

    def _end_turn(self) -> None:
        if self._turn:
            self.messages.append(Message(role=self._role, parts=tuple(self._turn)))
            self._turn = []


def _role(value: str) -> Role:
    role = _ROLES.get(value)
    if role is None:
        raise ValueError(value)
    return role


def _objects(values: object, unmapped: list[str], path: str) -> Iterator[Members]:
    """Yield the objects of a list that might have been a string.

    Raises:
        InvalidRequest: it is neither, or holds something else.
    """
    if not isinstance(values, list):
        raise wrong_type(path, "a string or a list", values)
    for index, value in enumerate(cast("list[object]", values)):
        yield Members(value, f"{path}[{index}]", unmapped)


def _texts(item: Members, member: str) -> list[str]:
    """Return the texts of a list of text parts, each of a summary or of raw reasoning."""
    texts: list[str] = []
    for part in item.objects(member):
        part.text("type")
        texts.append(part.required_text("text"))
        part.done()
    return texts


def _done(item: Members, *also: str) -> None:
    """Note what is left of an item, but for what its place says as well."""
    for member in ("id", "status", *also):
        item.any(member)
    item.done()


def _done_direct(item: Members) -> None:
    """As `_done`, for a call or result; the model itself being the caller goes without saying."""
    if item.any("caller") not in (None, {"type": "direct"}):
        item.note("caller")
    _done(item)
