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

from collections.abc import Sequence

from adapters.wire.bedrock_converse.block_writer import BlockWriter
from adapters.wire.reading import JsonObject
from adapters.wire.turns import (
    Conversation,
    Turn,
    alternating,
    conversation_as_written,
    in_system_tags,
)
from domain.inference.conversation import Message, Role

_SEE_DOCUMENT = "(see the document)"


def conversation_of(
    messages: Sequence[Message], writer: BlockWriter, *, verbatim: bool, system_turns: bool
) -> Conversation:
    """Return the conversation; `system_turns` says whether the model knows the role `system`."""
    written = conversation_as_written(messages, writer.blocks)
    if verbatim:
        return written
    system = written.system
    turns = alternating(written.turns, system_turns=system_turns, tagged=_tagged)
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


def _tagged(block: JsonObject) -> JsonObject:
    return {"text": in_system_tags(block["text"])} if "text" in block else block


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
