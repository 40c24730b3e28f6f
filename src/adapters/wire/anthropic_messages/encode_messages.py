"""The turns of a conversation as Anthropic wants them.

A client of Anthropic's own API gets his turns as he wrote them. For the others:

* system texts before the first turn become `system`; later ones become turns of the role `system`
  where the model knows them and the place allows it (after a user's turn, with nothing or an
  assistant's turn behind it), else text of the user in `<system>` tags, so that no instruction
  moves to another point of the conversation;
* neighbouring turns of one role are merged, results of tools first in a user's turn;
* empty texts are left out, and white space at the end of a last turn of the assistant's, which
  Anthropic refuses (https://docs.claude.com/en/api/messages);
* system texts alone become the user's turn, as there must be one; before an assistant's turn that
  opens the conversation stands a user's that says so.
"""

from collections.abc import Sequence
from functools import partial
from typing import cast

from adapters.wire.anthropic_messages.encode_content import BlockWriter
from adapters.wire.reading import JsonObject
from adapters.wire.turns import (
    Conversation,
    Turn,
    alternating,
    conversation_as_written,
    in_system_tags,
)
from domain.inference.conversation import Message, Role

_OPENING = "(The assistant opens the conversation.)"
_RESULT_TYPES = frozenset({"tool_result"})


def conversation_of(
    messages: Sequence[Message], writer: BlockWriter, *, verbatim: bool, system_turns: bool
) -> Conversation:
    """Return the conversation; `system_turns` says whether the model knows the role `system`."""
    written = conversation_as_written(messages, partial(_blocks, writer=writer))
    if verbatim:
        return written
    system = written.system
    turns = alternating(written.turns, system_turns=system_turns, tagged=_tagged)
    for turn in turns:
        if turn.role is Role.USER:
            turn.blocks.sort(key=lambda block: block["type"] not in _RESULT_TYPES)
    if turns and turns[-1].role is Role.ASSISTANT:
        _strip_end(turns[-1].blocks)
    if not turns and system:
        turns, system = [Turn(Role.USER, system)], []
    if turns and turns[0].role is Role.ASSISTANT:
        turns.insert(0, Turn(Role.USER, [{"type": "text", "text": _OPENING}]))
    return Conversation(system, turns)


def opens_with_thought(turns: Sequence[Turn]) -> bool:
    """Tell whether thinking with a budget is possible: no turn is running that lacks its thoughts.

    While results of tools are being given back, the assistant's turn goes on, and Anthropic asks
    that it begin with a thought
    (https://docs.claude.com/en/docs/build-with-claude/extended-thinking).
    """
    first: Turn | None = None
    for turn in reversed(turns):
        if turn.role is Role.ASSISTANT:
            first = turn
        elif all(block["type"] not in _RESULT_TYPES for block in turn.blocks):
            break
    return first is None or first.blocks[0]["type"] in {"thinking", "redacted_thinking"}


def _blocks(message: Message, writer: BlockWriter) -> list[JsonObject]:
    return [block for part in message.parts if (block := writer.block(part)) is not None]


def _tagged(block: JsonObject) -> JsonObject:
    if block["type"] != "text":
        return block
    return block | {"text": in_system_tags(block["text"])}


def _strip_end(blocks: list[JsonObject]) -> None:
    if blocks[-1]["type"] == "text":
        text = cast("str", blocks[-1]["text"])
        blocks[-1] = blocks[-1] | {"text": text.rstrip()}
