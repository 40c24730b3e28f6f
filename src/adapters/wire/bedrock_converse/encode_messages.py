"""The turns of a conversation as Bedrock wants them.

A client of Bedrock's own API gets his turns as he wrote them. For the others:

* system texts before the first turn become `system`; later ones become turns of the role `system`
  where the model knows them and the place allows it (after a user's turn, with nothing or an
  assistant's turn behind it), else text of the user in `<system>` tags, so that no instruction
  moves to another point of the conversation;
* neighbouring turns of one role are merged, results of tools first in a user's turn;
* texts of nothing but white space are left out: Bedrock refuses them;
* a turn with a document and no text gets a text, which Bedrock demands.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from adapters.wire.bedrock_converse.block_writer import BlockWriter
from adapters.wire.reading import JsonObject
from domain.inference.conversation import Message, Role

_SEE_DOCUMENT = "(see the document)"


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

    def holds(self, *kinds: str) -> bool:
        """Tell whether there is a block of one of these kinds."""
        return any(kind in block for turn in self.turns for block in turn.blocks for kind in kinds)


def conversation_of(
    messages: Sequence[Message], writer: BlockWriter, *, verbatim: bool, system_turns: bool
) -> Conversation:
    """Return the conversation; `system_turns` says whether the model knows the role `system`."""
    lead = 0
    while lead < len(messages) and messages[lead].role is Role.SYSTEM:
        lead += 1
    system = [block for message in messages[:lead] for block in writer.blocks(message)]
    turns = [
        Turn(message.role, blocks)
        for message in messages[lead:]
        if (blocks := writer.blocks(message))
    ]
    if verbatim:
        return Conversation(system, turns)
    turns = _merged(_placed(_merged(turns), system_turns=system_turns))
    for turn in turns:
        if turn.role is Role.USER:
            turn.blocks[:] = _results_first(turn.blocks)
            _add_text(turn.blocks)
    if not turns and system:
        turns, system = [Turn(Role.USER, system)], []
    return Conversation(system, turns)


def opens_with_thought(turns: Sequence[Turn]) -> bool:
    """Tell whether Claude can think with a budget: the running turn begins with a thought.

    It asks for it while results of tools are being given back
    (https://docs.claude.com/en/docs/build-with-claude/extended-thinking).
    """
    last = next((turn for turn in reversed(turns) if turn.role is Role.ASSISTANT), None)
    if last is None or not any("toolUse" in block for block in last.blocks):
        return True
    return "reasoningContent" in last.blocks[0]


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
    return {"text": f"<system>\n{block['text']}\n</system>"} if "text" in block else block


def _results_first(blocks: list[JsonObject]) -> list[JsonObject]:
    """Return the blocks with results of tools first; a cache point stays behind its block."""
    groups: list[list[JsonObject]] = []
    for block in blocks:
        if "cachePoint" in block and groups:
            groups[-1].append(block)
        else:
            groups.append([block])
    groups.sort(key=lambda group: "toolResult" not in group[0])
    return [block for group in groups for block in group]


def _add_text(blocks: list[JsonObject]) -> None:
    kinds = {kind for block in blocks for kind in block}
    if "document" in kinds and "text" not in kinds:
        blocks.append({"text": _SEE_DOCUMENT})
