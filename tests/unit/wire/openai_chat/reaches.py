"""What Chat Completions can carry, and in which form its decoders leave it."""

from msgspec import structs

from adapters.wire.codec import WireTarget
from adapters.wire.openai_chat.dialect import OpenAIChatCodec
from adapters.wire.openai_chat.fates import FATES
from adapters.wire.openai_chat.wire import OpenAIChatWire
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.dialect import ReplyContext
from domain.inference.conversation import (
    Message,
    OpaqueState,
    Part,
    RefusalPart,
    Role,
    TextPart,
    ThinkingPart,
)
from domain.inference.dialect import Dialect, WireFormat
from domain.inference.head import RequestHead
from domain.inference.request import Effort, InferenceRequest
from domain.inference.response import Candidate, FinishReason, InferenceResponse
from tests.support.reach import Reach, carried_by

CODEC = OpenAIChatCodec()
WIRE = OpenAIChatWire()
SCRUBBER = MessageScrubber()
OPENAI = WireTarget(model="gpt-5")
RELATIVE = WireTarget(model="llama", bound_name="max_tokens")

_ELSEWHERE = (
    "document.context",  # these come back as texts
    "document.file_id",  # without its name
    "tool_result.image",
    "tool_result.document",
    "tool_result.media",
    "reasoning.enabled",  # these come back as an effort
    "reasoning.budget_tokens",
    "reasoning.adaptive",
)
REQUESTS = Reach(
    fields=carried_by(FATES, *_ELSEWHERE) | {"cache"},
    ttls=(None, "30m", "12h"),
    efforts=tuple(Effort),
    service_tiers=("auto", "default", "flex", "priority"),
    modalities=(("text",), ("text", "audio")),
)
TO_RELATIVES = Reach(
    fields=carried_by(
        FATES,
        *_ELSEWHERE,
        "tools.custom",
        "tool_call.custom",
        "tool_choice.allowed",
        "refusal",
    )
    | {"audio.url", "video.url", "video.data", "sampling.top_k", "thinking.text", "thinking.state"},
    state_origin=WireFormat.OPENAI_CHAT,
    states=("reasoning_content", "reasoning"),
    bare_thinking=False,
    system_texts=1,
)
REPLIES = Reach(
    fields=carried_by(FATES) | {"thinking.text"},
    finishes=(FinishReason.STOP, FinishReason.LENGTH, FinishReason.CONTENT_FILTER),
    usage_kinds=(
        "input_uncached",
        "cache_read",
        "cache_write_5m",
        "audio_in",
        "output",
        "reasoning",
        "audio_out",
    ),
    url_citations=True,
    most_candidates=3,
)


def as_read(reply: InferenceResponse) -> InferenceResponse:
    """Return an answer as it is read after it was written.

    Thoughts know the member they came by, a refusal is a reason, and the model is the client's.
    """
    candidates = tuple(_candidate(candidate) for candidate in reply.candidates)
    return structs.replace(reply, candidates=candidates, model="public")


def _candidate(candidate: Candidate) -> Candidate:
    refused = any(isinstance(part, RefusalPart) for part in candidate.parts)
    finish = candidate.finish
    if refused and finish is FinishReason.STOP:
        finish = FinishReason.REFUSAL
    parts = tuple(_part(part) for part in candidate.parts)
    return structs.replace(candidate, parts=parts, finish=finish)


def _part(part: Part) -> Part:
    if not isinstance(part, ThinkingPart):
        return part
    state = OpaqueState(origin=WireFormat.OPENAI_CHAT, data="reasoning_content")
    return ThinkingPart(text=part.text, state=state)


def request(**changes: object) -> InferenceRequest:
    """Return a request that says hello."""
    hello = Message(role=Role.USER, parts=(TextPart(text="Hello"),))
    base = InferenceRequest(source=Dialect.OPENAI_CHAT, model="public", messages=(hello,))
    return structs.replace(base, **changes)


def context(*, candidates: int = 1, include_usage: bool = True, **changes: object) -> ReplyContext:
    """Return what an answer knows of its request; `changes` are to the request."""
    return ReplyContext(
        request=request(candidates=candidates, **changes),
        model="public",
        reply_id="r1",
        created_s=1_750_000_000,
        include_usage=include_usage,
    )


def head(choices: int = 1) -> RequestHead:
    """Return the head of a streaming request."""
    return RequestHead(model="public", stream=True, choices=choices)
