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

from collections.abc import Iterable, Sequence
from typing import cast

from msgspec import Struct

from adapters.wire.anthropic_messages.encode_content import BlockWriter
from adapters.wire.reading import JsonObject
from domain.inference.conversation import Message, Role

_OPENING = "(The assistant opens the conversation.)"
_RESULT_TYPES = frozenset({"tool_result"})


class Turn(Struct):
    """A message to be written."""

    role: Role
    blocks: list[JsonObject]


class Conversation(Struct):
    """The members `system` and `messages`."""

    system: list[JsonObject]
    turns: list[Turn]

    @property
    def messages(self) -> list[JsonObject]:
        """The member `messages`."""
        return [{"role": turn.role.value, "content": turn.blocks} for turn in self.turns]


def conversation_of(
    messages: Sequence[Message], writer: BlockWriter, *, verbatim: bool, system_turns: bool
) -> Conversation:
    """Return the conversation; `system_turns` says whether the model knows the role `system`."""
    lead = 0
    while lead < len(messages) and messages[lead].role is Role.SYSTEM:
        lead += 1
    system = [block for message in messages[:lead] for block in _blocks(message, writer)]
    turns = [
        Turn(message.role, blocks)
        for message in messages[lead:]
        if (blocks := _blocks(message, writer))
    ]
    if verbatim:
        return Conversation(system, turns)
    turns = _merged(_placed(_merged(turns), system_turns=system_turns))
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


def _merged(turns: Iterable[Turn]) -> list[Turn]:
    merged: list[Turn] = []
    for turn in turns:
        if merged and merged[-1].role is turn.role:
            merged[-1].blocks += turn.blocks
        else:
            merged.append(turn)
    return merged


def _placed(turns: Sequence[Turn], *, system_turns: bool) -> Iterable[Turn]:
    """Yield the turns, those of the role system turned into the user's where they must be."""
    for index, turn in enumerate(turns):
        if turn.role is Role.SYSTEM:
            after_user = index > 0 and turns[index - 1].role is Role.USER
            before_user = index + 1 < len(turns) and turns[index + 1].role is Role.USER
            if not (system_turns and after_user and not before_user):
                yield Turn(Role.USER, [_tagged(block) for block in turn.blocks])
                continue
        yield turn


def _tagged(block: JsonObject) -> JsonObject:
    if block["type"] != "text":
        return block
    return block | {"text": f"<system>\n{block['text']}\n</system>"}


def _strip_end(blocks: list[JsonObject]) -> None:
    if blocks[-1]["type"] == "text":
        text = cast("str", blocks[-1]["text"])
        blocks[-1] = blocks[-1] | {"text": text.rstrip()}
