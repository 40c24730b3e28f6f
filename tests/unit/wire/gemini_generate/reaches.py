"""What generateContent can carry, and what a request needs to be in its decoder's form."""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec import structs

from adapters.wire.gemini_generate.fields import FATES
from application.ports.dialect import ReplyContext
from domain.inference.conversation import Message, Role, TextPart
from domain.inference.dialect import Dialect, WireFormat
from domain.inference.request import Effort, InferenceRequest, Reasoning, ResponseFormat
from domain.inference.response import FinishReason
from tests.support.canonical import SCHEMAS, requests
from tests.support.reach import Reach, carried_by

REQUESTS = Reach(
    source=Dialect.GEMINI_GENERATE,
    fields=carried_by(
        FATES,
        # Files of other providers are refused; those of Google's have a test of their own.
        "image.file_id",
        "document.file_id",
        "audio.file_id",
        "video.file_id",
        "refusal",
        "tools.strict",
        "tools.custom",
        "tool_call.custom",
        "tool_result.custom",
        "tool_choice.allowed",
    )
    | {"metadata", "store"},
    system="one",
    state_origin=WireFormat.GEMINI_GENERATE,
    ordered=False,
    results_alone=False,
    structured_results=True,
    state_on_calls=True,
    state_on_texts=True,
    service_tiers=("default", "flex", "priority"),
    document_types=("application/pdf", "text/plain", "text/csv"),
)
REPLIES = Reach(
    source=Dialect.GEMINI_GENERATE,
    fields=REQUESTS.fields,
    state_origin=WireFormat.GEMINI_GENERATE,
    ordered=False,
    refusals=False,
    state_on_calls=True,
    state_on_texts=True,
    url_citations=True,
    finishes=(
        FinishReason.STOP,
        FinishReason.LENGTH,
        FinishReason.CONTENT_FILTER,
        FinishReason.MALFORMED_TOOL_CALL,
        FinishReason.ERROR,
    ),
    usage_kinds=("input_uncached", "cache_read", "audio_in", "output", "reasoning", "audio_out"),
    most_candidates=3,
)

_SHOWN = st.sampled_from([None, True, False])
BUDGETS: SearchStrategy[Reasoning | None] = st.one_of(
    st.none(),
    st.builds(Reasoning, budget_tokens=st.integers(1, 24_576), show=_SHOWN),
    st.builds(Reasoning, adaptive=st.just(value=True), show=_SHOWN),
    st.builds(Reasoning, enabled=st.just(value=False)),
)
LEVELS: SearchStrategy[Reasoning | None] = st.one_of(
    st.none(),
    st.builds(
        Reasoning,
        effort=st.sampled_from(
            [Effort.MINIMAL, Effort.LOW, Effort.MEDIUM, Effort.HIGH, Effort.XHIGH]
        ),
        show=_SHOWN,
    ),
    st.builds(Reasoning, budget_tokens=st.integers(1, 32_768), show=_SHOWN),
)
SHAPES: SearchStrategy[ResponseFormat | None] = st.one_of(
    st.none(),
    st.builds(ResponseFormat, kind=st.sampled_from(["text", "json_object"])),
    st.builds(ResponseFormat, kind=st.just("json_schema"), schema=SCHEMAS),
)
_OLDER = structs.replace(
    REQUESTS, fields=REQUESTS.fields - {"tool_result.image", "tool_result.document"}
)
WITH_BUDGETS = requests(_OLDER, reasoning=BUDGETS, changes={"response_format": SHAPES})
"""Requests nearly as the decoder of this dialect leaves them, for Gemini 2.5."""
WITH_LEVELS = requests(REQUESTS, reasoning=LEVELS, changes={"response_format": SHAPES})
"""The same for Gemini 3."""


def context(model: str = "gemini-public", *, show: bool = True) -> ReplyContext:
    """Return the context of an answer to the smallest request; `show`: with thoughts."""
    request = InferenceRequest(
        source=Dialect.GEMINI_GENERATE,
        model=model,
        messages=(Message(role=Role.USER, parts=(TextPart(text="Hi"),)),),
        reasoning=Reasoning(show=True) if show else None,
    )
    return ReplyContext(request=request, model=model, reply_id="r-1", created_s=1_700_000_000)
