"""What becomes of a canonical request on its way to a server of Chat Completions.

Two kinds of servers are told apart by the member that bounds their output: OpenAI itself, which
refuses members it does not know, and its relatives (vLLM, DeepSeek, Mistral, OpenRouter, …), which
know more in some places and less in others.
"""

from collections.abc import Iterator, Mapping

from adapters.wire.codec import WireTarget
from adapters.wire.openai_chat.edit import OUTPUT_BOUNDS
from domain.inference.conversation import ThinkingPart
from domain.inference.dialect import Dialect
from domain.inference.fields import CANONICAL_FIELDS, Fate
from domain.inference.request import InferenceRequest, Reasoning

_REFUSED = (
    "image.file_id",
    "document.url",
    "audio.url",
    "audio.file_id",
    "video.data",
    "video.url",
    "video.file_id",
    "previous_response_id",
)
_DROPPED = (
    "text.citations",
    "document.cite",
    "tool_result.is_error",
    "thinking.text",
    "thinking.state",
    "thinking.foreign_state",
    "cache",
    "sampling.top_k",
    "reasoning.show",
    "reasoning.summary",
    "cache.automatic",
)
FATES: Mapping[str, Fate] = {
    **dict.fromkeys(CANONICAL_FIELDS, Fate.MAPPED),
    **dict.fromkeys(_REFUSED, Fate.REFUSED),
    **dict.fromkeys(_DROPPED, Fate.DROPPED),
}
"""What OpenAI takes of any request; `fates_for` adjusts it to one request and target.

* Results with images or documents: these follow in a user's message, as a `tool` message has text
  only.
* A document of plain text becomes text; the context of any other stands before it.
"""

_RELATIVES: Mapping[str, Fate] = {
    **FATES,
    "audio.url": Fate.MAPPED,  # `audio_url` and `video_url`: vLLM
    "video.data": Fate.MAPPED,
    "video.url": Fate.MAPPED,
    "thinking.text": Fate.MAPPED,
    "thinking.state": Fate.MAPPED,
    "sampling.top_k": Fate.MAPPED,
}
_OPENAI_DIALECTS = frozenset({Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES})
# Members of Responses that Chat Completions has by the same name and with the same meaning.
_SHARED = ("prompt_cache_options", "prompt_cache_retention", "safety_identifier")
SERVICE_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})
"""https://platform.openai.com/docs/api-reference/chat/create#chat-create-service_tier"""


def is_openai(target: WireTarget) -> bool:
    """Tell whether the target is OpenAI itself and not one of its relatives."""
    return target.bound_name == OUTPUT_BOUNDS[0]


def of_openai(request: InferenceRequest) -> bool:
    """Tell whether the caller speaks one of OpenAI's dialects and means what they mean."""
    return request.source in _OPENAI_DIALECTS


def passing_extensions(request: InferenceRequest) -> tuple[str, ...]:
    """Return the names of the extensions that go to the provider as they are."""
    if request.source is Dialect.OPENAI_CHAT:
        return tuple(request.extensions)
    if request.source is Dialect.OPENAI_RESPONSES:
        return tuple(name for name in _SHARED if name in request.extensions)
    return ()


def fates_for(request: InferenceRequest, target: WireTarget) -> Mapping[str, Fate]:
    """Return what becomes of each field of this request at this target."""
    fates = dict(FATES if is_openai(target) else _RELATIVES)
    fates |= {f"extensions.{name}": Fate.PASSED for name in passing_extensions(request)}
    if not of_openai(request):
        # A file lies with the vendor it was given to, and OpenAI wants tags for stored answers only.
        fates["document.file_id"] = Fate.REFUSED
        if not request.store:
            fates["metadata"] = Fate.DROPPED
    elif is_openai(target):
        # Marks cost an error with models before GPT-5.6; who speaks OpenAI's dialect knows.
        fates["cache"] = Fate.MAPPED
    if request.service_tier is not None and service_tier(request.service_tier) is None:
        fates["service_tier"] = Fate.DROPPED
    if any(part.state is None for part in _thoughts(request)):
        fates["thinking.text"] = Fate.DROPPED
    if request.reasoning is not None:
        fates |= _reasoning(request.reasoning, target)
    if not request.tools:
        fates |= dict.fromkeys(
            (name for name in CANONICAL_FIELDS if name.startswith("tool_choice.")), Fate.DROPPED
        )
        fates["tool_choice.none"] = Fate.MAPPED
        fates["tool_choice.auto"] = Fate.MAPPED
    return fates


def service_tier(tier: str) -> str | None:
    """Return OpenAI's name of a tier, or None when it has no such tier."""
    if tier == "standard_only":  # Anthropic
        return "default"
    return tier if tier in SERVICE_TIERS else None


def _reasoning(reasoning: Reasoning, target: WireTarget) -> dict[str, Fate]:
    fates: dict[str, Fate] = {}
    if reasoning.effort is None:
        # `none` is an error with every model that cannot go without thinking, or does not think.
        if reasoning.enabled is False:
            fates["reasoning.enabled"] = Fate.DROPPED
        if reasoning.budget_tokens is not None and reasoning.budget_tokens <= 0:
            fates["reasoning.budget_tokens"] = Fate.DROPPED
    shown = not is_openai(target)  # relatives show their thoughts unasked, OpenAI never does
    if reasoning.show is shown:
        fates["reasoning.show"] = Fate.MAPPED
    return fates


def _thoughts(request: InferenceRequest) -> Iterator[ThinkingPart]:
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, ThinkingPart):
                yield part
