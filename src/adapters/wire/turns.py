"""Turns of a conversation for formats in which user and assistant alternate.

Anthropic and Bedrock have one role `system` for texts before the first turn; in the middle only some
models know it, and only in some places.
"""

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from adapters.wire.reading import JsonObject
from domain.inference.conversation import Message, Role


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
        """Tell whether a block has one of these members."""
        return any(kind in block for turn in self.turns for block in turn.blocks for kind in kinds)


def conversation_as_written(
    messages: Sequence[Message], blocks_of: Callable[[Message], list[JsonObject]]
) -> Conversation:
    """Return system texts that lead as `system`, and every other message that says something."""
    lead = 0
    while lead < len(messages) and messages[lead].role is Role.SYSTEM:
        lead += 1
    system = [block for message in messages[:lead] for block in blocks_of(message)]
    turns = [
        Turn(message.role, blocks) for message in messages[lead:] if (blocks := blocks_of(message))
    ]
    return Conversation(system, turns)


def alternating(
    turns: Sequence[Turn], *, system_turns: bool, tagged: Callable[[JsonObject], JsonObject]
) -> list[Turn]:
    """Return the turns with neighbours of one role merged, and system turns where they may stand.

    With `system_turns` the model knows them after a user's turn with nothing or an assistant's turn
    behind it. All others become the user's, each block as `tagged` marks it, so that no instruction
    moves to another point of the conversation.
    """
    return _merged(_placed(_merged(turns), system_turns=system_turns, tagged=tagged))


def in_system_tags(text: object) -> str:
    """Return an instruction as the user's text that says it is one."""
    return f"<system>\n{text}\n</system>"


def _merged(turns: Iterable[Turn]) -> list[Turn]:
    merged: list[Turn] = []
    for turn in turns:
        if merged and merged[-1].role is turn.role:
            merged[-1].blocks += turn.blocks
        else:
            merged.append(turn)
    return merged


def _placed(
    turns: Sequence[Turn], *, system_turns: bool, tagged: Callable[[JsonObject], JsonObject]
) -> Iterable[Turn]:
    for index, turn in enumerate(turns):
        if turn.role is Role.SYSTEM:
            after_user = index > 0 and turns[index - 1].role is Role.USER
            before_user = index + 1 < len(turns) and turns[index + 1].role is Role.USER
            if not (system_turns and after_user and not before_user):
                yield Turn(Role.USER, [tagged(block) for block in turn.blocks])
                continue
        yield turn
