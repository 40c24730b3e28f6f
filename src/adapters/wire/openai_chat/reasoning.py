"""Thoughts in Chat Completions, for which OpenAI has no member and its relatives have several.

`reasoning_content` is DeepSeek's name (https://api-docs.deepseek.com/guides/thinking_mode) and
vLLM's older one, `reasoning` that of OpenRouter, Groq and newer vLLM. `reasoning_details` holds
signed or encrypted thoughts as OpenRouter gives them
(https://openrouter.ai/docs/use-cases/reasoning-tokens#preserving-reasoning), and Mistral has parts
of type `thinking` in `content` (https://docs.mistral.ai/capabilities/reasoning/). All are to be
given back with the calls of tools they led to, under the name they came by. So this format's state
of a thought is that name, or the JSON of the details.
"""

from collections.abc import Iterable, Sequence
from typing import cast

import msgspec

from domain.inference.conversation import OpaqueState, ThinkingPart
from domain.inference.dialect import WireFormat

Detail = dict[str, object]

CONTENT = "reasoning_content"
PART = "thinking"
_NAMES = frozenset({CONTENT, "reasoning"})
_ENCODER = msgspec.json.Encoder()
_DETAILS = msgspec.json.Decoder(list[Detail])
_TEXTS = ("text", "summary", "data")


def read_thinking(
    reasoning_content: str | None, reasoning: str | None, details: Sequence[Detail]
) -> ThinkingPart | None:
    """Return the thought in these members of a message, or None when they are empty."""
    text = reasoning_content or reasoning or shown_text(details)
    if not text and not details:
        return None
    name = CONTENT if reasoning_content or not reasoning else "reasoning"
    return ThinkingPart(text=text, state=own_state(name, details))


def own_state(name: str, details: Sequence[Detail]) -> OpaqueState:
    """Return the state of a thought that came in the member `name`, with `details` if any."""
    data = _ENCODER.encode(details).decode() if details else name
    return OpaqueState(origin=WireFormat.OPENAI_CHAT, data=data)


def is_own(part: ThinkingPart) -> bool:
    """Tell whether a thought came by this format."""
    return part.state is not None and part.state.origin is WireFormat.OPENAI_CHAT


def write_thinking(parts: Iterable[ThinkingPart]) -> dict[str, object]:
    """Return the members of a message that give this format's own thoughts back to a provider.

    Those that were parts of the content are left to `write_thinking_parts`.
    """
    members: dict[str, object] = {}
    for part in parts:
        if part.state is None or not is_own(part) or part.state.data == PART:
            continue
        details = _details(part.state.data)
        name = part.state.data if part.state.data in _NAMES else CONTENT
        if details is not None:
            known = cast("list[Detail]", members.setdefault("reasoning_details", []))
            known += details
            name = "reasoning"
        if part.text:
            members[name] = cast("str", members.get(name, "")) + part.text
    return members


def write_thinking_parts(parts: Iterable[ThinkingPart]) -> list[dict[str, object]]:
    """Return the parts of the content that give this format's own thoughts back to a provider."""
    return [
        {"type": PART, PART: [{"type": "text", "text": part.text}]}
        for part in parts
        if part.state is not None and is_own(part) and part.state.data == PART
    ]


def merge_details(known: list[Detail], more: Iterable[Detail]) -> None:
    """Add streamed details to those before: pieces of one detail become one again."""
    for detail in more:
        last = known[-1] if known else {}
        if last and all(last.get(name) == detail.get(name) for name in ("type", "index")):
            known[-1] = _joined(last, detail)
        else:
            known.append(detail)


def shown_text(details: Iterable[Detail]) -> str:
    """Return what may be read in details: texts and summaries."""
    texts = (detail.get(name) for detail in details for name in ("text", "summary"))
    return "".join(text for text in texts if isinstance(text, str))


def _joined(first: Detail, second: Detail) -> Detail:
    joined = dict(first)
    for name, value in second.items():
        before = joined.get(name)
        if name in _TEXTS and isinstance(before, str) and isinstance(value, str):
            joined[name] = before + value
        elif value is not None or name not in joined:
            joined[name] = value
    return joined


def _details(data: str) -> list[Detail] | None:
    if not data.startswith("["):
        return None
    try:
        return _DETAILS.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return None  # a client altered it
